"""How this process takes memory and gives it back."""

import ctypes
import gc
import sys
from typing import Final

_M_MMAP_THRESHOLD: Final = -3
"""From glibc's malloc.h."""

_LARGE_BLOCK: Final = 4 << 20
"""Bytes: files and texts of large novels, and what is sent of them at once; not the blocks of which there are many."""


def set_memory_up() -> None:
    """
    For a process that syncs.

    A run makes a few tuples per chapter and next to no cycles. By default Python looks for cycles after every 700 new
    objects, which takes a quarter of the time of an import of small novels.

    glibc gives a large block back as soon as it is free; but each that is freed makes it keep the next of that size, a
    part for each thread. With that, four novels of 30 MB took 165 MB, and without it they take 130 (`make bench
    ARGS=memory`), in the same time.
    """
    gc.set_threshold(10_000)
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):  # musl has none
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)
