"""Access to the database: a client of its SQL functions, the transports that carry the calls, the migrations."""
