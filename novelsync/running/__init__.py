"""One run: read, write, remove, report."""
