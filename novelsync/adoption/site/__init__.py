"""What a site's own tables are like."""
