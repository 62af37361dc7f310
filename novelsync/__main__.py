"""``python -m novelsync``."""

from novelsync.cli import main

main()
