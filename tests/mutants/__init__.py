"""Faults that somebody could make, and whether a test notices."""
