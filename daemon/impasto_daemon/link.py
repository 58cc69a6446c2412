"""The wire between supervisor and worker: a ZeroMQ PAIR that speaks the client protocol's messages.

Both ends are ours and of one version, so nothing is limited here; what a client may send was checked before.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import zmq
from impasto_protocol import codec
from impasto_protocol.errors import Code, ImpastoError, ProtocolError
from impasto_protocol.limits import Limits
from impasto_protocol.messages import Message, Result, Submit

UNLIMITED = Limits(side=2**31, pixels=2**48, frame_bytes=2**48, message_bytes=2**48)
WHOLE_PICTURES = (Submit, Result)
"""Messages whose pixels nobody changes after sending, so that they need not be copied."""


class Link:
    """One end. Belongs to one thread. Never blocks, `wait` aside."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str, *, bind: bool) -> None:
        self.socket = context.socket(zmq.PAIR)
        self.socket.sndhwm = self.socket.rcvhwm = 0
        try:
            (self.socket.bind if bind else self.socket.connect)(endpoint)
        except zmq.ZMQError:
            self.close()
            raise

    def send(self, message: Message) -> bool:
        """False where nobody is at the other end. Raises ImpastoError(INTERNAL) for what the other end would refuse."""
        try:
            frames = codec.encode(message)
        except ProtocolError as error:
            raise ImpastoError(Code.INTERNAL, f"A message of Impasto's own breaks the protocol: {error}.") from error
        try:
            self.socket.send_multipart(frames, flags=zmq.NOBLOCK, copy=not isinstance(message, WHOLE_PICTURES))
        except zmq.Again:
            return False
        return True

    def receive(self) -> Iterator[Message]:
        """What has arrived by now. The pixels are views of ZeroMQ's own memory. Raises ProtocolError."""
        while True:
            try:
                frames = self.socket.recv_multipart(flags=zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            yield codec.decode([frame.buffer for frame in frames], UNLIMITED)

    def wait(self, seconds: float | None = None) -> None:
        """Until something arrives, or this time is over."""
        self.socket.poll(None if seconds is None else math.ceil(seconds * 1000))

    def close(self, linger: float = 0.0) -> None:
        """Up to `linger` seconds are given to what was sent and has not left yet."""
        self.socket.close(linger=int(linger * 1000))
