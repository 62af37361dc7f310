"""Syncs a few novels together: from reading their files to what was written of each."""
