"""The transport over ZeroMQ's own library: ipc, and tcp with CURVE. Only this module of the package imports zmq."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import ClassVar

import zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from .endpoint import TCP
from .errors import Code, Problem
from .key_files import load_pairing
from .limits import Limits
from .picture import Buffer
from .reach import probe
from .transport import Arrived, Broke, News, Refused, no_endpoint

REMEDY = "Type `impasto pair` on the machine with the daemon, and here `impasto pair CODE`."
UNKNOWN_HERE = f"The daemon does not let this machine in: it was never paired, or its key was revoked. {REMEDY}"
STRANGER = (
    "What listens there does not have the key of the daemon that this machine was paired with: it is another program, "
    f"or the daemon's keys were made anew. {REMEDY}"
)
NO_ZEROMQ = "What listens there does not talk as a daemon does: it is another program. `impasto doctor` may know more."

OVER_THE_NETWORK = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: Refused(Problem(Code.NOT_PAIRED, UNKNOWN_HERE), final=True),
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: Refused(Problem(Code.NOT_PAIRED, STRANGER), final=False),
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: Refused(Problem(Code.NOT_PAIRED, STRANGER), final=True),
}
"""Why the two sides did not come to trust each other, by the event that tells. ZeroMQ itself tries no more after the
last of them."""
NEARBY = {zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: Refused(Problem(Code.MALFORMED, NO_ZEROMQ), final=True)}
"""The same without keys, where a handshake may well end in its midst: with its daemon."""


class ZmqTransport:
    """See `transport.Transport`."""

    NAME: ClassVar[str] = f"pyzmq {zmq.__version__}"

    def __init__(self) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._refusals = NEARBY
        self._monitor = self._socket.get_monitor_socket(sum(OVER_THE_NETWORK, zmq.EVENT_DISCONNECTED))
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)

    def connect(self, endpoint: str, limits: Limits) -> None:
        if endpoint.startswith(TCP):
            self._encrypt(endpoint)
            self._refusals = OVER_THE_NETWORK
        probe(endpoint)
        # A message larger than the daemon could ever send is not one; zmq drops such a connection.
        self._socket.set(zmq.MAXMSGSIZE, limits.frame_bytes)
        self._socket.set(zmq.LINGER, 0)
        try:
            self._socket.connect(endpoint)
        except zmq.ZMQError as error:
            raise no_endpoint(endpoint, error) from None

    def send(self, frames: Sequence[Buffer]) -> None:
        # A socket that has given up trying would wait for ever to send: `wait` tells of that.
        with contextlib.suppress(zmq.Again):
            self._socket.send_multipart(frames, flags=zmq.NOBLOCK, copy=False)

    def wait(self, seconds: float, wake: Sequence[int] = ()) -> list[News]:
        for descriptor in wake:
            self._poller.register(descriptor, zmq.POLLIN)
        try:
            ready = dict(self._poller.poll(int(seconds * 1000) + 1))
        finally:
            for descriptor in wake:
                self._poller.unregister(descriptor)
        news: list[News] = []
        if self._monitor in ready:
            event = recv_monitor_message(self._monitor)["event"]
            if event == zmq.EVENT_DISCONNECTED:
                news.append(Broke())
            elif event in self._refusals:
                news.append(self._refusals[zmq.Event(event)])
        if self._socket in ready:
            news.append(Arrived([frame.buffer for frame in self._socket.recv_multipart(copy=False)]))
        return news

    def close(self, linger: float) -> None:
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close(linger=int(linger * 1000))
        self._context.term()

    def _encrypt(self, endpoint: str) -> None:
        """Talk to the daemon that this machine was paired with and to nobody else. Raises ImpastoError."""
        pairing = load_pairing(endpoint)
        secret = z85.encode(pairing.secret)
        self._socket.set(zmq.CURVE_SECRETKEY, secret)
        self._socket.set(zmq.CURVE_PUBLICKEY, zmq.curve_public(secret))
        self._socket.set(zmq.CURVE_SERVERKEY, pairing.server)
        self._socket.set(zmq.IPV6, int("[" in endpoint))
