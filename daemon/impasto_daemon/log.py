"""The daemon's log: lines on standard error, where systemd and terminals both look for them."""

from __future__ import annotations

import logging
import math
import time
from typing import Any

LEVELS = ("debug", "info", "warning", "error")

DAEMON_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
WORKER_FORMAT = "%(levelname)s %(message)s"
"""The worker's lines go through the supervisor, which puts time and name before them."""

SELDOM = 60.0
"""Seconds between two lines that say the same, where strangers can cause them: they are not to fill the disk."""


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


class Seldom:
    """A logger for what others can cause as often as they like: of each sentence one line in `SELDOM` seconds."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._told: dict[str, float] = {}

    def log(self, level: int, sentence: str, *words: object, **more: Any) -> None:
        """As `Logger.log`. `sentence` is a constant of the program's, in which `words` are filled in."""
        now = time.monotonic()
        if now >= self._told.get(sentence, -math.inf) + SELDOM:
            self._told[sentence] = now
            self._logger.log(level, sentence, *words, **more)
