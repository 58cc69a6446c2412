"""A worker ends with its supervisor: at once and whatever it does, unless it is keeping a job's state.

A thread waits for the end of standard input, which the supervisor holds. Where C code lets no thread run (a call of a
driver that hangs, say), the kernel ends the process, on Linux. It knows of no keeping, so it is called off meanwhile.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading

from .painting import KEEP_SECONDS

PR_SET_PDEATHSIG = 1


def leave_with_supervisor(keeping: threading.Lock) -> None:
    """End this process when standard input ends; `keeping` is held while a job's state is kept."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        keeping.acquire(timeout=KEEP_SECONDS)
        os._exit(0)

    threading.Thread(target=watch, name="supervisor-watch", daemon=True).start()
    killed_with_supervisor(True)


def killed_with_supervisor(wanted: bool) -> None:
    """Whether the kernel is to kill this process when its parent ends. From the main thread alone: each has its own
    answer, and one is enough."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL if wanted else 0)
