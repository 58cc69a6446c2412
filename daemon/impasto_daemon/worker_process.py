"""The worker's process, from its start to its end: its link, its standard error, and the signals it gets in time.

Knows no jobs beyond what the worker keeps of its last one; never blocks, and never imports torch.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import signal
import subprocess
import sys
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq
from impasto_protocol.errors import Code, Problem

from . import files, log
from .link import Link
from .painting import KEEP_SECONDS

WORKER_ENVIRONMENT = {"OMP_WAIT_POLICY": "passive"}
"""Torch's threads sleep while they wait for one another. Spinning, their default, makes a step ten times slower as soon
as something else (GIMP, say) wants a core too."""

CLOSE_SECONDS = 1.0
"""Seconds that it has to leave when the daemon does."""
TERM_TO_KILL = 1.0
"""Seconds that a terminated worker has until it is killed."""
HELP = "`impasto doctor` tries torch, and the daemon's log may say more."
START_SECONDS = 300.0
"""A worker that has not reported after this time never will: reading a large library from a slow disk takes minutes."""
LAST_WORDS = 0.1
"""Seconds in which messages of an ended worker may still arrive."""
LINE_BYTES = 64 * 1024
"""A longer line of a worker's standard error becomes several."""
POLL = 0.05
"""Seconds between looks at an ended worker, or at any where the system cannot announce a process's end."""

_NUMBERS = itertools.count(1)

logger = logging.getLogger("impasto.executor")
worker_log = logging.getLogger("impasto.worker")


@dataclass(frozen=True)
class WorkerSettings:
    """How workers are made. `links`: a folder for the sockets to them. `idle`: seconds without a job after which one
    leaves, 0 for never. `grace`: seconds it has to let go of a cancelled job."""

    painter: str
    links: Path
    device: str = "auto"
    weights: Path | None = None
    offline: bool = False
    log_level: str = "info"
    idle: float = 300.0
    grace: float = 2.0

    def command(self, link: str) -> list[str]:
        options = ["--link", link, "--painter", self.painter, "--device", self.device, "--log-level", self.log_level]
        options += ["--weights", str(self.weights)] if self.weights else []
        options += ["--offline"] if self.offline else []
        # -P: a daemon that is started in a stranger's folder must not import what lies there.
        return [sys.executable, "-P", "-m", "impasto_daemon.worker", *options]


class WorkerProcess:
    """One process, its link and its standard error. `about` is None until it has reported.

    keeps_until: when what it keeps of its last job is kept for certain; 0 once it has said that it is.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], settings: WorkerSettings, now: float) -> None:
        self.about: dict[str, Any] | None = None
        self.problem: Problem | None = None
        self.started = now
        self.ended: float | None = None
        self.doomed = False
        self.keeps_until = 0.0
        self.tail: deque[str] = deque(maxlen=20)
        self._signals: list[tuple[float, signal.Signals | None]] = []
        self._half_line = b""
        # A name of its own: ZeroMQ removes the last one's in its own time.
        self._path = files.private(settings.links) / f"{next(_NUMBERS)}"
        endpoint = f"ipc://{self._path}"
        try:
            self.link = Link(context, endpoint, bind=True)
        except zmq.ZMQError as error:
            raise OSError(error.errno, f"no socket in {settings.links}: {error.strerror}") from error
        try:
            # A group of its own: Ctrl-C in a terminal is for the supervisor alone.
            self.process = subprocess.Popen(
                settings.command(endpoint),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                process_group=0,
                env={**WORKER_ENVIRONMENT, **os.environ},
            )
        except OSError:
            self.link.close()
            self.hide_link()
            raise
        assert self.process.stderr is not None
        self._stderr: int | None = self.process.stderr.fileno()
        os.set_blocking(self._stderr, False)
        self.sentinel = _open_sentinel(self.process.pid)

    def hide_link(self) -> None:
        """The connection stands; its path is of no use to anybody any more."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def descriptors(self) -> list[int]:
        """What becomes readable when there is something to see to. Past its end the deadline alone counts."""
        return [fd for fd in (self._stderr, self.sentinel) if fd is not None] if self.ended is None else []

    def read_log(self) -> None:
        """Hand what it wrote to standard error on to the log."""
        if self._stderr is None:
            return
        try:
            chunk = os.read(self._stderr, 65536)
        except BlockingIOError:
            return
        if not chunk:
            self._stderr = None
        *lines, self._half_line = (self._half_line + chunk).split(b"\n")
        if len(self._half_line) >= LINE_BYTES:
            lines, self._half_line = [*lines, self._half_line], b""
        for line in lines:
            text = line.decode(errors="replace")
            self.tail.append(text)
            log.relay(worker_log, text)

    def end_by(self, now: float, grace: float) -> None:
        """Unless called off: terminate after `grace` seconds, kill a little later. While it keeps its last job's state
        that time does not begin: it is asked to leave, which it does as soon as it may, whatever hangs."""
        if not self._signals:
            end = max(now, self.keeps_until) + grace
            ask: list[tuple[float, signal.Signals | None]] = [(now + grace, None)] if self.keeps_until > now else []
            self._signals = [*ask, (end, signal.SIGTERM), (end + TERM_TO_KILL, signal.SIGKILL)]

    def call_off(self) -> None:
        """It let go in time."""
        if not self.doomed:
            self._signals = []

    def kept(self, now: float, grace: float) -> None:
        """It keeps nothing any more."""
        late, self.keeps_until = self.keeps_until > now, 0.0
        if late and self._signals and not self.doomed:
            self._signals = []
            self.end_by(now, grace)

    def release(self) -> None:
        """Have it leave: its standard input ends, and that is its sign. A second time changes nothing."""
        assert self.process.stdin is not None
        self.doomed = True
        self.process.stdin.close()

    def dismiss(self, now: float, grace: float) -> None:
        """Have it leave, within `grace` seconds."""
        self.release()
        self.end_by(now, grace)

    def press(self, now: float) -> None:
        """Send the signals that are due."""
        while self._signals and now >= self._signals[0][0]:
            _, number = self._signals.pop(0)
            self.doomed = True
            if number is None:
                self.release()
                continue
            logger.warning("the worker does not answer: sending %s", number.name)
            self.process.send_signal(number)

    def overdue(self, now: float) -> Problem | None:
        """Why no more is to be expected of one that has never reported; None while there is hope."""
        if self.about is not None or self.doomed or now < self.started + START_SECONDS:
            return None
        sentence = f"The process that paints did not start within {START_SECONDS:g} seconds. {HELP}"
        return Problem(Code.WORKER_DIED, sentence)

    def look(self, now: float) -> bool:
        """Whether it has ended, and its last messages have had their time."""
        if self.ended is None and self.process.poll() is not None:
            self.ended = now
        return self.ended is not None and now >= self.ended + LAST_WORDS

    def deadline(self, now: float) -> float | None:
        times = [at for at, _ in self._signals[:1]]
        times += [now + POLL] if self.sentinel is None or self.ended is not None else []
        times += [self.started + START_SECONDS] if self.about is None else []
        return min(times, default=None)

    @property
    def ending(self) -> str:
        """How it has ended."""
        code = self.process.returncode
        return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"

    def obituary(self) -> Problem:
        """Why a job has no result when its worker has ended."""
        if self.problem:
            return self.problem
        if self.about is None:
            last = next((line for line in reversed(self.tail) if line.strip()), "it said nothing")
            sentence = f"The process that paints could not start ({self.ending}): {last[:500]}. {HELP}"
            return Problem(Code.WORKER_DIED, sentence)
        if self.process.returncode == -signal.SIGKILL:
            hint = "Often the machine ran out of memory: try again with a smaller size."
        else:
            hint = "The daemon's log may say why; trying again is harmless."
        return Problem(Code.WORKER_DIED, f"The process that paints ended in mid-job ({self.ending}). {hint}")

    def end(self) -> None:
        """End it and let go of it, whatever it does. Takes a second where it has to be killed, and longer only where it
        keeps a job's state."""
        self.release()
        try:
            self.process.wait(CLOSE_SECONDS + (KEEP_SECONDS if self.keeps_until else 0.0))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.close()

    def close(self) -> None:
        """Let go of everything but the process itself, which has ended."""
        self.read_log()
        for stream in (self.process.stdin, self.process.stderr):
            if stream:
                stream.close()
        if self.sentinel is not None:
            os.close(self.sentinel)
        self.link.close()
        self.hide_link()


def _open_sentinel(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends, where the system has such a thing."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
