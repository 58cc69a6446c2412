"""What a client needs of its connection to a daemon, whoever provides it.

A transport connects one DEALER to the daemon's ROUTER. When the connection breaks it tells so and tries again by
itself. It carries frames and does not know what they mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, Union

from .errors import Code, ImpastoError, Problem
from .limits import Limits
from .picture import Buffer


@dataclass(frozen=True)
class Arrived:
    """The frames of one message."""

    frames: Sequence[Buffer]


@dataclass(frozen=True)
class Broke:
    """The connection is gone. What was sent may not have arrived; what is sent from now on waits for the next one."""


@dataclass(frozen=True)
class Refused:
    """The two sides do not come together, and why. final: trying again will not help."""

    problem: Problem
    final: bool


News = Union[Arrived, Broke, Refused]


class Transport(Protocol):
    """One connection. Belongs to one thread."""

    NAME: ClassVar[str]
    """What carries the frames, for people."""

    def connect(self, endpoint: str, limits: Limits) -> None:
        """Begin to connect. Raises ImpastoError where nobody of ours can be listening, or without the keys for it.

        limits: a larger message than these allow is not one, and no memory is set aside for it.
        """

    def send(self, frames: Sequence[Buffer]) -> None:
        """Send a message, in whatever time that takes; it does not wait. The frames must not change any more."""

    def wait(self, seconds: float, wake: Sequence[int] = ()) -> list[News]:
        """What happens first within this time. Nothing when it has passed, or one of the descriptors `wake` is
        readable."""

    def close(self, linger: float) -> None:
        """Leave. What was sent has `linger` seconds to go out."""


def no_endpoint(endpoint: str, why: object) -> ImpastoError:
    """The error for what cannot be connected to."""
    sentence = (
        f"{endpoint!r} is not an endpoint that can be used: {why}. Write ipc:///path/of/a.sock, or tcp://HOST:PORT."
    )
    return ImpastoError(Code.UNREACHABLE, sentence)
