"""Taking over a site's own tables."""
