"""What the server core knows: how it is set, clients and jobs. Data, and how it is told; nothing is decided here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional

from . import messages
from .errors import Code, ImpastoError, Problem
from .jobstate import State
from .limits import Limits
from .request import Outline
from .server_events import Finished

REMEMBERED = 1000
"""At most so many jobs that have ended without a result that is kept, and so many clients that are absent, are
remembered, however recent. Results are bounded by who keeps them."""

FACTS = ("agent", "recipe", "width", "height", "stand_in")
"""What is said of a job besides how far it is."""


@dataclass
class Session:
    """One client, over as many connections as it takes. `absent`: its lease ran out; it may still come back. `turn`:
    the number of the last start of a job that was one of its own. `guest`: the key that it came in with over the
    network."""

    client: str
    route: bytes
    seen: float
    guest: str = ""
    agent: str = ""
    features: frozenset[str] = frozenset()
    absent: bool = False
    turn: int = 0

    @property
    def party(self) -> str:
        """Whom its jobs count for, in turns and in the queue. Who comes in over the network can choose another name at
        any time, but no other key."""
        return self.guest or self.client


@dataclass
class Job:
    """One job. `submit` is let go of when it ends, and with it the pixels; `problem` is set when it ends without
    a result, or is about to. `enough`: it is to end with the iterate that there is. `iterated`: iterates of it may be
    kept. `party`: whom it counts for where clients share."""

    id: str
    owner: str
    party: str
    digest: str
    submit: Optional[messages.Submit]
    submitted: float
    facts: Mapping[str, Any]
    forecast: Mapping[str, Any]
    detach: bool
    enough: bool = False
    iterated: bool = False
    state: State = State.QUEUED
    progress: Optional[messages.Progress] = None
    position: int = 0
    problem: Optional[Problem] = None
    kept: bool = False
    ended: float = 0.0

    @property
    def painted(self) -> bool:
        """Whether it waits for nothing but its result to be stored."""
        return self.kept and not self.state.terminal

    @property
    def nbytes(self) -> int:
        """Of pixels that it holds."""
        return nbytes(self.submit) if self.submit else 0

    def accepted(self, re: int) -> messages.Accepted:
        """The answer to request number `re`, of its client."""
        return messages.Accepted(
            re=re, job=self.id, state=self.state, position=self.position, digest=self.digest, forecast=self.forecast
        )

    def finished(self, now: float) -> Finished:
        """What is to be remembered of it where it ends with a result now."""
        steps = self.progress.step if self.progress else 0
        return Finished(job=self.id, digest=self.digest, steps=steps, seconds=now - self.submitted, **self.facts)

    def row(self, now: float) -> dict[str, Any]:
        """As `list` tells it."""
        progress = self.progress
        return {
            "job": self.id,
            "state": self.state.value,
            **self.facts,
            "step": progress.step if progress else 0,
            "steps": progress.steps if progress else 0,
            "eta": progress.eta if progress else None,
            "position": self.position,
            "age": round(now - self.submitted, 3),
            "kept": self.kept and self.state.terminal,
            "error": self.problem.code.value if self.problem and self.state.terminal else "",
            **({} if self.state.terminal else {"forecast": self.forecast}),
        }


def nbytes(submit: messages.Submit) -> int:
    """Of its pixels."""
    return sum(picture.nbytes for picture in submit.pictures)


def accept_all(outline: Outline) -> None:
    """The check of a daemon that has none: every request is worth a try."""


def perhaps(job: str) -> bool:
    """Of a daemon that does not know what is kept: the worker will tell."""
    return True


def no_forecast(outline: Outline) -> Mapping[str, Any]:
    """The forecast of a daemon that makes none."""
    return {}


@dataclass
class ServerState:
    """All that is known, and how the daemon is set. Times in seconds.

    instance: a name for this run of the daemon. check: raises ImpastoError for a request that cannot be painted, before
    it is queued. resumable: whether a job of an earlier run may be gone on from. forecast: what such a request will
    take, as `accepted` and `foreseen` tell it; must not raise. report: more plain data for `health`. routes: the client
    behind each connection. queue: the jobs that wait, in the order in which they came. active: those that are with
    workers, in the order in which they started. capacity: how many may be. turn: how many have been. idle_since:
    without clients and jobs.
    """

    instance: str
    limits: Limits = field(default_factory=Limits)
    agent: str = ""
    lease: float = 10.0
    heartbeat: float = 2.0
    keep: float = 3600.0
    keep_results: float = 86_400.0
    check: Callable[[Outline], None] = accept_all
    resumable: Callable[[str], bool] = perhaps
    forecast: Callable[[Outline], Mapping[str, Any]] = no_forecast
    report: Callable[[], Mapping[str, Any]] = dict
    capacity: int = 1

    sessions: dict[str, Session] = field(default_factory=dict, init=False)
    routes: dict[bytes, str] = field(default_factory=dict, init=False)
    jobs: dict[str, Job] = field(default_factory=dict, init=False)
    queue: deque[str] = field(default_factory=deque, init=False)
    active: list[str] = field(default_factory=list, init=False)
    turn: int = field(default=0, init=False)
    leaving: bool = field(default=False, init=False)
    idle_since: Optional[float] = field(default=None, init=False)

    def job(self, name: str) -> Job:
        """Raises ImpastoError(UNKNOWN_JOB)."""
        if name not in self.jobs:
            raise ImpastoError(
                Code.UNKNOWN_JOB, f"There is no job {name} here; `impasto status` lists those there are."
            )
        return self.jobs[name]
