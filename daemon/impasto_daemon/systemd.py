"""What systemd gives a service that it starts, and what it wants to hear: descriptors, a watchdog, and a few words.

The protocol is an environment variable each and one datagram a word (sd_notify(3), sd_listen_fds(3)), which is why no
library is needed for it: the one on PyPI, sdnotify, has not changed since 2017 and knows only half. Without systemd
nothing is given and nobody hears. Knows nothing of jobs.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path

FIRST_DESCRIPTOR = 3
NAMES = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


@dataclass(frozen=True)
class Manager:
    """Whoever started this process and looks after it.

    address: where it listens, empty for nobody. patience: seconds without a sign of life after which it takes this
    process for hung, 0 for never. listening: the descriptor of a socket that already listens; None for none.
    """

    address: str = ""
    patience: float = 0.0
    listening: int | None = None

    @classmethod
    def given(cls, environ: MutableMapping[str, str] = os.environ) -> Manager:
        """What this process was given. It is taken out of the environment: no process that it starts is meant."""
        told = {name: environ.pop(name, "") for name in NAMES}
        for_us = {"", str(os.getpid())}
        watched = told["WATCHDOG_PID"] in for_us and told["WATCHDOG_USEC"].isdigit()
        listens = told["LISTEN_PID"] == str(os.getpid()) and told["LISTEN_FDS"] == "1"
        if listens:
            os.set_inheritable(FIRST_DESCRIPTOR, False)
        return cls(
            address=told["NOTIFY_SOCKET"],
            patience=int(told["WATCHDOG_USEC"]) / 1e6 if watched else 0.0,
            listening=FIRST_DESCRIPTOR if listens else None,
        )

    def say(self, **words: object) -> None:
        """Tell it, as `READY=1`. What cannot be told is not worth ending for."""
        if not self.address:
            return
        path = self.address.replace("@", "\0", 1) if self.address.startswith("@") else self.address
        text = "\n".join(f"{name}={' '.join(str(word).split())}" for name, word in words.items())
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as way:
            way.setblocking(False)
            way.sendto(text.encode(), path)

    def listens_on(self, path: Path) -> bool:
        """Whether the socket that we were given is the one at this path."""
        if self.listening is None:
            return False
        with socket.socket(fileno=os.dup(self.listening)) as given:
            return given.family == socket.AF_UNIX and given.getsockname() == str(path)


class Pulse:
    """Signs of life: one at half the manager's patience, and what there is to say of how things stand."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._next = 0.0 if manager.patience else float("inf")
        self._status = ""

    def beat(self, status: str, now: float) -> None:
        """Once a turn of whatever must not hang. `now`: monotonic seconds."""
        if status != self._status:
            self._status = status
            self._manager.say(STATUS=status)
        if now >= self._next:
            self._next = now + self._manager.patience / 2
            self._manager.say(WATCHDOG=1)

    @property
    def due(self) -> float:
        """When the next one is due."""
        return self._next
