"""A PostgreSQL server of the project's own, in a folder."""
