"""
A stand-in for gcloud: writes down every call, remembers what was made, and fails where a test wants it to.

A deployment calls gcloud some sixty times. So what is started each time is a few lines of bash, without a process of
their own: they hand the call to a thread of the tests, and print what it answers. It knows the commands that deploy.sh
uses and no flag; whether gcloud would understand those is asked of gcloud itself.
"""

import json
import re
import shutil
import socketserver
import subprocess
import threading
from typing import Any

BASH = shutil.which("bash") or ""

CLIENT = f"""#!{BASH}
exec 3<>/dev/tcp/127.0.0.1/PORT
case " $* " in *" --data-file=- "*) IFS= read -r -d '' stdin ;; esac
{{ printf '%s\\0' "$#" "$@" "$stdin" && export -p && printf '\\0'; }} >&3
IFS= read -r -d '' out <&3 && IFS= read -r -d '' err <&3 && IFS= read -r -d '' code <&3
printf '%s' "$out"
printf '%s' "$err" >&2
exit "${{code:-70}}"
"""
"""Sends how many arguments there are, those, stdin and the environment; each ends with a NUL, and so do the answers."""


class Refused(Exception):
    """What gcloud says when it does not do something."""


class Gcloud:
    """What there is in a project, and what was called. ``script`` is to be put where a shell looks for gcloud."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.state: dict[str, Any] = {
            "things": [], "versions": [], "alert_versions": [], "faults": [], "deleted_roles": [], "run": None,
            "notify_url_versions": [], "notify_secret_versions": [],
            "job_state": "ENABLED", "notifications": [], "made": 0,
            "storage_agent": "service-42@gs-project-accounts.iam.gserviceaccount.com",
            "version": "528.0.0\t2025.06.20", "account": "ann@example.com", "billing": "True",
        }  # fmt: skip
        gcloud = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                words, received = [b""], b""
                while len(words) < 2 or len(words) < int(words[0]) + 4:
                    if not (part := self.request.recv(65536)):
                        return
                    received += part
                    words = received.split(b"\0")
                *arguments, stdin, environment = [word.decode() for word in words[1:-1]]
                answer = gcloud._answer(arguments, stdin, environment)
                self.request.sendall("".join(f"{part}\0" for part in answer).encode())

        # One call after the other, as deploy.sh makes them.
        self._server = socketserver.TCPServer(("127.0.0.1", 0), Handler)
        self.script = CLIENT.replace("PORT", str(self._server.server_address[1]))
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def has_called(self, *words: str) -> bool:
        return any(call["argv"][: len(words)] == list(words) for call in self.calls)

    def _answer(self, arguments: list[str], stdin: str, environment: str) -> tuple[str, str, int]:
        self.calls.append({"argv": arguments, "stdin": stdin, "environment": environment})
        said = " ".join(arguments)
        try:
            self._fail_if_a_test_wants_it(said)
            out = str(_Call(self.state, arguments, stdin).answer())
        except Refused as error:
            return "", f"ERROR: (gcloud) {error}\n", 1
        # A payload is printed as it is.
        return out if not out or said.startswith("secrets versions access") else f"{out}\n", "", 0

    def _fail_if_a_test_wants_it(self, said: str) -> None:
        for fault in self.state["faults"]:
            if re.search(fault["call"], said) and fault["times"] > 0:
                fault["times"] -= 1
                raise Refused(fault["error"])


class _Call:
    def __init__(self, state: dict[str, Any], arguments: list[str], stdin: str) -> None:
        self.state = state
        self.arguments = arguments
        self.stdin = stdin
        self.said = " ".join(arguments)

    def flag(self, name: str) -> str:
        return next((word.split("=", 1)[1] for word in self.arguments if word.startswith(f"--{name}=")), "")

    def calls(self, *words: str) -> bool:
        return self.arguments[: len(words)] == list(words)

    def answer(self) -> object:
        if self.calls("version"):
            return self.state["version"]
        if self.calls("auth", "list"):
            return self.state["account"]
        if self.calls("projects", "describe"):
            return "42\tACTIVE"
        if self.calls("billing"):
            return self.state["billing"]
        if self.calls("secrets", "versions"):
            return self.secrets_versions()
        if self.calls("scheduler", "jobs", "run") and self.state["run"]:
            subprocess.run(**self.state["run"], check=False, capture_output=True)
        self.fail_without_what_is_named()
        if self.calls("storage", "buckets", "notifications"):
            return self.notifications()
        if self.calls("storage", "service-agent"):
            return self.state["storage_agent"]
        if (
            "iam-policy-binding" in self.said
            or self.calls("services", "enable")
            or self.calls("scheduler", "jobs", "run")
        ):
            return ""
        return self.anything_else()

    def secrets_versions(self) -> object:
        secret = self.flag("secret") or self.arguments[3]
        kinds = {"alert-url": "alert_versions"}
        kinds |= {"notify-url": "notify_url_versions", "notify-secret": "notify_secret_versions"}
        kind = kinds.get(secret.partition("-")[2])
        if kind and f"secrets {secret}" not in self.state["things"]:
            raise Refused(f"NOT_FOUND: Secret [{secret}] not found or has no versions.")
        versions = self.state[kind or "versions"]  # [payload, enabled]
        match self.arguments[2]:
            case "list":
                states = ("enabled" if enabled else "disabled" for _, enabled in versions)
                return "\n".join(f"{number}\t{state}" for number, state in enumerate(states, 1))
            case "add":
                versions.append([self.stdin, True])
                return len(versions)
            case "access":
                return versions[int(self.arguments[3]) - 1][0]
            case _:
                versions[int(self.arguments[3]) - 1][1] = False
                return ""

    def fail_without_what_is_named(self) -> None:
        """Pub/Sub takes nothing that belongs to a topic or a subscription that is not there."""
        flags = [self.flag(name) for name in ("topic", "dead-letter-topic")]
        named = [("topics", topic.rpartition("/")[2]) for topic in flags if topic]
        if self.calls("pubsub") and "iam-policy-binding" in self.said:
            named.append((self.arguments[1], self.arguments[3]))
        for kind, name in named:
            if f"pubsub {kind} {name}" not in self.state["things"]:
                raise Refused(f"NOT_FOUND: Resource not found (resource={name}).")

    def notifications(self) -> str:
        there = self.state["notifications"]  # each: [id, topic, prefix]
        match self.arguments[3]:
            case "list":
                return "\n".join("\t".join(("gs://my-novels", *notification)) for notification in there)
            case "create":
                self.state["made"] += 1
                topic = f"//pubsub.googleapis.com/{self.flag('topic')}"
                there.append([str(self.state["made"]), topic, self.flag("object-prefix")])
                return ""
        name = self.arguments[4]
        found = [notification for notification in there if name.endswith(f"/notificationConfigs/{notification[0]}")]
        if not found:
            raise Refused(f"{name} not found: 404.")
        if self.arguments[3] == "delete":
            there.remove(found[0])
        return ""

    def anything_else(self) -> str:
        words = [word for word in self.arguments if not word.startswith("--") and word not in ("alpha", "http")]
        verbs = "create|deploy|des|delete|undelete|update|list"
        verb = next(number for number, word in enumerate(words) if re.match(verbs, word))
        kind, name = " ".join(words[:verb]), (words[verb + 1].split("@")[0] if words[verb + 1 :] else "")
        if words[verb].startswith("list"):
            shown = [thing.removeprefix(f"{kind} ") for thing in self.state["things"] if thing.startswith(kind)]
            return "\n".join(f"google/{name}\t{name}" for name in [*shown, "another"])
        if kind == "monitoring policies" and words[verb] == "create":
            name = json.loads(self.flag("policy"))["displayName"]
        elif "monitoring" in kind and words[verb] == "create":
            name = self.flag("display-name") or name
        name = name.removeprefix("google/")  # which gives those names of its own
        return self.described(kind, name) if words[verb] == "describe" else self.changed(kind, words[verb], name)

    def described(self, kind: str, name: str) -> str:
        if f"{kind} {name}" not in self.state["things"]:
            raise Refused(f"NOT_FOUND: {name} was not found")
        if "serviceConfig.uri" in self.said:
            return f"https://{name}-abc.a.run.app"
        if kind == "iam roles":
            return "True" if name in self.state["deleted_roles"] else ""
        return self.state["job_state"] if self.flag("format") == "value(state)" else "there"

    def changed(self, kind: str, verb: str, name: str) -> str:
        things, key = self.state["things"], f"{kind} {name}"
        there = key in things
        if verb in ("create", "deploy") and (not there or verb == "deploy"):
            things += [] if there else [key]
            return f"google/{name}" if "monitoring" in kind else ""
        if verb == "delete" and there:
            things.remove(key)
        elif verb == "undelete":
            self.state["deleted_roles"].remove(name)
        elif verb != "update" or not there:
            raise Refused(f"ALREADY_EXISTS: {name}" if there else f"NOT_FOUND: {name}")
        return ""
