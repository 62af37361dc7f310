"""A limit to what a process may take, enforced by the kernel, so that an explosion of memory is seen as one."""

from collections.abc import Callable


def memory(limit: int) -> Callable[[], None]:
    """For `subprocess`, as its ``preexec_fn``; in bytes. macOS does not enforce it, and Windows has none."""
    import resource

    return lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
