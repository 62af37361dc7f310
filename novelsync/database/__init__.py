"""The roads to the database, and the SQL functions that all of them call."""
