"""A process that ends when the process that started it ends."""

import ctypes
import os
import signal
import sys
import threading
import time

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int | None = None) -> None:
    """Have this process killed when its parent dies, however the parent dies.

    parent: the id that the parent had when it started this process. One that has died since then
    has been replaced unseen by whoever takes in orphans, and this process ends at once.

    A killed `dvc repro` would otherwise leave the stage running, writing beside the next
    one. Linux does it in the kernel (`prctl`, PR_SET_PDEATHSIG); elsewhere a thread watches
    the parent's id once a second.
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
