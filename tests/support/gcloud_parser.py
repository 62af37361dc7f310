"""
gcloud itself, with nobody logged in: it reads a command to its end, and then says that nobody is.

Started anew for each command it takes a second of each, so one process of it reads them all: this file, run by the
Python that gcloud runs in. That may be older than ours, and has none of our packages.
"""

import io
import json
import os
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

GCLOUD = shutil.which("gcloud")


def complaints(commands, config):
    """What gcloud has against each of the commands; nothing where only a login is missing. ``config``: a new folder."""
    settings = {"DISABLE_PROMPTS": "1", "CHECK_GCE_METADATA": "false", "DISABLE_USAGE_REPORTING": "true"}
    environment = {f"CLOUDSDK_CORE_{name}": value for name, value in settings.items()}
    environment |= {"PATH": os.environ["PATH"], "HOME": str(config), "CLOUDSDK_CONFIG": str(config)}

    def run(*command, **options):
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, **options)
        return ended.stdout.strip()

    where = run(GCLOUD, "info", "--format=value(basic.python_location,installation.sdk_root)")
    python, sdk = where.split("\t")
    return json.loads(run(python, "-S", __file__, sdk, input=json.dumps(commands), cwd=Path(__file__).parents[2]))


def main():
    commands = json.load(sys.stdin)
    sys.path.insert(0, str(Path(sys.argv[1], "lib")))
    import gcloud  # it finds the rest of itself

    gcloud_main = gcloud._import_gcloud_main()
    from googlecloudsdk.core import log

    cli = gcloud_main.CreateCLI([])
    found = [complaint(cli, log, command) for command in commands]
    print(json.dumps([said for said in found if said]))


def complaint(cli, log, command):
    out, code = io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(out):
        log.Reset(out, out)
        sys.stdin = io.TextIOWrapper(io.BytesIO(b"a key"))
        try:
            cli.Execute(command)
        except SystemExit as end:
            code = end.code
    understood = code == 1 and "do not currently have an active account" in out.getvalue()
    needs_no_login = code == 0 and command[0] in ("version", "auth")
    return "" if understood or needs_no_login else f"{command}: {code}, {out.getvalue()}"


if __name__ == "__main__":
    main()
