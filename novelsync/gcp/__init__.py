"""What hands a run's messages to others."""
