"""What the server core is told (events), and what it wants done (actions): data, one frozen dataclass each.

The daemon's poll loop makes the events from sockets, the worker and the clock, and carries out the actions in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Union

from . import messages, schema
from .errors import ProtocolError
from .limits import NAME
from .schema import wire


@dataclass(frozen=True)
class Finished:
    """A job that has succeeded, as it is remembered beside its result from one run of the daemon to the next.

    steps: that were done. seconds: from its submit to its end. stand_in: the recipe that was painted with in place of
    `recipe`, if any. Each field has a reader, as those of messages have.
    """

    job: str = wire(schema.name)
    digest: str = wire(schema.text(64))
    agent: str = wire(schema.text(NAME))
    recipe: str = wire(schema.name)
    width: int = wire(schema.integer(1))
    height: int = wire(schema.integer(1))
    steps: int = wire(schema.integer())
    seconds: float = wire(schema.number(0))
    stand_in: str = wire(schema.text(NAME), "")


# What happens ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Received:
    """A client's message, decoded. `route` is the address of its connection. `guest`: the key of a client that came in
    over the network; empty for the daemon's own user, who is on this machine."""

    route: bytes
    message: messages.Message
    guest: str = ""


@dataclass(frozen=True)
class Refused:
    """Bytes from a client that did not parse."""

    route: bytes
    error: ProtocolError


@dataclass(frozen=True)
class WorkerSaid:
    """A message about a running job from where it runs. An error `cancelled` means: let go after a cancel. A result
    with a `step` is an iterate to be kept; the job goes on."""

    message: Union[messages.Progress, messages.Preview, messages.Result, messages.Error]


@dataclass(frozen=True)
class Capacity:
    """So many jobs may be with workers from now on. Those that are there beyond it stay until they end."""

    jobs: int


@dataclass(frozen=True)
class Evicted:
    """The results' byte budget made this job's picture leave."""

    job: str


@dataclass(frozen=True)
class Stored:
    """This job's result is kept where the end of the daemon does not reach it, or as well as it can be."""

    job: str


@dataclass(frozen=True)
class Gone:
    """The client at this address is no more: its process has ended."""

    route: bytes


@dataclass(frozen=True)
class Found:
    """An earlier run of the daemon finished this job `age` seconds ago, and its result of `nbytes` is still kept, and
    beside it iterates: the bytes of each by its step."""

    finished: Finished
    age: float
    nbytes: int = 0
    iterates: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Tick:
    """Time has passed."""


@dataclass(frozen=True)
class Leaving:
    """The daemon is about to end."""


Event = Union[Received, Refused, WorkerSaid, Capacity, Stored, Evicted, Gone, Found, Tick, Leaving]

# What is to be done ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Send:
    """Send this message."""

    route: bytes
    message: messages.Message


@dataclass(frozen=True)
class SendKept:
    """Send the kept result of this job, with this `re`; or the iterate of this step."""

    route: bytes
    job: str
    re: int = 0
    step: int = 0


@dataclass(frozen=True)
class Keep:
    """Keep this result until told to forget it, and with it what is to be remembered of its job. `Stored` answers."""

    finished: Finished
    result: messages.Result

    @property
    def job(self) -> str:
        return self.finished.job


@dataclass(frozen=True)
class KeepIterate:
    """Keep this iterate of a job under way where there is room for it; a result without it is as good. It is forgotten
    with the result. finished: what would be to remember if this were the end."""

    finished: Finished
    iterate: messages.Result


@dataclass(frozen=True)
class Forget:
    """This job's result, and its iterates, are not needed any more."""

    job: str


@dataclass(frozen=True)
class Start:
    """Give this job to a worker."""

    submit: messages.Submit


@dataclass(frozen=True)
class Stop:
    """Make the worker let go of this job; it answers with an error `cancelled`."""

    job: str


@dataclass(frozen=True)
class Enough:
    """Have the worker end this job with its present iterate, or with the first one that it comes to."""

    job: str


@dataclass(frozen=True)
class AckWorker:
    """This job's preview has arrived; the next one may be made."""

    job: str


Action = Union[Send, SendKept, Keep, KeepIterate, Forget, Start, Stop, Enough, AckWorker]
