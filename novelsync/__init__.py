"""NovelSync mirrors a folder or bucket of web novels into a site's Postgres tables."""
