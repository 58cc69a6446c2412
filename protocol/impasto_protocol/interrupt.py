"""What whoever waits for a job may wish of it meanwhile, from another thread, a signal handler or a callback.

Knows the messages that wishes become, and a pipe that wakes; nothing of sockets or of the conversation.
"""

from __future__ import annotations

import contextlib
import os
from typing import Union

from . import messages

Wish = Union[messages.Cancel, messages.Finish, messages.Detach]


class Interrupt:
    """What any thread, signal handler or GLib callback may wish of a job under way; each wish wakes the client at once.

    `set` cancels the job. `finish` ends it with the iterate that there is, and `detach` has it go on when this client
    goes away, with a daemon that offers `steer` (another one takes no notice). Harmless when repeated.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        self._set = False
        self._wishes: list[type[Wish]] = []

    def set(self) -> None:
        if not self._set:
            self._set = True
            os.write(self._write, b"!")

    def finish(self) -> None:
        self._wish(messages.Finish)

    def detach(self) -> None:
        self._wish(messages.Detach)

    def is_set(self) -> bool:
        return self._set

    def is_awake(self) -> bool:
        """Whether there are wishes to take, or it was set."""
        return self._set or bool(self._wishes)

    def fileno(self) -> int:
        """Readable while there are wishes to take, and for ever once set."""
        return self._read

    def take(self) -> list[type[Wish]]:
        """The wishes but to cancel that are new since the last time."""
        if not self._set:
            with contextlib.suppress(BlockingIOError):
                os.read(self._read, 64)
        taken = self._wishes[:]
        del self._wishes[: len(taken)]
        return taken

    def _wish(self, wish: type[Wish]) -> None:
        self._wishes.append(wish)  # before the byte: who reads the byte finds the wish
        os.write(self._write, b"!")

    def __del__(self) -> None:
        for descriptor in (self._read, self._write):
            with contextlib.suppress(OSError):
                os.close(descriptor)
