"""Where novels are kept: one file per kind of storage."""
