"""What the core expects of a storage, a database, a publisher and a scheduler, as Protocols."""
