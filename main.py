"""Where functions-framework looks for the deployed functions. They are in novelsync/web/functions.py."""

from novelsync.web.functions import app, novel_changed, status, sync

__all__ = ["app", "novel_changed", "status", "sync"]
