"""Parts of the database that the sync itself has no use for, each with its SQL functions."""
