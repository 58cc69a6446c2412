"""Where jobs run: the one worker process, from its start to its end, whatever it does.

Whatever is started ends with exactly one `result` or `error`. A cancel is asked for first; a worker that does not
let go is terminated, then killed, and the next job gets a fresh one. A worker with nothing to do leaves and gives
the device's memory back. Knows neither clients nor the queue, never blocks, and never imports torch.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq
from impasto_protocol.errors import Code, ImpastoError, Problem, ProtocolError
from impasto_protocol.jobstate import State
from impasto_protocol.messages import Ack, Cancel, Error, Health, Message, Preview, Progress, Result, Submit

from . import log
from .address import short_temporary_folder
from .link import Link
from .painting import KEEP_SECONDS

WORKER_ENVIRONMENT = {"OMP_WAIT_POLICY": "passive"}
"""Torch's threads sleep while they wait for one another. Spinning, their default, makes a step ten times slower as soon
as something else (GIMP, say) wants a core too."""

TERM_TO_KILL = 1.0
"""Seconds that a terminated worker has until it is killed."""
CLOSE_SECONDS = 1.0
"""Seconds that a worker has to leave when the daemon does."""
START_SECONDS = 300.0
"""A worker that has not reported after this time never will: reading a large library from a slow disk takes minutes."""
LAST_WORDS = 0.1
"""Seconds in which messages of an ended worker may still arrive."""
LINE_BYTES = 64 * 1024
"""A longer line of a worker's standard error becomes several."""
POLL = 0.05
"""Seconds between looks at an ended worker, or at any where the system cannot announce a process's end."""

logger = logging.getLogger("impasto.executor")
worker_log = logging.getLogger("impasto.worker")

WorkerMessage = Progress | Preview | Result | Error


@dataclass(frozen=True)
class WorkerSettings:
    """How workers are made. `idle`: seconds without a job after which one leaves, 0 for never. `grace`: seconds it
    has to let go of a cancelled job."""

    painter: str
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


class _Worker:
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
        self._folder = tempfile.mkdtemp(prefix="impasto-", dir=short_temporary_folder())  # 0700
        endpoint = f"ipc://{self._folder}/link"
        try:
            self.link = Link(context, endpoint, bind=True)
        except zmq.ZMQError as error:
            self.hide_link()
            raise OSError(error.errno, f"no socket in {self._folder}: {error.strerror}") from error
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
        shutil.rmtree(self._folder, ignore_errors=True)

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
        """Have it leave: its standard input ends, and that is its sign."""
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


def _forget(about: Mapping[str, Any]) -> None:
    """Nobody learns from what a worker says of itself."""


class Executor:
    """One job at a time: `start` it, `cancel` it, and `poll` for what the worker says. `now`: monotonic seconds.

    learn: called with what a worker says of itself and its device, each time it says so.
    """

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        settings: WorkerSettings,
        learn: Callable[[Mapping[str, Any]], None] = _forget,
    ) -> None:
        self._context = context
        self._settings = settings
        self._learn = learn
        self._worker: _Worker | None = None
        self._job: Submit | None = None
        self._sent = False
        self._cancelled = False
        self._idle_since = 0.0
        self._said: list[WorkerMessage] = []
        self._starts = 0

    # What the supervisor asks for -----------------------------------------------------------------------------

    def start(self, submit: Submit, now: float) -> None:
        """Run this job; the one before must have ended."""
        if self._job is not None:
            raise RuntimeError(f"{submit.job} was started while {self._job.job} is running")
        self._job, self._sent, self._cancelled = submit, False, False
        self._move(now)

    def cancel(self, job: str, now: float) -> None:
        """Let go of this job. An error `cancelled` follows, or what the worker said before it heard."""
        if self._job is None or self._job.job != job or self._cancelled:
            return
        self._cancelled = True
        if self._sent and self._worker:
            self._worker.link.send(Cancel(id=1, job=job))
            self._worker.end_by(now, self._settings.grace)
        else:
            self._finish_ourselves(Problem(Code.CANCELLED, "Cancelled."), now)

    def ack(self, job: str) -> None:
        """This job's preview has arrived where it was wanted."""
        if self._worker and self._sent and self._job and self._job.job == job:
            self._worker.link.send(Ack(job=job, of="preview"))

    def about(self) -> dict[str, Any]:
        """The worker as plain data: its state, and what it said of its device."""
        worker = self._worker
        if worker is None:
            return {"state": "none", "starts": self._starts}
        busy = "busy" if self._job else "idle"
        state = "leaving" if worker.doomed else "starting" if worker.about is None else busy
        return {"state": state, "starts": self._starts, "pid": worker.process.pid, **(worker.about or {})}

    # The poll loop --------------------------------------------------------------------------------------------

    def watched(self) -> list[Any]:
        """Sockets and descriptors; when one is readable, `poll`."""
        worker = self._worker
        if worker is None:
            return []
        return [worker.link.socket, *worker.descriptors()]

    def deadline(self, now: float) -> float | None:
        """When `poll` is due at the latest."""
        if self._said:
            return now
        if self._worker is None:
            return None
        leaving = self._leaves_at()
        return min((at for at in (self._worker.deadline(now), leaving) if at is not None), default=None)

    def poll(self, now: float) -> list[WorkerMessage]:
        """What was said about the running job since the last time."""
        worker = self._worker
        if worker:
            worker.read_log()
            self._hear(worker, now)
            worker.press(now)
            if worker.look(now):
                self._hear(worker, now)
                self._bury(worker, now)
        self._move(now)
        said, self._said = self._said, []
        return said

    def close(self) -> None:
        """End the worker, whatever it does. Takes a second where it has to be killed, and longer only where it keeps a
        job's state."""
        worker = self._worker
        if worker is None:
            return
        worker.release()
        try:
            worker.process.wait(CLOSE_SECONDS + (KEEP_SECONDS if worker.keeps_until else 0.0))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        worker.close()
        self._worker = None

    # Inside ---------------------------------------------------------------------------------------------------

    def _move(self, now: float) -> None:
        """Bring job and worker together, or send the worker away."""
        worker = self._worker
        if self._job and worker is None:
            self._spawn(now)
        elif self._job and worker and not self._sent and worker.about is not None and not worker.doomed:
            self._hand_over(worker, self._job, now)
        elif worker and worker.about is None and now >= worker.started + START_SECONDS and not worker.doomed:
            sentence = f"The process that paints did not start within {START_SECONDS:g} seconds."
            worker.problem = Problem(Code.WORKER_DIED, sentence)
            worker.dismiss(now, 0.0)
        elif worker and (leaves := self._leaves_at()) is not None and now >= leaves:
            logger.info("the worker has had nothing to do for %g seconds and leaves", self._settings.idle)
            worker.dismiss(now, self._settings.grace)

    def _hand_over(self, worker: _Worker, job: Submit, now: float) -> None:
        try:
            self._sent = worker.link.send(job)
        except ImpastoError as error:  # a header that just fitted grows by what the client left out of it
            logger.warning("job %s cannot be handed over: %s", job.job, error)
            sentence = "The settings of this request are too long to be handed on: shorten them."
            self._finish_ourselves(Problem(Code.TOO_LARGE, sentence), now)

    def _leaves_at(self) -> float | None:
        worker = self._worker
        if not worker or worker.about is None or worker.doomed or self._job or self._settings.idle <= 0:
            return None
        return max(self._idle_since + self._settings.idle, worker.keeps_until)

    def _spawn(self, now: float) -> None:
        try:
            self._worker = _Worker(self._context, self._settings, now)
        except OSError as error:
            sentence = f"The process that paints cannot be started: {error.strerror or error}."
            self._finish_ourselves(Problem(Code.WORKER_DIED, sentence), now)
            return
        self._starts += 1
        if self._job:
            self._said.append(Progress(job=self._job.job, state=State.LOADING, note="The painter is being started."))
        logger.info("worker %d started", self._worker.process.pid)

    def _hear(self, worker: _Worker, now: float) -> None:
        try:
            for message in worker.link.receive():
                self._heard(worker, message, now)
        except ProtocolError as error:
            logger.error("the worker said what cannot be read: %s", error)
            worker.problem = Problem(Code.INTERNAL, f"Impasto failed on this job: {error}. The daemon's log has more.")
            worker.end_by(now, 0.0)

    def _heard(self, worker: _Worker, message: Message, now: float) -> None:
        if isinstance(message, Health):
            if not message.daemon.get("keeping"):
                worker.kept(now, self._settings.grace)
            if worker.about is None:
                worker.hide_link()
                self._idle_since = now
            worker.about = dict(message.daemon)
            self._learn(worker.about)
        elif isinstance(message, Error) and not message.job:
            worker.problem = message.problem()
        elif isinstance(message, WorkerMessage) and self._sent and self._job and message.job == self._job.job:
            self._said.append(message)
            if isinstance(message, Result):
                worker.keeps_until = now + KEEP_SECONDS
            if isinstance(message, (Result, Error)):
                self._finish(now)

    def _finish(self, now: float) -> None:
        self._job, self._sent, self._cancelled = None, False, False
        self._idle_since = now
        if self._worker:
            self._worker.call_off()

    def _finish_ourselves(self, problem: Problem, now: float) -> None:
        assert self._job is not None
        self._said.append(Error.of(problem, job=self._job.job))
        self._finish(now)

    def _bury(self, worker: _Worker, now: float) -> None:
        worker.close()
        self._worker = None
        logger.log(
            logging.INFO if worker.doomed else logging.ERROR,
            "worker %d ended: %s",
            worker.process.pid,
            _how(worker.process.returncode),
        )
        if self._job and (self._sent or worker.about is None):
            problem = Problem(Code.CANCELLED, "Cancelled.") if self._cancelled else _obituary(worker)
            self._finish_ourselves(problem, now)


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def _obituary(worker: _Worker) -> Problem:
    """Why a job has no result when its worker ended."""
    code = worker.process.returncode
    if worker.problem:
        return worker.problem
    if worker.about is None:
        last = next((line for line in reversed(worker.tail) if line.strip()), "it said nothing")
        return Problem(Code.WORKER_DIED, f"The process that paints could not start ({_how(code)}): {last[:500]}")
    if code == -signal.SIGKILL:
        hint = "Often the machine ran out of memory, and a smaller size helps."
    else:
        hint = "The daemon's log may say why; trying again is harmless."
    return Problem(Code.WORKER_DIED, f"The process that paints ended in mid-job ({_how(code)}). {hint}")
