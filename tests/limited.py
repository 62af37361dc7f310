"""A limit to what a process may take, enforced by the kernel, so that an explosion of memory is seen as one."""

import resource
from collections.abc import Callable


def memory(limit: int) -> Callable[[], None]:
    """For `subprocess`, as its ``preexec_fn``; in bytes. macOS does not enforce it."""
    return lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
