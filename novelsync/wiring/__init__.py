"""From settings to the parts of the program. Only this room names every adapter, and imports just those in use."""
