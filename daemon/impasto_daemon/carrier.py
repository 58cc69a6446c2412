"""Carries out what the protocol's core wants done, each action by itself, and tells the core what could not be done.

The core takes its actions for done. So where one fails, the others are carried out all the same, and what comes back
puts right what the core believes: a job that cannot be started or stopped has ended, a result that cannot be kept is
gone. A client is told at least that there was an answer. Nothing else is decided here.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from impasto_protocol.errors import Code, Problem
from impasto_protocol.messages import Error, Result
from impasto_protocol.server_core import ServerCore
from impasto_protocol.server_events import (
    AckWorker,
    Action,
    Enough,
    Event,
    Evicted,
    Forget,
    Keep,
    KeepIterate,
    Received,
    Send,
    SendKept,
    Start,
    Stop,
    WorkerSaid,
)
from impasto_protocol.server_jobs import iterate_gone, result_gone

from .doors import Doors
from .executor import Executor
from .results import Results

FAULT = Problem(Code.INTERNAL, "Impasto's daemon failed on this message: its log says where. Please report it.")
JOB_FAULT = Problem(Code.INTERNAL, "Impasto's daemon failed on this job: its log says where. Please report it.")

logger = logging.getLogger("impasto.supervisor")


@dataclass(frozen=True)
class Carrier:
    """The core, and the rooms in which its actions are carried out. Belongs to one thread."""

    core: ServerCore
    doors: Doors
    executor: Executor
    results: Results

    def handle(self, event: Event, now: float) -> None:
        """One event and all that follows from it, at this time (monotonic seconds). Raises nothing: a fault costs
        neither another event nor another action."""
        events = deque([event])
        while events:
            for action in self._decide(events.popleft(), now):
                events.extend(self._carry(action, now))

    def _decide(self, event: Event, now: float) -> list[Action]:
        try:
            return self.core.handle(event, now)
        except Exception:
            logger.exception("a %s could not be handled", type(event).__name__)
        if not isinstance(event, Received):
            return []
        return [Send(event.route, Error.of(FAULT, re=getattr(event.message, "id", 0)))]

    def _carry(self, action: Action, now: float) -> list[Event]:
        """Do this. Returns what happened by it that the core does not know."""
        for attempt in WAYS[type(action)]:
            try:
                return attempt(self, action, now) or []
            except Exception:
                logger.exception("a %s could not be carried out", type(action).__name__)
        return []

    def send(self, action: Send, now: float) -> None:
        self.doors.send(action.route, action.message)

    def send_kept(self, action: SendKept, now: float) -> None:
        self.doors.send_kept(action.route, action.job, action.re, lambda: self._kept(action))

    def _kept(self, action: SendKept) -> Result | Error:
        """A job's result, or one of its iterates, as an answer, or as the event that it is where `re` is 0."""
        job, re, result = action.job, action.re, self.results.get(action.job, action.step)
        if result:
            return replace(result, re=re)
        gone = iterate_gone(job, action.step, self.results.steps(job)) if action.step else result_gone(job)
        return Error.of(gone.problem, re=re, job=job)

    def keep_iterate(self, action: KeepIterate, now: float) -> None:
        self.results.keep_iterate(action.finished, action.iterate)

    def keep(self, action: Keep, now: float) -> list[Event]:
        return [Evicted(job) for job in self.results.keep(action.finished, action.result)]

    def forget(self, action: Forget, now: float) -> None:
        self.results.forget(action.job)

    def start(self, action: Start, now: float) -> None:
        logger.info("job %s begins", action.submit.job)
        self.executor.start(action.submit, now)

    def stop(self, action: Stop, now: float) -> None:
        self.executor.cancel(action.job, now)

    def enough(self, action: Enough, now: float) -> None:
        self.executor.finish(action.job)

    def ack_worker(self, action: AckWorker, now: float) -> None:
        self.executor.ack(action.job)

    # Where that failed ----------------------------------------------------------------------------------------

    def send_excuse(self, action: Send, now: float) -> None:
        """How far a job is may stay unsaid; who waits for an answer, or for a job's end, is told."""
        re, end = getattr(action.message, "re", 0), isinstance(action.message, Error)
        if re or end:
            job = getattr(action.message, "job", "") if end else ""
            self.doors.send(action.route, Error.of(FAULT, re=re, job=job))

    def send_kept_excuse(self, action: SendKept, now: float) -> None:
        self.doors.send(action.route, Error.of(FAULT, re=action.re, job=action.job))

    def evict(self, action: Keep, now: float) -> list[Event]:
        return [Evicted(action.job)]

    def abandon(self, action: Start | Stop, now: float) -> list[Event]:
        """The worker has the job no more, so the next one can start."""
        job = action.submit.job if isinstance(action, Start) else action.job
        self.executor.abandon(job, now)
        return [WorkerSaid(Error.of(JOB_FAULT, job=job))]


Attempt = Callable[[Carrier, Any, float], list[Event] | None]

WAYS: dict[type, tuple[Attempt, ...]] = {
    Send: (Carrier.send, Carrier.send_excuse),
    SendKept: (Carrier.send_kept, Carrier.send_kept_excuse),
    Keep: (Carrier.keep, Carrier.evict),
    KeepIterate: (Carrier.keep_iterate,),
    Forget: (Carrier.forget,),
    Start: (Carrier.start, Carrier.abandon),
    Stop: (Carrier.stop, Carrier.abandon),
    Enough: (Carrier.enough,),
    AckWorker: (Carrier.ack_worker,),
}
"""What is tried for each action, one after the other until something does not fail."""
