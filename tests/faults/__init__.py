"""What can go wrong around a run: one library and its tables, and everything between them that fails."""
