"""Keep what a process holds in memory out of files: no core dump, and no other program reads it."""

import ctypes
import sys

_PR_SET_DUMPABLE = 4


def switch_core_dumps_off() -> None:
    """Have no core dump written of this process and of those that it starts.

    On Linux the limit alone does not stop a dump that the kernel pipes to a program, so this
    process is marked as not dumpable too; a child marks itself.
    """
    try:
        import resource
    except ImportError:  # Windows writes none
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
