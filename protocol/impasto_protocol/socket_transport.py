"""The transport over the standard library's sockets, for a Python that cannot load pyzmq. Unix sockets alone.

It connects as ZeroMQ's library does: what is sent before there is a connection waits for it, and one that broke is
tried again, ever more seldom. The bytes are `zmtp`'s business. It has no thread: bytes go in and out while somebody
waits, and out as far as they go when something is sent. What would be encrypted with pyzmq is refused here.
"""

from __future__ import annotations

import contextlib
import math
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Optional

from . import reach, zmtp
from .endpoint import IPC, TCP
from .errors import Code, ImpastoError, Problem
from .limits import Limits
from .picture import Buffer
from .transport import Arrived, Broke, News, Refused, no_endpoint

CHUNK = 262_144
"""Bytes that are read at once."""
TURN = 16
"""Times that is read before time and descriptors are looked at."""
UNSENT = 100
"""Pieces that wait to be sent; to who pings on and reads nothing no more are added."""
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.8
"""Seconds between two attempts to connect: each time twice as long."""

NOT_ENCRYPTED = (
    "This program's Python cannot load pyzmq, without which nothing is encrypted, so it does not talk to {endpoint}. "
    "Have ssh bring that daemon's socket here (ssh -N -L LOCAL.sock:REMOTE.sock HOST) and set IMPASTO_ENDPOINT to "
    "ipc://LOCAL.sock."
)
NO_SOCKETS = (
    "This program's Python can neither load pyzmq nor open a Unix socket, so it reaches no daemon at {endpoint}. "
    "Install pyzmq into it, or use Impasto's command line."
)


@dataclass
class _Link:
    """One connection, from the moment that the other side took it."""

    socket: socket.socket
    zmtp: zmtp.Connection
    outgoing: deque[memoryview] = field(default_factory=lambda: deque([memoryview(zmtp.OPENING)]))
    opened: bool = False


class SocketTransport:
    """See `transport.Transport`."""

    NAME: ClassVar[str] = "sockets, without pyzmq"

    def __init__(self) -> None:
        self._endpoint, self._limits = "", Limits()
        self._link: Optional[_Link] = None
        self._early: list[Sequence[Buffer]] = []
        self._news: list[News] = []
        self._pause, self._again = FIRST_PAUSE, 0.0

    def connect(self, endpoint: str, limits: Limits) -> None:
        if endpoint.startswith(TCP):
            raise ImpastoError(Code.BAD_REQUEST, NOT_ENCRYPTED.format(endpoint=endpoint))
        if not endpoint.startswith(IPC):
            raise no_endpoint(endpoint, "of another kind")
        if not hasattr(socket, "AF_UNIX"):
            raise ImpastoError(Code.BAD_REQUEST, NO_SOCKETS.format(endpoint=endpoint))
        self._endpoint, self._limits = endpoint, limits
        self._join(reach.call(endpoint))

    def send(self, frames: Sequence[Buffer]) -> None:
        link = self._link
        if not link or not link.opened:
            self._early.append(frames)
            return
        link.outgoing.extend(map(memoryview, zmtp.encoded(frames)))
        self._exchange(link, selectors.EVENT_WRITE)

    def wait(self, seconds: float, wake: Sequence[int] = ()) -> list[News]:
        deadline = time.monotonic() + seconds
        while not self._news:
            now = time.monotonic()
            if not self._link and now >= self._again:
                self._retry()
            woken = self._turn((deadline if self._link else min(deadline, self._again)) - now, wake)
            if woken or now >= deadline:
                break
        news, self._news = self._news, []
        return news

    def close(self, linger: float) -> None:
        deadline = time.monotonic() + linger
        while self._link and self._link.outgoing and (left := deadline - time.monotonic()) > 0:
            self._turn(left)
        self._leave()

    # The connection ---------------------------------------------------------------------------------------

    def _join(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self._link = _Link(connection, zmtp.Connection(self._limits))

    def _retry(self) -> None:
        try:
            self._join(reach.call(self._endpoint, 0))
        except ImpastoError:
            self._wait_before_the_next()

    def _wait_before_the_next(self) -> None:
        self._again = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)

    def _leave(self) -> None:
        if self._link:
            self._link.socket.close()
        self._link = None

    def _lose(self) -> None:
        """The other side is gone. Nothing is told of a connection on which nothing was said yet."""
        if self._link and self._link.opened:
            self._news.append(Broke())
        self._leave()
        self._wait_before_the_next()

    # Bytes ------------------------------------------------------------------------------------------------

    def _turn(self, seconds: float, wake: Sequence[int] = ()) -> bool:
        """Let bytes go in or out, once, within this time; whether a descriptor of `wake` is readable."""
        link = self._link
        with selectors.DefaultSelector() as selector:
            for descriptor in wake:
                selector.register(descriptor, selectors.EVENT_READ)
            if link:
                writing = selectors.EVENT_WRITE if link.outgoing else 0
                selector.register(link.socket, selectors.EVENT_READ | writing)
            ready = {key.fileobj: events for key, events in selector.select(max(0.0, seconds))}
        if link and link.socket in ready:
            self._exchange(link, ready[link.socket])
        return any(descriptor in ready for descriptor in wake)

    def _exchange(self, link: _Link, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                _write(link)
            if events & selectors.EVENT_READ:
                self._read(link)
        except OSError:
            self._lose()
        except zmtp.ZmtpError as error:
            sentence = f"What listens there does not talk as a daemon does: {error}. `impasto doctor` may know more."
            self._news.append(Refused(Problem(Code.MALFORMED, sentence), final=True))
            self._leave()
            self._again = math.inf
        except BaseException:  # interrupted, perhaps with bytes in hand: where it was in its midst nobody knows
            self._lose()
            raise

    def _read(self, link: _Link) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(TURN):
                data = link.socket.recv(CHUNK)
                if not data:
                    raise ConnectionResetError
                for event in link.zmtp.receive(data):
                    self._hear(link, event)
                if self._news:
                    break

    def _hear(self, link: _Link, event: zmtp.Event) -> None:
        if isinstance(event, zmtp.Message):
            self._news.append(Arrived(event.frames))
        elif isinstance(event, zmtp.Reply):
            if len(link.outgoing) < UNSENT:
                link.outgoing.append(memoryview(event.data))
        else:
            link.opened, self._pause = True, FIRST_PAUSE
            for frames in self._early:
                link.outgoing.extend(map(memoryview, zmtp.encoded(frames)))
            self._early.clear()


def _write(link: _Link) -> None:
    try:
        while link.outgoing:
            sent = link.socket.send(link.outgoing[0])
            link.outgoing[0] = link.outgoing[0][sent:]
            if not link.outgoing[0]:
                link.outgoing.popleft()
    except BlockingIOError:
        pass
    except ConnectionError:  # the other side has left; what it said before may still be read, and then the end shows
        link.outgoing.clear()
