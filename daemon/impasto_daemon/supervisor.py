"""The daemon's poll loop: one thread that brings socket, protocol core, executor and results together.

It decides nothing itself. What happens becomes an event for the core, and what the core wants done is done. It
never imports torch and never waits for the worker, so it answers within milliseconds whatever the device does.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import math
import os
import resource
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq
from impasto_protocol import __version__, server_events
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.limits import Limits
from impasto_protocol.messages import Result
from impasto_protocol.request import Outline
from impasto_protocol.server_core import ServerCore
from impasto_protocol.server_state import accept_all, perhaps

from . import log, states
from .address import UnixDoor, claimed, links_of, socket_path
from .carrier import Carrier
from .doors import Doors
from .engine import recipes
from .executor import is_end, open_executor
from .forecasting import Forecaster
from .results import KEEP_BYTES, Results
from .spool import AGE, Spool, folder_of
from .systemd import Manager, Pulse
from .worker_process import WorkerSettings

TAKEN = 3
"""Exit status where another daemon has the endpoint: whoever started this one may talk to that."""

TICK = 60.0
"""Longest time in seconds that the loop sleeps: what is due sooner says so, and an idle daemon leaves the machine
asleep."""

FAULTS = 100
"""Turns of the loop that may fail one after the other until the daemon gives up: it is not to fill the disk with its
log."""

DESCRIPTORS = 65_536
"""Open files at most, where the system allows so many. Each connection takes one, also of a stranger who never says a
word; where none is left for a local client, ZeroMQ aborts the process. The usual 1024 are soon taken over a network."""

REAL_PAINTER = "impasto_daemon.painter:open_painter"

logger = logging.getLogger("impasto.supervisor")


@dataclass(frozen=True)
class Settings:
    """One daemon, as it is started. Times in seconds; `idle_exit` and `worker_idle` 0 for never.

    devices: there is a worker for each. listen: where paired clients reach it over the network, tcp://HOST:PORT; empty
    for nowhere. executor: one of `executor.EXECUTORS`.
    """

    endpoint: str
    listen: str = ""
    devices: tuple[str, ...] = ("auto",)
    weights: Path | None = None
    offline: bool = False
    idle_exit: float = 0.0
    worker_idle: float = 300.0
    painter: str = REAL_PAINTER
    executor: str = "local"
    log_level: str = "info"
    limits: Limits = field(default_factory=Limits)
    lease: float = 10.0
    heartbeat: float = 2.0
    grace: float = 2.0
    keep: float = 3600.0
    keep_results: float = AGE
    keep_bytes: int = KEEP_BYTES


def run(settings: Settings) -> int:
    """Serve until a signal or idleness ends it. Returns the exit status; what prevents serving is logged."""
    log.configure(settings.log_level)
    faulthandler.enable()  # where it stood, should it crash or systemd's watchdog end it
    os.umask(0o077)
    take_descriptors()
    manager = Manager.given()
    try:
        path = socket_path(settings.endpoint)
        given = manager.listens_on(path)
        if manager.listening is not None and not given:
            sentence = f"systemd's socket for this daemon is not {path}: unset IMPASTO_ENDPOINT, or change the unit."
            raise ImpastoError(Code.BAD_REQUEST, sentence)
        with (
            claimed(path, given=given),
            signals() as wake,
            contextlib.closing(Supervisor(settings, path, wake, manager)) as supervisor,
        ):
            supervisor.serve()
    except ImpastoError as error:
        logger.error("%s", error)
        manager.say(STATUS=error)
        return TAKEN if error.code is Code.CONFLICT else 1
    return 0


@contextlib.contextmanager
def signals() -> Iterator[int]:
    """A descriptor from which the numbers of the signals can be read that ask for something.

    A closed terminal asks too (SIGHUP), except of a daemon that was started with nohup.
    """
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    # The handlers only have to exist: Python writes the number of each signal that has one to the descriptor.
    ending = [number for number in _ENDING if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, lambda *_: None) for number in ending}
    wake_before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
    try:
        yield read
    finally:
        signal.set_wakeup_fd(wake_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(read)
        os.close(write)


def take_descriptors() -> None:
    """Raise this process's limit of open files to DESCRIPTORS, or as far as it may be raised."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def check_recipe(outline: Outline) -> None:
    """Refuse what no worker could paint before it is queued. Raises ImpastoError."""
    recipes.override(recipes.find(outline.recipe), outline.settings)


_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Supervisor:
    """Everything that one daemon is, on a socket path that is its own. Belongs to one thread."""

    def __init__(self, settings: Settings, path: Path, wake: int, manager: Manager) -> None:
        self._settings = settings
        self._wake = wake
        self._manager = manager
        self._pulse = Pulse(manager)
        self._began = time.monotonic()
        self._ticked = -math.inf
        self._faults = 0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        local = UnixDoor(path, manager.listening)
        self._doors = Doors(self._context, local, settings.limits, settings.listen)
        self._forecaster = Forecaster(",".join(settings.devices))
        workers = _worker_settings(settings, links_of(path))
        self._executor = open_executor(settings.executor, self._context, workers, self._forecaster.learn)
        self._results = Results(Spool(folder_of(settings.endpoint)), settings.keep_bytes)
        self._core = ServerCore(
            instance=uuid.uuid4().hex,
            limits=settings.limits,
            agent=f"impasto-daemon/{__version__}",
            lease=settings.lease,
            heartbeat=settings.heartbeat,
            keep=settings.keep,
            keep_results=settings.keep_results,
            # Another painter has settings of its own.
            check=check_recipe if settings.painter == REAL_PAINTER else accept_all,
            resumable=states.is_kept if settings.painter == REAL_PAINTER else perhaps,
            forecast=self._forecaster.forecast,
            report=self._report,
            capacity=self._executor.capacity,
        )
        self._handle = Carrier(self._core, self._doors, self._executor, self._results).handle

    def serve(self) -> None:
        """Until asked to end, or idle for long enough."""
        with self._guarded("looking for results of earlier daemons"):
            for found in self._results.take_over():
                self._handle(found, time.monotonic())
        logger.info("ready: %s, process %d%s", self._settings.endpoint, os.getpid(), self._open_to())
        self._manager.say(READY=1)
        while not self._leaves():
            self._wait()
            self._turn(time.monotonic())

    def _turn(self, now: float) -> None:
        """Look everywhere once. What fails in one place keeps nobody from being served in the others."""
        faults = self._faults
        with self._guarded("reading what clients sent"):
            for event in self._doors.receive():
                self._handle(event, now)
        with self._guarded("listening to workers"):
            for message in self._executor.poll(now):
                if is_end(message):
                    logger.info("job %s is over: %s", message.job, getattr(message, "code", "painted"))
                self._handle(server_events.WorkerSaid(message), now)
                if isinstance(message, Result) and not message.step:
                    self._forecaster.learn_of_painting(message.record)
            if self._executor.capacity != self._core.capacity:
                self._handle(server_events.Capacity(self._executor.capacity), now)
        with self._guarded("keeping results"):
            for job in self._results.stored(now):
                self._handle(server_events.Stored(job), now)
            for job in self._results.lost():
                self._handle(server_events.Evicted(job), now)
        if now >= self._ticked + TICK or now >= (self._core.next_deadline() or now + 1):
            self._ticked = now
            self._handle(server_events.Tick(), now)
        with self._guarded("sending"):
            self._doors.flush()
        self._faults = 0 if self._faults == faults else self._faults
        self._pulse.beat(self._state(), now)

    def _open_to(self) -> str:
        """The network, as the end of a line."""
        network = self._doors.report()
        return f"; listens at {network['endpoint']}, paired clients: {network['paired']}" if network else ""

    def _state(self) -> str:
        """What the daemon does, for people."""
        jobs = ", ".join(self._core.active)
        return f"painting job {jobs}, {len(self._core.queue)} more wait" if jobs else "waiting for jobs"

    @contextlib.contextmanager
    def _guarded(self, what: str) -> Iterator[None]:
        """A fault of ours must not take everybody's daemon down, unless it comes back turn after turn."""
        try:
            yield
        except Exception:
            self._faults += 1
            logger.exception("%s failed", what)
            if self._faults >= FAULTS:
                raise

    def close(self) -> None:
        """Tell every job's client that it ends here, end the worker, and give last words their time."""
        self._manager.say(STOPPING=1)
        self._results.settle()
        self._handle(server_events.Leaving(), time.monotonic())
        self._executor.close()
        self._doors.close()
        self._results.close()
        self._context.term()
        logger.info("ended")

    # The loop -------------------------------------------------------------------------------------------------

    def _wait(self) -> None:
        now = time.monotonic()
        times = (
            self._ticked + TICK,
            self._core.next_deadline(),
            self._executor.deadline(now),
            self._results.deadline(),
            self._doors.deadline(now),
            self._leaves_at(),
            self._pulse.due,
        )
        seconds = max(0.0, min(at for at in times if at is not None) - now)
        watched = [*self._doors.watched(), self._wake, *self._executor.watched(), *self._results.watched()]
        zmq.zmq_poll([(each, zmq.POLLIN) for each in watched], int(seconds * 1000) + 1)

    def _leaves(self) -> bool:
        with contextlib.suppress(BlockingIOError):
            for number in os.read(self._wake, 64):
                if number == signal.SIGHUP and self._manager.address:
                    self._reload(time.monotonic())
                elif number in _ENDING:
                    logger.info("asked to end (%s)", signal.Signals(number).name)
                    return True
        leaves = self._leaves_at()
        if leaves is None or time.monotonic() < leaves:
            return False
        logger.info("nobody has needed this daemon for %g seconds", self._settings.idle_exit)
        return True

    def _reload(self, now: float) -> None:
        """What was read at a start is read anew, without losing a job: the weights, by a fresh worker."""
        self._manager.say(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)
        self._executor.renew(now)
        logger.info("reloaded")
        self._manager.say(READY=1)

    def _leaves_at(self) -> float | None:
        """When nobody will have needed this daemon for long enough; None where it is to stay, as one on the network is:
        nobody there could start it."""
        idle, settings = self._core.idle_since, self._settings
        stays = not settings.idle_exit or settings.listen or idle is None or self._results.in_memory
        return None if stays or idle is None else idle + settings.idle_exit

    def _report(self) -> dict[str, Any]:
        workers = self._executor.about()
        return {
            "endpoint": self._settings.endpoint,
            "network": self._doors.report(),
            "pid": os.getpid(),
            "uptime": round(time.monotonic() - self._began, 3),
            "device": ",".join(self._settings.devices),
            "means": self._forecaster.facts(),
            "weights": str(self._settings.weights or ""),
            "worker": next((each for each in workers if each["state"] == "busy"), workers[0]) if workers else {},
            "workers": workers,
            "kept": len(self._results),
            "kept_bytes": self._results.nbytes,
            "kept_in_memory": self._results.in_memory,
        }


def _worker_settings(settings: Settings, links: Path) -> list[WorkerSettings]:
    """Of the worker for each device."""
    return [
        WorkerSettings(
            painter=settings.painter,
            links=links,
            device=device,
            weights=settings.weights,
            offline=settings.offline,
            log_level=settings.log_level,
            idle=settings.worker_idle,
            grace=settings.grace,
        )
        for device in settings.devices
    ]
