"""All sockets of one daemon behind one face: the Unix socket that is always there, and the network's where asked for.

They are two because CURVE guards a whole socket, and local clients have no keys. Each is a `Router` of its own. To tell
their routes apart, and those of a network socket from those of the one that it replaced, each route begins with its
socket's number.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import zmq
from impasto_protocol.limits import Limits
from impasto_protocol.messages import Message
from impasto_protocol.server_events import Gone, Received, Refused

from .address import UnixDoor
from .network import NetworkDoor
from .router import Router

NUMBER = 4
"""Bytes of a socket's number."""
LOCAL = bytes(NUMBER)

logger = logging.getLogger("impasto.doors")


class Doors:
    """See the module's first lines. Belongs to one thread.

    listen: tcp://HOST:PORT, or empty for no network. Raises ImpastoError where one of them cannot be opened.
    """

    def __init__(
        self, context: zmq.Context[zmq.Socket[bytes]], local: UnixDoor, limits: Limits, listen: str = ""
    ) -> None:
        self._context, self._limits = context, limits
        self._routers = {LOCAL: Router(context, local, limits)}
        self._network: NetworkDoor | None = None
        self._opened = 0
        try:
            if listen:
                self._network = NetworkDoor(context, listen)
                self._open_network()
        except BaseException:
            self.close()
            raise

    def watched(self) -> list[zmq.Socket[bytes] | int]:
        """Sockets and descriptors; when one is readable, `receive`."""
        return [each for router in self._routers.values() for each in router.watched()]

    def receive(self) -> Iterator[Received | Refused | Gone]:
        """What has arrived and who has left, one turn of it; nothing from a client that has been revoked by now."""
        self._put_out_the_revoked()
        for number, router in list(self._routers.items()):
            for event in router.receive():
                yield replace(event, route=number + event.route)

    def send(self, route: bytes, message: Message) -> None:
        """As `Router.send`; to a client of a socket that is gone, nothing."""
        if router := self._routers.get(route[:NUMBER]):
            router.send(route[NUMBER:], message)

    def send_kept(self, route: bytes, job: str, re: int, message: Callable[[], Message]) -> None:
        """As `Router.send_kept`."""
        if router := self._routers.get(route[:NUMBER]):
            router.send_kept(route[NUMBER:], job, re, message)

    def flush(self) -> None:
        """Try again what could not be sent yet."""
        for router in self._routers.values():
            router.flush()

    def deadline(self, now: float) -> float | None:
        """When `flush` is due."""
        times = (router.deadline(now) for router in self._routers.values())
        return min((at for at in times if at is not None), default=None)

    def report(self) -> dict[str, Any]:
        """Where the network comes in, and how many clients may; nothing where it does not."""
        if self._network is None:
            return {}
        return {"endpoint": self._network.endpoint, "paired": len(self._network.guests.known())}

    def close(self) -> None:
        for router in self._routers.values():
            router.close()
        self._routers.clear()
        if self._network:
            self._network.close()

    def _put_out_the_revoked(self) -> None:
        """Close the network's connections where one of its clients may not come in any more; the others come back."""
        if self._network is None:
            return
        if gone := self._network.guests.revoked():
            logger.info(
                "%d of those inside may not come in any more: all connections from the network begin anew", len(gone)
            )
            self._routers.pop(self._number()).cut_off()
        if self._number() not in self._routers:
            self._open_network()

    def _open_network(self) -> None:
        assert self._network is not None
        router = Router(self._context, self._network, self._limits)
        self._opened += 1
        self._routers[self._number()] = router

    def _number(self) -> bytes:
        return self._opened.to_bytes(NUMBER, "big")
