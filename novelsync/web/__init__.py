"""HTTP: routes, events, the status page."""
