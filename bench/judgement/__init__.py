"""
How well damage is told from honest edits: what a crawler's mishaps and what people's work do to the readers' tables.

It looks from outside: files are written, whole runs are made, and the tables are read.
"""

from bench.judgement.measurement import main

__all__ = ["main"]
