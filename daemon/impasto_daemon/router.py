"""A socket that clients talk to: a ZeroMQ ROUTER, and what keeps it alive whatever they send or do not read.

Bytes become messages here and messages bytes; what they mean is the protocol core's business. Nothing blocks. What
a client does not read waits in an outbox of bounded size, where only the latest progress and preview of a job stay.
Finished pictures do not wait there: they are asked for when the client reads, one after the other. The ends of
jobs have room of their own; what exceeds the bounds is lost, and the log says so.
A message is refused before it is decoded when it has too many frames or bytes; ZeroMQ itself refuses a single frame
that is too large and drops the connection. (It gathers all frames of one message before it hands over the first, so
a client of the same user can fill memory with one endless message; other users cannot reach the socket at all.)
Where it listens, and whose messages it takes, is the business of its door: `address` has one, and `network`.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol

import zmq
from impasto_protocol import codec
from impasto_protocol.errors import Code, Problem, ProtocolError
from impasto_protocol.limits import PICTURES, Limits
from impasto_protocol.messages import Error, Message, Preview, Progress, Result
from impasto_protocol.picture import Buffer
from impasto_protocol.server_events import Gone, Received, Refused

from .departures import Departures
from .log import Seldom

PIPE = 100
"""Messages that ZeroMQ itself holds for one client which does not read."""
ARRIVED = 2
"""Messages of one client that ZeroMQ holds until they are read here: each may have hundreds of megabytes. The others
wait in the client's own memory."""
OUTBOX_MESSAGES = 1000
OUTBOX_BYTES = 64 * 1024**2
"""Bounds of one client's outbox; a single larger message is taken where the outbox is empty. As many messages again
have room if they tell the end of a job: a sentence each."""
PATIENCE = 0.02
"""Seconds until a client that does not read is tried again."""
LINGER = 1000
"""Milliseconds that last words have when the daemon leaves."""
TURN = 64
TURN_BYTES = 64 * 1024**2
"""Messages, and bytes of them, that are read before others have their turn; a single larger message is a turn."""

logger = logging.getLogger("impasto.router")


@dataclass
class _Parcel:
    """A message on its way. `slot`: it takes the place of an earlier one with the same slot. `ending`: it tells the
    end of a job. `nbytes`: what it holds in memory while it waits; a result that is `kept` elsewhere holds nothing."""

    frames: Callable[[], list[Buffer]]
    nbytes: int = 0
    slot: tuple[str, str] | None = None
    ending: bool = False
    kept: bool = False

    @classmethod
    def of(cls, message: Message) -> _Parcel:
        frames = codec.encode(message)
        ending = isinstance(message, Error) and not message.re and bool(message.job)
        slotted = ending or isinstance(message, (Progress, Preview))
        slot = (message.TYPE, getattr(message, "job", "")) if slotted else None
        return cls(lambda: frames, sum(memoryview(frame).nbytes for frame in frames), slot, ending)

    @classmethod
    def later(cls, job: str, re: int, message: Callable[[], Message]) -> _Parcel:
        """A result as an answer, or as a job's end where `re` is 0; `message` fetches it when it is to leave."""

        @cache  # it may be tried more than once
        def frames() -> list[Buffer]:
            try:
                return codec.encode(message())
            except Exception as error:  # the number of a request, say, can make a header that just fitted too long
                logger.exception("the result of job %s cannot be sent", job)
                why = str(error) or type(error).__name__
                problem = Problem(
                    Code.INTERNAL,
                    f"The result of job {job} cannot be sent: {why}. The daemon's log has more: please report it.",
                )
                return codec.encode(Error.of(problem, re=re, job=job))

        return cls(frames, slot=None if re else (Result.TYPE, job), ending=not re, kept=True)


@dataclass
class Outbox:
    """What one client has not read yet, in order."""

    parcels: deque[_Parcel] = field(default_factory=deque)
    lost: int = 0

    def put(self, parcel: _Parcel) -> bool:
        """False where there is no room."""
        if parcel.slot:
            for i, waiting in enumerate(self.parcels):
                if waiting.slot == parcel.slot:
                    self.parcels[i] = parcel
                    return True
        nbytes = parcel.nbytes + sum(waiting.nbytes for waiting in self.parcels if not waiting.ending)
        full = len(self.parcels) >= OUTBOX_MESSAGES or nbytes > OUTBOX_BYTES
        room = len(self.parcels) < 2 * OUTBOX_MESSAGES if parcel.ending else not (self.parcels and full)
        if not room:
            self.lost += 1
            return False
        self.parcels.append(parcel)
        return True


class Door(Protocol):
    """Where a socket listens, and to whom."""

    def open(self, socket: zmq.Socket[bytes]) -> None:
        """Prepare this new socket, and bind it. Raises ImpastoError."""

    def guest(self, route: zmq.Frame) -> str | None:
        """Who said a message, by the first of its frames: the key of one who came in over the network, empty for who is
        on this machine; None for a stranger, who is not heard."""


class Router:
    """The bound socket. Belongs to one thread."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], door: Door, limits: Limits) -> None:
        self._limits = limits
        self._door = door
        self._outboxes: dict[bytes, Outbox] = {}
        self._leaving: dict[bytes, zmq.MessageTracker] = {}
        self.socket = context.socket(zmq.ROUTER)
        self.socket.router_mandatory = True
        self.socket.maxmsgsize = limits.frame_bytes
        self.socket.sndhwm, self.socket.rcvhwm = PIPE, ARRIVED
        self.socket.linger = LINGER
        try:
            door.open(self.socket)
        except BaseException:
            self.socket.close()
            raise
        self._departures = Departures()
        self._seldom = Seldom(logger)

    def watched(self) -> list[zmq.Socket[bytes] | int]:
        """The socket, and descriptors; when one is readable, `receive`."""
        return [self.socket, *self._departures.watched()]

    def receive(self) -> Iterator[Received | Refused | Gone]:
        """What has arrived, one turn of it, and who has left. Pixels are views of ZeroMQ's own memory."""
        yield from map(Gone, self._departures.gone())
        messages = nbytes = 0
        while messages < TURN and nbytes < TURN_BYTES:
            try:
                route = self.socket.recv(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            frames, too_many = self._rest()
            messages, nbytes = messages + 1, nbytes + sum(memoryview(frame).nbytes for frame in frames)
            guest = self._door.guest(route)
            if guest is None:
                self._seldom.log(logging.WARNING, "refused a message from a stranger")
                continue
            self._departures.met(route)
            try:
                if too_many:
                    codec.check_limit("pictures", PICTURES + 1, PICTURES)
                yield Received(route.bytes, codec.decode(frames, self._limits), guest)
            except ProtocolError as error:
                yield Refused(route.bytes, error)

    def _rest(self) -> tuple[list[Buffer], bool]:
        """The frames behind the route, those over the limit thrown away at once."""
        frames: list[Buffer] = []
        too_many = False
        while self.socket.rcvmore:
            frame = self.socket.recv(zmq.NOBLOCK, copy=False)
            too_many = too_many or len(frames) == PICTURES + 2
            if not too_many:
                frames.append(frame.buffer)
        return frames, too_many

    def send(self, route: bytes, message: Message) -> None:
        """Send now or when the client reads again; a client that is gone, or reads nothing for long, gets nothing."""
        self._dispatch(route, _Parcel.of(message))

    def send_kept(self, route: bytes, job: str, re: int, message: Callable[[], Message]) -> None:
        """The same for a job's result, which `message` fetches when there is room: it may be gone by then."""
        self._dispatch(route, _Parcel.later(job, re, message))

    def _dispatch(self, route: bytes, parcel: _Parcel) -> None:
        outbox = self._outboxes.get(route)
        if outbox is None and self._try(route, parcel):
            return
        outbox = self._outboxes.setdefault(route, Outbox())
        if not outbox.put(parcel) and outbox.lost == 1:
            logger.warning("a client reads too slowly and loses messages")

    def flush(self) -> None:
        """Try again what could not be sent yet."""
        for route, outbox in list(self._outboxes.items()):
            try:
                while outbox.parcels and self._try(route, outbox.parcels[0]):
                    if outbox.parcels:
                        outbox.parcels.popleft()
            except Exception:
                logger.exception("a message to a client cannot be sent and is lost")
                outbox.parcels.popleft()  # it would fail for ever
            if not outbox.parcels:
                self._outboxes.pop(route, None)

    def deadline(self, now: float) -> float | None:
        """When `flush` is due."""
        return now + PATIENCE if self._outboxes else None

    def _try(self, route: bytes, parcel: _Parcel) -> bool:
        """False where the client has to read first. For one that is gone there is nothing more to do."""
        if parcel.kept and self._is_fetching(route):
            return False
        try:
            frames = [route, *parcel.frames()]
            sent = self.socket.send_multipart(frames, flags=zmq.NOBLOCK, copy=False, track=parcel.kept)
            if sent:
                self._leaving[route] = sent
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            outbox = self._outboxes.pop(route, None)
            if outbox:
                outbox.parcels.clear()
        return True

    def _is_fetching(self, route: bytes) -> bool:
        """Whether a finished picture has not left for this client yet: one at a time is in memory for it."""
        self._leaving = {each: sent for each, sent in self._leaving.items() if not sent.done}
        return route in self._leaving

    def close(self) -> None:
        """Leave; what was sent has its time to arrive."""
        self.flush()
        self._departures.close()
        self.socket.close()

    def cut_off(self) -> None:
        """Close every connection at once; what was sent and has not left does not leave any more."""
        self._departures.close()
        self.socket.close(linger=0)
