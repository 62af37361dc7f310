"""``python -m novelsync``."""

import sys

try:
    from novelsync.cli.commands import main
except ModuleNotFoundError as error:
    # Most likely this is not the Python that the packages were installed for.
    print(f"the package {error.name} is not installed for {sys.executable}", file=sys.stderr)
    print("`make sync` sets up .venv; `. .venv/bin/activate` makes it the Python of this shell", file=sys.stderr)
    sys.exit(2)

main()
