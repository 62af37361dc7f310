"""The page that a browser gets from the status route."""
