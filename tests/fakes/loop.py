"""What the supervisor's poll loop does with an executor, or with one slot of it, for tests of these."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import zmq
from impasto_daemon.executor import WorkerMessage
from impasto_protocol.messages import Error, Progress, Result, Submit

from .daemon import submit


class Runner(Protocol):
    """An `Executor`, or a `Slot`."""

    def start(self, submit: Submit, now: float) -> None: ...
    def about(self) -> Any: ...
    def watched(self) -> Sequence[Any]: ...
    def deadline(self, now: float) -> float | None: ...
    def poll(self, now: float) -> Sequence[WorkerMessage]: ...


class Loop:
    """A poll loop of its own for whatever runs jobs."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner
        self.said: list[WorkerMessage] = []
        self.turns = 0

    def start(self, job: str, **settings: Any) -> None:
        self.runner.start(submit(job, **settings), time.monotonic())

    def turn(self) -> None:
        now = time.monotonic()
        deadline = self.runner.deadline(now)
        seconds = 1.0 if deadline is None else min(1.0, max(0.0, deadline - now))
        zmq.zmq_poll([(each, zmq.POLLIN) for each in self.runner.watched()], int(seconds * 1000) + 1)
        self.said += self.runner.poll(time.monotonic())
        self.turns += 1

    def until(self, condition: Callable[[], Any], seconds: float = 10.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (self.runner.about(), self.said)
            self.turn()

    def ends(self, job: str) -> list[Result | Error]:
        return [m for m in self.said if isinstance(m, (Result, Error)) and m.job == job]

    def end_of(self, job: str) -> Result | Error:
        self.until(lambda: self.ends(job))
        (end,) = self.ends(job)
        return end

    def problem_of(self, job: str) -> Error:
        end = self.end_of(job)
        assert isinstance(end, Error)
        return end

    def at_step(self, job: str) -> None:
        self.until(lambda: any(isinstance(m, Progress) and m.job == job and m.step for m in self.said))
