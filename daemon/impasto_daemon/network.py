"""The daemon's door to the network: CURVE, and the keys of paired clients alone.

Three locks, one behind the other. The socket is a CURVE server, so a client without keys, or with another daemon's key,
gets no further than the handshake. ZeroMQ asks this module for every handshake (ZAP) and lets nobody in without its
word: the domain is named and enforced, without which ZeroMQ lets everybody in where nobody answers. And each message
is looked at for the key of its sender, which only a handshake that was answered puts there.

ZeroMQ asks at the handshake alone. A client whose key was revoked is therefore put out by closing every connection;
the others come back by themselves. The port stays open meanwhile: it belongs to a listener of our own.
"""

from __future__ import annotations

import logging
import math
import os
import socket
import time
from dataclasses import dataclass, field

import zmq
from impasto_protocol.endpoint import TCP, tcp_address
from impasto_protocol.errors import Code, ImpastoError
from zmq.auth.thread import ThreadAuthenticator

from . import paired

DOMAIN = "impasto"
"""ZAP's name for what is guarded. pyzmq takes it word for word: its "*" is no wildcard."""
HANDSHAKE = 5000
"""Milliseconds that a connection has to prove its key."""
BACKLOG = 64
KEEPALIVE = {zmq.TCP_KEEPALIVE: 1, zmq.TCP_KEEPALIVE_IDLE: 30, zmq.TCP_KEEPALIVE_INTVL: 10, zmq.TCP_KEEPALIVE_CNT: 3}
"""A connection whose other end is gone without a word is found out within a minute."""
SELDOM = 60.0
"""Seconds between two lines in the log about strange keys: whoever knocks is not to fill the disk."""

logger = logging.getLogger("impasto.network")


@dataclass
class Guests:
    """The keys that may come in, as the clients' file has them at this moment. Asked from two threads."""

    keys: frozenset[str] = field(default=frozenset(), init=False)
    _version: tuple[int, ...] | None = field(default=None, init=False)
    _knocked: float = field(default=-math.inf, init=False)

    def refresh(self) -> frozenset[str]:
        """Look whether the file has changed; the keys that were let in until now and are no more.

        A file that cannot be trusted lets nobody in.
        """
        version = paired.version()
        if version == self._version:
            return frozenset()
        try:
            now = frozenset(client.key for client in paired.clients().values())
        except ImpastoError as error:
            logger.error("no client of the network is let in: %s", error)
            now = frozenset()
        gone = self.keys - now
        self.keys, self._version = now, version
        return gone

    def callback(self, domain: str, key: bytes) -> bool:
        """pyzmq's question at every handshake, from its own thread: may the owner of this key (Z85) come in?

        Looks at the file itself, for the loop may be asleep; must not raise, or nobody is ever answered again.
        """
        try:
            known = {client.key: name for name, client in paired.clients().items()}
        except Exception:
            logger.exception("no client of the network is let in")
            return False
        name = known.get(key.decode("ascii", "replace"))
        if name is not None:
            logger.info("a client comes in over the network: %s", name)
        elif time.monotonic() >= self._knocked + SELDOM:
            self._knocked = time.monotonic()
            logger.warning("a client without a known key was refused on the network")
        return name is not None


class NetworkDoor:
    """A TCP port that paired clients can use. Belongs to one thread, beside which pyzmq's own answers handshakes.

    Raises ImpastoError where the port cannot be had or a key file cannot be trusted.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> None:
        self._keys = paired.server_keys()
        paired.clients()
        self.guests = Guests()
        self.guests.refresh()
        self._listener = _listener(endpoint)
        self.endpoint = _endpoint(self._listener)
        self._authenticator = ThreadAuthenticator(context)
        self._authenticator.start()
        self._authenticator.configure_curve_callback(DOMAIN, self.guests)

    def open(self, socket: zmq.Socket[bytes]) -> None:
        """Bind a socket to the port, and guard it."""
        guard(socket, self._keys)
        for option, value in KEEPALIVE.items():
            socket.set(option, value)
        socket.set(zmq.HANDSHAKE_IVL, HANDSHAKE)
        socket.set(zmq.IPV6, int("[" in self.endpoint))
        handle = os.dup(self._listener.fileno())
        socket.set(zmq.USE_FD, handle)
        try:
            socket.bind(self.endpoint)
        except zmq.ZMQError as error:
            os.close(handle)
            raise _refusal(self.endpoint, error.strerror) from error

    def admits(self, route: zmq.Frame) -> bool:
        """Whether the sender's key is one of a client that is paired."""
        try:
            return route.get("User-Id") in self.guests.keys
        except zmq.ZMQError:
            return False

    def close(self) -> None:
        """Let nobody in any more. The sockets are closed by whoever opened them, before."""
        self._authenticator.stop()
        self._listener.close()


def guard(socket: zmq.Socket[bytes], keys: paired.ServerKeys) -> None:
    """Make this socket one that talks to nobody whom the authenticator of its context did not let in."""
    socket.set(zmq.CURVE_SERVER, 1)
    socket.set(zmq.CURVE_PUBLICKEY, keys.public)
    socket.set(zmq.CURVE_SECRETKEY, keys.secret)
    socket.set(zmq.ZAP_DOMAIN, DOMAIN.encode())
    socket.set(zmq.ZAP_ENFORCE_DOMAIN, 1)


def _listener(endpoint: str) -> socket.socket:
    host, port = tcp_address(endpoint)
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    try:
        listener = socket.create_server((host.strip("[]"), port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise _refusal(endpoint, error.strerror or str(error)) from error
    listener.setblocking(False)
    return listener


def _endpoint(listener: socket.socket) -> str:
    """Where it listens, with the port that the system chose for port 0."""
    host, port = listener.getsockname()[:2]
    return f"{TCP}[{host}]:{port}" if listener.family == socket.AF_INET6 else f"{TCP}{host}:{port}"


def _refusal(endpoint: str, why: str) -> ImpastoError:
    sentence = f"The daemon cannot listen on {endpoint}: {why}. Choose another port, or the address of this machine."
    return ImpastoError(Code.BAD_REQUEST, sentence)
