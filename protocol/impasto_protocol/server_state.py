"""What the server core knows of clients and jobs: data, and how it is told. Nothing is decided here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

from . import messages
from .errors import Problem
from .jobstate import State
from .server_events import Finished

FACTS = ("agent", "recipe", "width", "height")
"""What is said of a job besides how far it is."""


@dataclass
class Session:
    """One client, over as many connections as it takes. `absent`: its lease ran out; it may still come back. `turn`:
    the number of the last start of a job that was one of its own."""

    client: str
    route: bytes
    seen: float
    agent: str = ""
    features: frozenset[str] = frozenset()
    absent: bool = False
    turn: int = 0


@dataclass
class Job:
    """One job. `submit` is let go of when it ends, and with it the pixels; `problem` is set when it ends without
    a result, or is about to."""

    id: str
    owner: str
    digest: str
    submit: Optional[messages.Submit]
    submitted: float
    facts: Mapping[str, Any]
    forecast: Mapping[str, Any]
    detach: bool
    state: State = State.QUEUED
    progress: Optional[messages.Progress] = None
    position: int = 0
    problem: Optional[Problem] = None
    kept: bool = False
    ended: float = 0.0

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
            "kept": self.kept,
            "error": self.problem.code.value if self.problem and self.state.terminal else "",
            **({} if self.state.terminal else {"forecast": self.forecast}),
        }


def nbytes(submit: messages.Submit) -> int:
    """Of its pixels."""
    return sum(picture.nbytes for picture in submit.pictures)
