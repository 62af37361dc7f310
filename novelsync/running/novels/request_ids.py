"""The ids by which the database recognizes a repeated request."""

import os
import random
import uuid

_random = random.Random()  # noqa: S311 — ids have to differ, and protect nothing
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


def request_id() -> str:
    """
    A new id, different in every process. The database recognizes a repeated request by it.

    Not uuid4, which asks the system for its bytes and lets other threads run meanwhile: that takes a tenth of an import
    of small novels. Not the shared generator: a program that seeds it alike at each start would repeat the ids, and the
    database would take each novel for written already.
    """
    return str(uuid.UUID(int=_random.getrandbits(128), version=4))
