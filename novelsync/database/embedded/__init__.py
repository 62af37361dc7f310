"""A PostgreSQL server of the project's own, in a folder: for a laptop, and for the tests."""
