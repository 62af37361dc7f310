"""Pub/Sub, and the errors that all of Google's clients raise."""
