"""A real daemon in a process of its own, with a quick painter, and clients to talk to it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, TypeVar

import zmq
from impasto_protocol import codec, messages
from impasto_protocol.errors import Code
from impasto_protocol.jobstate import State
from impasto_protocol.limits import Limits
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request, Style
from impasto_protocol.zmq_client import Client
from zmq.utils.monitor import recv_monitor_message

ROOT = Path(__file__).parents[2]
PYTHONPATH = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
"""For processes that are to find the tests' modules, and ours where this process does."""
FAKE_PAINTER = "tests.fakes.painter:open_painter"

HANDSHAKES_FAILED = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH,
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
)

T = TypeVar("T")
M = TypeVar("M", bound=messages.Message)


def wait_for(condition: Callable[[], T], seconds: float = 10.0) -> T:
    """The first true value of `condition`; fails when there is none in time."""
    until = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < until, "what was waited for did not happen"
        time.sleep(0.005)
    return value


def picture(width: int = 6, height: int = 4, seed: int = 0) -> Picture:
    """Small and not of one colour."""
    return Picture(width, height, 3, "u8", bytes((7 * i + seed) % 256 for i in range(width * height * 3)))


def request(width: int = 6, height: int = 4, resume: str = "", **settings: Any) -> Request:
    """A request for the fake painter, which `settings` steer."""
    styles = (Style(picture(3, 3, seed=1)),)
    return Request(content=picture(width, height), styles=styles, resume=resume, settings=settings)


def submit(job: str, *, preview: int = 0, detach: bool = False, iterates: int = 0, **settings: Any) -> messages.Submit:
    return messages.Submit.of(request(**settings), job, id=1, preview=preview, detach=detach, iterates=iterates)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


ACTIVATE = """import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1")
os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"""
"""What systemd does with a socket before it starts a service."""


class RunningDaemon:
    """A daemon's process and its log. `listening`: a socket that it is given, as by systemd."""

    def __init__(self, folder: Path, *, listening: socket.socket | None = None, **settings: Any) -> None:
        self.path = folder / "d.sock"
        self.endpoint = f"ipc://{self.path}"
        self.log_path = folder / f"log-{uuid.uuid4().hex[:8]}"
        values = {"endpoint": self.endpoint, "painter": FAKE_PAINTER, **settings}
        given = [listening.fileno()] if listening else []
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    *(["-c", ACTIVATE, str(*given)] if given else []),
                    "-m",
                    "tests.fakes.serve",
                    json.dumps(values),
                ],
                pass_fds=given,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": PYTHONPATH, "XDG_STATE_HOME": str(folder / "state")},
            )

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def wait_until_ready(self) -> RunningDaemon:
        def answers() -> bool:
            assert self.process.poll() is None, self.log
            with socket.socket(socket.AF_UNIX) as attempt:
                return attempt.connect_ex(str(self.path)) == 0

        wait_for(answers)
        return self

    def client(self) -> Client:
        return Client(self.endpoint, agent="test")

    def raw(self, name: str = "raw") -> RawClient:
        return RawClient(self.endpoint, name)

    def status(self) -> dict[str, Any]:
        with self.client() as client:
            return client.status()

    def worker(self) -> dict[str, Any]:
        worker: dict[str, Any] = self.status()["worker"]
        return worker

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait. Returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(10)

    def clean_up(self) -> None:
        """End it in order, for it takes its worker with it, even one that is stopped; a killed daemon could not."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        print(self.log)  # pytest shows it when the test failed


class RawClient:
    """A client without manners: says what it is told, when it is told, and nothing by itself. `options`: of its
    socket."""

    def __init__(self, endpoint: str, name: str, options: Mapping[int, Any] = MappingProxyType({})) -> None:
        self._context = zmq.Context()
        self.socket = self._context.socket(zmq.DEALER)
        self.socket.linger = 0
        for option, value in options.items():
            self.socket.set(option, value)
        self.handshakes = self.socket.get_monitor_socket(sum(HANDSHAKES_FAILED, zmq.EVENT_HANDSHAKE_SUCCEEDED))
        self.socket.connect(endpoint)
        self.name = name

    def __enter__(self) -> RawClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._context.destroy(linger=0)

    def handshake(self) -> int:
        """How its next handshake ends, as one of ZeroMQ's events."""
        assert self.handshakes.poll(5000), "no handshake came to an end"
        return int(recv_monitor_message(self.handshakes)["event"])

    def say(self, message: messages.Message) -> None:
        self.socket.send_multipart(codec.encode(message))

    def hello(self) -> messages.Welcome:
        self.say(messages.Hello(id=1, client=self.name, features=tuple(sorted(messages.FEATURES))))
        return self.hear(messages.Welcome)

    def next(self, seconds: float = 10.0) -> messages.Message:
        assert self.socket.poll(int(seconds * 1000)), "the daemon said nothing"
        return codec.decode(self.socket.recv_multipart(), Limits())

    def hear(self, kind: type[M], where: Callable[[M], bool] = lambda _: True) -> M:
        """The next message of this kind; others are skipped."""
        until = time.monotonic() + 10
        while time.monotonic() < until:
            message = self.next()
            if isinstance(message, kind) and where(message):
                return message
        raise AssertionError(f"no {kind.TYPE} came")

    def end_of(self, job: str) -> messages.Result | messages.Error:
        """How this job ends."""
        while True:
            message = self.next()
            if isinstance(message, (messages.Result, messages.Error)) and message.job == job:
                return message


def refused(code: Code, message: messages.Message) -> messages.Error:
    assert isinstance(message, messages.Error), message
    assert message.code == code.value, message
    return message


def running(client: RawClient, job: str) -> None:
    """Wait until the job is being painted."""
    client.hear(messages.Progress, lambda progress: progress.job == job and progress.state is State.RUNNING)
