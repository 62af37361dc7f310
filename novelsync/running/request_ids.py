"""
Ids of requests, by which the database knows one that comes twice.

uuid4 asks the system for its bytes and lets other threads go first, which takes a tenth of an import of small novels.
The generator is ours alone, because whoever seeds the shared one alike at each start would have the database take each
novel for written already.
"""

import os
import random
import uuid

_random = random.Random()  # noqa: S311 — ids have to differ, and guard nothing
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


def request_id() -> str:
    """Another one each time, in every process."""
    return str(uuid.UUID(int=_random.getrandbits(128), version=4))
