"""What falls on processes here, and what may be said of it afterwards."""

from __future__ import annotations

import signal

from impasto_protocol.errors import Code

SIGNALS = (signal.SIGKILL, signal.SIGSTOP)
STOPPED = 0.4
"""Seconds that a stopped process stays so."""
TOLD = {Code.WORKER_DIED, Code.DAEMON_LOST, Code.ABANDONED, Code.CANCELLED, Code.UNREACHABLE, Code.TIMED_OUT}
"""Errors that may be said of such accidents; each has its remedy."""
AT_ONCE = 0.1
"""Seconds within which the device is free where the kernel tells the daemon that the client's process has ended."""
PATIENCE = 30.0
"""Seconds that anything may take."""
