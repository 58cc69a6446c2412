"""Which clients' processes have ended, as the kernel says: at once, where a lease would take seconds to run out.

A local socket tells the process behind every message (SO_PEERCRED), and a pidfd becomes readable when that process
ends. A client that closes its connection and lives on may come back, and has its lease. So have clients whose process
nobody can see: on another machine, in a container, or on a system without pidfds.
"""

from __future__ import annotations

import contextlib
import os
import select

import zmq

MOST = 4096
"""Routes whose processes are remembered, the newest ones: a process may open connections for ever."""


class Departures:
    """The processes behind routes. Belongs to one thread."""

    def __init__(self) -> None:
        self._processes: dict[bytes, int] = {}
        self._descriptors: dict[int, int] = {}

    def met(self, frame: zmq.Frame) -> None:
        """A message begins with this frame, its route."""
        route = frame.bytes
        if route not in self._processes:
            process = self._processes[route] = _process(frame)
            if len(self._processes) > MOST:
                del self._processes[next(iter(self._processes))]
            if process and process not in self._descriptors:
                with contextlib.suppress(AttributeError, OSError):
                    self._descriptors[process] = os.pidfd_open(process)

    def watched(self) -> list[int]:
        """Descriptors; when one is readable, somebody is gone."""
        return list(self._descriptors.values())

    def gone(self) -> list[bytes]:
        """The routes whose processes have ended since the last time."""
        if not self._descriptors:
            return []
        poll = select.poll()  # and not `select`, which takes no descriptor over 1023
        for descriptor in self.watched():
            poll.register(descriptor, select.POLLIN)
        readable = {descriptor for descriptor, _ in poll.poll(0)}
        ended = [process for process, descriptor in self._descriptors.items() if descriptor in readable]
        for process in ended:
            os.close(self._descriptors.pop(process))
        gone = [route for route, process in self._processes.items() if process in ended]
        for route in gone:
            del self._processes[route]
        return gone

    def close(self) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)
        self._descriptors.clear()


def _process(frame: zmq.Frame) -> int:
    """Of the sender, 0 where the system does not tell."""
    try:
        where, *numbers = str(frame.get("Peer-Address")).split(":")
    except zmq.ZMQError:
        return 0
    # Of a sender on the network it is an address, which has colons too where it is one of IPv6.
    return int(numbers[2]) if where == "localhost" and len(numbers) == 3 and numbers[2].isdigit() else 0
