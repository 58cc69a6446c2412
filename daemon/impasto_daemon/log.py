"""The daemon's log: lines on standard error, where systemd and terminals both look for them."""

from __future__ import annotations

import logging

LEVELS = ("debug", "info", "warning", "error")

DAEMON_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
WORKER_FORMAT = "%(levelname)s %(message)s"
"""The worker's lines go through the supervisor, which puts time and name before them."""


def configure(level: str = "info", line: str = DAEMON_FORMAT) -> None:
    """Send what is at least as grave as `level` (one of LEVELS) to standard error."""
    logging.basicConfig(level=level.upper(), format=line, force=True)


def relay(logger: logging.Logger, line: str) -> None:
    """Log a line of another process at the level it begins with. Others are warnings: tracebacks look like that."""
    level, _, rest = line.partition(" ")
    if level.lower() in LEVELS and rest:
        logger.log(getattr(logging, level), "%s", rest)
    else:
        logger.warning("%s", line)
