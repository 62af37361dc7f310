"""
A stand-in for gcloud: writes down every call, remembers what was made, and fails where a test wants it to.

    python tests/support/gcloud.py FOLDER ARGUMENT…

`FOLDER/state.json` is what there is, `FOLDER/calls.jsonl` what was called; running the schedule runs the command in
state["run"], if there is one. It knows the commands that deploy.sh uses and
no flag; whether gcloud would understand those is asked of gcloud itself. It imports little, because a deployment starts
it some sixty times.
"""

import json
import os
import re
import sys

folder, arguments = sys.argv[1], sys.argv[2:]
with open(f"{folder}/state.json") as file:
    before = file.read()
state = json.loads(before)
said = " ".join(arguments)


def end(out: object = "", error: str = ""):
    if (now := json.dumps(state)) != before:
        with open(f"{folder}/state.json", "w") as file:
            file.write(now)
    if out != "":
        print(out)
    if error:
        print(f"ERROR: (gcloud) {error}", file=sys.stderr)
    sys.exit(1 if error else 0)


def record() -> str:
    stdin = sys.stdin.read() if "--data-file=-" in arguments else ""
    call = {"argv": arguments, "stdin": stdin, "environment": dict(os.environ)}
    with open(f"{folder}/calls.jsonl", "a") as calls:
        calls.write(json.dumps(call) + "\n")
    return stdin


def fail_if_a_test_wants_it() -> None:
    for fault in state["faults"]:
        if re.search(fault["call"], said) and fault["times"] > 0:
            fault["times"] -= 1
            end(error=fault["error"])


def flag(name: str) -> str:
    return next((value.split("=", 1)[1] for value in arguments if value.startswith(f"--{name}=")), "")


def called(*words: str) -> bool:
    return arguments[: len(words)] == list(words)


def secrets_versions(stdin: str):
    versions = state["versions"]  # each: [payload, enabled]
    match arguments[2]:
        case "list":
            end(
                "\n".join(
                    f"{number}\t{'enabled' if there else 'disabled'}" for number, (_, there) in enumerate(versions, 1)
                )
            )
        case "add":
            versions.append([stdin, True])
            end(len(versions))
        case "access":
            print(versions[int(arguments[3]) - 1][0], end="")
            end()
        case _:
            versions[int(arguments[3]) - 1][1] = False
            end()


def notifications():
    there, name = state["notifications"], arguments[4] if arguments[4:] else ""  # each: [id, topic, prefix]
    match arguments[3]:
        case "list":
            end("\n".join("\t".join(("gs://my-novels", *notification)) for notification in there))
        case "create":
            state["made"] += 1
            topic = f"//pubsub.googleapis.com/{flag('topic')}"
            there.append([str(state["made"]), topic, flag("object-prefix")])
            end()
    found = [notification for notification in there if name.endswith(f"/notificationConfigs/{notification[0]}")]
    if not found:
        end(error=f"{name} not found: 404.")
    if arguments[3] == "delete":
        there.remove(found[0])
    end()


def fail_without_what_is_named():
    """Pub/Sub takes nothing that belongs to a topic or a subscription that is not there."""
    named = [("topics", flag(name).rpartition("/")[2]) for name in ("topic", "dead-letter-topic") if flag(name)]
    if called("pubsub") and "iam-policy-binding" in said:
        named.append((arguments[1], arguments[3]))
    for kind, name in named:
        if f"pubsub {kind} {name}" not in state["things"]:
            end(error=f"NOT_FOUND: Resource not found (resource={name}).")


def described(kind: str, name: str):
    if f"{kind} {name}" not in state["things"]:
        end(error=f"NOT_FOUND: {name} was not found")
    if "serviceConfig.uri" in said:
        end(f"https://{name}-abc.a.run.app")
    if kind == "iam roles":
        end("True" if name in state["deleted_roles"] else "")
    end(state["job_state"] if flag("format") == "value(state)" else "there")


def changed(kind: str, verb: str, name: str):
    things, key = state["things"], f"{kind} {name}"
    there = key in things
    if verb in ("create", "deploy") and (not there or verb == "deploy"):
        things += [] if there else [key]
        end(f"google/{name}" if "monitoring" in kind else "")
    if verb == "delete" and there:
        things.remove(key)
        end()
    if verb == "undelete":
        state["deleted_roles"].remove(name)
        end()
    if verb == "update" and there:
        end()
    end(error=f"ALREADY_EXISTS: {name}" if there else f"NOT_FOUND: {name}")


def main():
    stdin = record()
    fail_if_a_test_wants_it()
    if called("version"):
        end(state["version"])
    if called("auth", "list"):
        end(state["account"])
    if called("projects", "describe"):
        end("42\tACTIVE")
    if called("billing"):
        end(state["billing"])
    if called("secrets", "versions"):
        secrets_versions(stdin)
    if called("scheduler", "jobs", "run") and state["run"]:
        import subprocess

        subprocess.run(**state["run"], check=False, capture_output=True)
    fail_without_what_is_named()
    if called("storage", "buckets", "notifications"):
        notifications()
    if called("storage", "service-agent"):
        end(state["storage_agent"])
    if "iam-policy-binding" in said or called("services", "enable") or called("scheduler", "jobs", "run"):
        end()
    words = [word for word in arguments if not word.startswith("--") and word not in ("alpha", "http")]
    verb = next(i for i, word in enumerate(words) if re.match("create|deploy|des|delete|undelete|update|list", word))
    kind, name = " ".join(words[:verb]), (words[verb + 1].split("@")[0] if words[verb + 1 :] else "")
    if words[verb].startswith("list"):
        shown = [thing.removeprefix(f"{kind} ") for thing in state["things"] if thing.startswith(kind)]
        end("\n".join(f"google/{name}\t{name}" for name in [*shown, "another"]))
    if "monitoring" in kind and words[verb] == "create":
        name = (
            flag("display-name") or name if kind != "monitoring policies" else json.loads(flag("policy"))["displayName"]
        )
    name = name.removeprefix("google/")  # which gives those names of its own
    if words[verb] == "describe":
        described(kind, name)
    changed(kind, words[verb], name)


main()
