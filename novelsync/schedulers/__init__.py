"""What starts a run every hour: one file per kind of scheduler."""
