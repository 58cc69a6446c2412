"""Who may come in over the network: the paired clients, as their file has them at this moment.

One reading of that file, for the handshake and for every message after it. It is asked from two threads: ZeroMQ's
handshakes are answered in one of their own, and the loop may be asleep meanwhile. A file that cannot be trusted lets
nobody in, and is looked at again until it can be.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Mapping

from impasto_protocol.errors import ImpastoError

from . import paired
from .log import Seldom

logger = logging.getLogger("impasto.network")


class Guests:
    """Those who may come in, and those who are. Belongs to every thread. Keys are public ones, in Z85."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: Mapping[str, str] = {}
        self._version: tuple[int, ...] | None = None
        self._inside: set[str] = set()
        self._word = secrets.token_hex(16)
        self._seldom = Seldom(logger)

    def known(self) -> Mapping[str, str]:
        """The keys that may come in now, and the names of those who have them."""
        with self._lock:
            try:
                self._look()
            except ImpastoError as error:
                self._seldom.log(logging.ERROR, "no client of the network is let in: %s", error)
            return self._names

    def revoked(self) -> list[str]:
        """The keys that were let in and may not be any more. Each is told once."""
        known = self.known()
        with self._lock:
            gone = [key for key in self._inside if key not in known]
            self._inside.difference_update(gone)
        return gone

    def callback(self, domain: str, key: bytes) -> bool:
        """pyzmq's question at every handshake: may the owner of this key come in? Must not raise, or nobody is ever
        answered again."""
        try:
            mine = key.decode("ascii", "replace")
            name = self.known().get(mine)
        except Exception:
            self._seldom.log(logging.ERROR, "no client of the network is let in", exc_info=True)
            return False
        if name is None:
            self._seldom.log(logging.WARNING, "a client without a known key was refused on the network")
            return False
        with self._lock:
            self._inside.add(mine)
        logger.info("a client comes in over the network: %s", name)
        return True

    def mark(self, key: str) -> str:
        """The User-Id of a connection whose handshake was answered. It begins with a word that nobody else knows, for
        where nobody guards a socket a sender may choose a User-Id."""
        return self._word + key

    def whose(self, mark: str) -> str | None:
        """The key behind a User-Id; None where no handshake was answered for it, or its key has been revoked by the
        last look."""
        key = mark.removeprefix(self._word)
        return key if mark != key and key in self._names else None

    def _look(self) -> None:
        """Read the file, if it has changed since it could be read last. Raises ImpastoError."""
        version = paired.version()
        if version == self._version:
            return
        self._names, self._version = {}, None
        self._names = {client.key: name for name, client in paired.clients().items()}
        self._version = version
