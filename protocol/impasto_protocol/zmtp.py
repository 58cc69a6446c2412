"""ZMTP 3, as far as a DEALER without encryption needs it to talk to a ROUTER: bytes in, messages out, no IO.

https://rfc.zeromq.org/spec/37 (3.1) and /spec/23 (3.0). Both sides send a greeting of 64 bytes, then the command
READY, then messages, and commands between them:

    greeting   FF, 8 bytes that mean nothing, 7F; major and minor version; mechanism (20 bytes); 32 bytes of zeros
    frame      flags (1 byte), size (1 byte, or 8 where LONG), body
    command    a frame with COMMAND: length of its name (1 byte), name, data

Whatever the bytes: they are messages, or raise ZmtpError. A frame's memory grows as its bytes come, and a size beyond
the limits is refused before the first of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Union

from .limits import PICTURES, Limits
from .picture import Buffer

MORE, LONG, COMMAND = 1, 2, 4
"""Flags of a frame; the other bits are zero."""
COMMAND_BYTES = 8192
"""The longest command that is read; those of ZeroMQ have less than 300 bytes."""
SMALL = 65_536
"""Frames up to this size are sent together with their neighbours."""

SIGNATURE_END = 10
GREETING_BYTES = 64
MECHANISM = b"NULL".ljust(20, b"\0")
GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x01" + MECHANISM + bytes(32)


class ZmtpError(Exception):
    """What came is not what a ROUTER sends. Its text follows a colon."""


@dataclass(frozen=True)
class Opened:
    """Both sides are ready for messages."""


@dataclass(frozen=True)
class Message:
    """A whole message from the other side."""

    frames: list[bytearray]


@dataclass(frozen=True)
class Reply:
    """Bytes to send at once, or between two messages."""

    data: bytes


Event = Union[Opened, Message, Reply]


def encoded(frames: Sequence[Buffer]) -> list[Buffer]:
    """A message as bytes to send one after the other; large frames are not copied."""
    pieces: list[Buffer] = []
    small = bytearray()
    for i, frame in enumerate(frames):
        body = memoryview(frame).cast("B")
        small += _head(MORE if i + 1 < len(frames) else 0, body.nbytes)
        if body.nbytes > SMALL:
            pieces += [small, body]
            small = bytearray()
        else:
            small += body
    return [*pieces, small] if small else pieces


def _head(flags: int, size: int) -> bytes:
    return bytes([flags, size]) if size < 256 else bytes([flags | LONG]) + size.to_bytes(8, "big")


def command(name: bytes, data: bytes) -> bytes:
    """The frame of a command."""
    body = bytes([len(name)]) + name + data
    return _head(COMMAND, len(body)) + body


def _property(name: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + len(value).to_bytes(4, "big") + value


OPENING = GREETING + command(b"READY", _property(b"Socket-Type", b"DEALER") + _property(b"Identity", b""))
"""All that a DEALER says before its first message."""


class Connection:
    """The other side's half of one connection."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._events: deque[Event] = deque()
        self._part = bytearray()
        self._reader = self._read()
        self._wanted = next(self._reader)

    def receive(self, data: Buffer) -> Iterator[Event]:
        """What these bytes complete, one after the other. Raises ZmtpError, and then this connection is over."""
        rest = memoryview(data)
        while rest or self._wanted == 0:
            taken = rest[: self._wanted - len(self._part)]
            self._part += taken
            rest = rest[len(taken) :]
            if len(self._part) < self._wanted:
                break
            part, self._part = self._part, bytearray()
            self._wanted = self._reader.send(part)
            while self._events:
                yield self._events.popleft()

    def _read(self) -> Generator[int, bytearray, None]:
        """Yields how many bytes are wanted next, and is sent them."""
        yield from self._greeted()
        flags, body = yield from self._frame([])
        if not flags & COMMAND:
            raise ZmtpError("it sends a message before it is ready")
        _check_ready(body)
        self._events.append(Opened())
        while True:
            frames: list[bytearray] = []
            more = True
            while more:
                flags, body = yield from self._frame(frames)
                if flags & COMMAND:  # ZeroMQ sends its pings between the frames of a message, too
                    self._obey(body)
                else:
                    frames.append(body)
                    more = bool(flags & MORE)
            self._events.append(Message(frames))

    @staticmethod
    def _greeted() -> Generator[int, bytearray, None]:
        """The greeting; what is none shows with its first byte."""
        for wanted, last in (1, 0xFF), (SIGNATURE_END - 1, 0x7F):
            if (yield wanted)[-1] != last:
                raise ZmtpError("it does not talk ZeroMQ")
        rest = yield GREETING_BYTES - SIGNATURE_END
        if rest[0] < 3:
            raise ZmtpError("its ZeroMQ is older than version 4")
        if rest[2:22] != MECHANISM:
            raise ZmtpError("it wants encryption where none is needed")

    def _frame(self, before: Sequence[bytearray]) -> Generator[int, bytearray, tuple[int, bytearray]]:
        """The flags and the body of a frame, `before` being those of its message that came already."""
        flags = (yield 1)[0]
        if flags > MORE | LONG | COMMAND or (flags & COMMAND and flags & MORE):
            raise ZmtpError(f"it sends a frame with the flags {flags:#04x}")
        size = int.from_bytes((yield 8 if flags & LONG else 1), "big")
        if flags & COMMAND:
            _check("a command", size, COMMAND_BYTES)
        else:
            _check("a frame", size, self._limits.frame_bytes)
            _check("a message", size + sum(map(len, before)), self._limits.message_bytes)
            _check("a message", len(before) + 1, PICTURES + 2, "frames")
        return flags, (yield size)

    def _obey(self, body: bytearray) -> None:
        """Do as a command says; those that mean nothing to a DEALER are passed over."""
        name, data = _named(body)
        if name == b"PING":
            self._events.append(Reply(command(b"PONG", data[2:])))  # without the time to live
        elif name == b"ERROR":
            raise ZmtpError(_reason(data))


def _check(what: str, value: int, allowed: int, unit: str = "bytes") -> None:
    if value > allowed:
        raise ZmtpError(f"it sends {what} of {value:,} {unit}, and a daemon's has {allowed:,} at most")


def _named(body: bytearray) -> tuple[bytes, bytes]:
    """A command's name and its data."""
    end = 1 + body[0] if body else 0
    if not 1 < end <= len(body):
        raise ZmtpError("it sends a command without a name")
    return bytes(body[1:end]), bytes(body[end:])


def _reason(data: bytes) -> str:
    return f"it says no ({data[1:].decode('ascii', 'replace')})"


def _check_ready(body: bytearray) -> None:
    """Whether a ROUTER says that it is ready."""
    name, data = _named(body)
    if name == b"ERROR":
        raise ZmtpError(_reason(data))
    if name != b"READY":
        raise ZmtpError("it does not say that it is ready")
    kind = _properties(data).get(b"socket-type", b"")
    if kind != b"ROUTER":
        raise ZmtpError(f"its socket is a {kind.decode('ascii', 'replace') or 'nameless one'} and no ROUTER")


def _properties(data: bytes) -> dict[bytes, bytes]:
    """The other side's metadata, names in lower case: they are the same in either."""
    found = {}
    while data:
        end = 1 + data[0]
        size = int.from_bytes(data[end : end + 4], "big")
        if len(data) < end + 4 + size:
            raise ZmtpError("its metadata end too early")
        found[data[1:end].lower()] = data[end + 4 : end + 4 + size]
        data = data[end + 4 + size :]
    return found
