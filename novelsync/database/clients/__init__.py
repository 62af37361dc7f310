"""Parts of the database beside runs and novels, each with its SQL functions."""
