"""Make a process end when the process that started it ends."""

import ctypes
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None) -> None:
    """Have this process killed when its parent dies, however the parent dies.

    A killed `dvc repro` would otherwise leave its stage running, writing beside the next one. On
    Linux the kernel does it (`prctl`, PR_SET_PDEATHSIG); elsewhere a thread checks the parent's id
    once a second.

    Args:
        parent: Id of the parent when it started this process; by default the current parent.
            A parent that died before this call has already been replaced by the process that
            adopts orphans; then this process ends at once.
    """
    parent = parent or os.getppid()
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
        if os.getppid() != parent:  # it died before the call
            os.kill(os.getpid(), signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)
