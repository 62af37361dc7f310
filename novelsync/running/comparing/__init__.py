"""Comparing every novel with its file although nothing has changed, a few in each run."""
