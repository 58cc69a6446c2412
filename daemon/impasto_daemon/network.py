"""The daemon's door to the network: CURVE, and the keys of paired clients alone.

Three locks, one behind the other. The socket is a CURVE server, so a client without keys, or with another daemon's key,
gets no further than the handshake. ZeroMQ asks the guests for every handshake (ZAP) and lets nobody in without their
word: the domain is named and enforced, without which ZeroMQ lets everybody in where nobody answers. And each message
is looked at for the key of its sender. Where the first two are missing a sender could claim a key; so before it stands
a word that nobody else knows, and that is put there only where a handshake was answered.

ZeroMQ asks at the handshake alone. A client whose key was revoked is therefore put out by closing every connection;
the others come back by themselves. The port stays open meanwhile: it belongs to a listener of our own.
"""

from __future__ import annotations

import os
import socket

import zmq
from impasto_protocol.endpoint import TCP, tcp_address
from impasto_protocol.errors import Code, ImpastoError
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils import z85

from . import paired
from .guests import Guests

DOMAIN = "impasto"
"""ZAP's name for what is guarded. pyzmq takes it word for word: its "*" is no wildcard."""
HANDSHAKE = 5000
"""Milliseconds that a connection has to prove its key."""
BACKLOG = 64
KEEPALIVE = {zmq.TCP_KEEPALIVE: 1, zmq.TCP_KEEPALIVE_IDLE: 30, zmq.TCP_KEEPALIVE_INTVL: 10, zmq.TCP_KEEPALIVE_CNT: 3}
"""A connection whose other end is gone without a word is found out within a minute."""


class _Authenticator(ThreadAuthenticator):
    """Answers handshakes from a thread of its own, by what the guests say."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], guests: Guests) -> None:
        super().__init__(context)
        self._guests = guests
        self.start()
        self.configure_curve_callback(DOMAIN, guests)

    def curve_user_id(self, client_public_key: bytes) -> str:
        """What its messages carry from now on."""
        return self._guests.mark(z85.encode(client_public_key).decode("ascii"))


class NetworkDoor:
    """A TCP port that paired clients can use. Belongs to one thread, beside which pyzmq's own answers handshakes.

    Raises ImpastoError where the port cannot be had or a key file cannot be trusted.
    """

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], endpoint: str) -> None:
        self._keys = paired.server_keys()
        paired.clients()
        self.guests = Guests()
        self._listener = _listener(endpoint)
        self.endpoint = _endpoint(self._listener)
        self._authenticator = _Authenticator(context, self.guests)

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

    def guest(self, route: zmq.Frame) -> str | None:
        """The sender's key, if it is that of a client that is paired."""
        try:
            return self.guests.whose(str(route.get("User-Id")))
        except zmq.ZMQError:
            return None

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
