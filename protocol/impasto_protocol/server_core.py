"""The daemon's side of the conversation, without any IO.

Theory of operation: whoever owns the sockets calls `handle(event, now)` with what happened and carries out the
actions that come back, in order. The core knows sessions (who talks to us, and since when in silence), jobs (what
was asked, how far it is) and the queue; it knows no sockets, no processes, no clock and no pixels beyond handing
them on. One job at a time is with the worker; the others wait, and clients take turns.

Every job ends exactly once, with a `result` or an `error` event to the client that owns it. Its outcome stays for
`keep` seconds, and one with a result that nobody has acknowledged for `keep_results`, so that a client that comes
back can ask again: a repeated submit, `list` and `fetch` all answer from it. Jobs whose results outlived the daemon
that made them are told to the next one with `Found`, and are like its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from . import jobstate, messages
from .codec import check_limit
from .errors import CANCELLED, Code, ImpastoError, Problem
from .jobstate import State
from .limits import Limits
from .request import Request
from .server_events import (
    AckWorker,
    Action,
    Event,
    Evicted,
    Forget,
    Found,
    Gone,
    Keep,
    Leaving,
    Received,
    Refused,
    Send,
    SendKept,
    Start,
    Stop,
    Tick,
    WorkerSaid,
)
from .server_state import FACTS, Job, Session, nbytes
from .turns import check_room, order

REMEMBERED = 1000
"""Ended jobs whose state is remembered at most, however short ago they ended."""


def accept_all(request: Request) -> None:
    """The check of a daemon that has none: every request is worth a try."""


def no_forecast(request: Request) -> Mapping[str, Any]:
    """The forecast of a daemon that makes none."""
    return {}


@dataclass
class ServerCore:
    """See the module's first lines.

    instance: a name for this run of the daemon. check: raises ImpastoError for a request that cannot be painted,
    before it is queued. forecast: what such a request will take, as `accepted` tells it; must not raise. report: more
    plain data for `health`. Times in seconds.
    """

    instance: str
    limits: Limits = field(default_factory=Limits)
    agent: str = ""
    lease: float = 10.0
    heartbeat: float = 2.0
    keep: float = 3600.0
    keep_results: float = 86_400.0
    check: Callable[[Request], None] = accept_all
    forecast: Callable[[Request], Mapping[str, Any]] = no_forecast
    report: Callable[[], Mapping[str, Any]] = dict

    sessions: dict[str, Session] = field(default_factory=dict, init=False)
    routes: dict[bytes, str] = field(default_factory=dict, init=False)
    jobs: dict[str, Job] = field(default_factory=dict, init=False)
    queue: deque[str] = field(default_factory=deque, init=False)
    active: Optional[str] = field(default=None, init=False)
    turn: int = field(default=0, init=False)
    leaving: bool = field(default=False, init=False)
    idle_since: Optional[float] = field(default=None, init=False)

    def handle(self, event: Event, now: float) -> list[Action]:
        """What to do about this event at this time (monotonic seconds, never running backwards)."""
        actions = _EVENTS[type(event)](self, event, now)
        actions += self._expire(now)
        actions += self._schedule()
        present = any(not session.absent for session in self.sessions.values())
        busy = bool(present or self.queue or self.active)
        self.idle_since = None if busy else (now if self.idle_since is None else self.idle_since)
        return actions

    def next_deadline(self) -> Optional[float]:
        """When a Tick is due at the latest, if nothing happens before."""
        leases = [session.seen + self.lease for session in self.sessions.values() if not session.absent]
        ends = [self._forgotten_at(job) for job in self.jobs.values() if job.state.terminal]
        return min(leases + ends, default=None)

    # Events -----------------------------------------------------------------------------------------------

    def _received(self, event: Received, now: float) -> list[Action]:
        message = event.message
        if isinstance(message, messages.Hello):
            return self._hello(event.route, message, now)
        client = self.routes.get(event.route)
        if client is None:
            problem = Problem(
                Code.NO_SESSION,
                "This daemon does not know you (it may have been restarted): say hello first, or again.",
            )
            return [_refusal(event.route, message, problem)]
        session = self.sessions[client]
        session.seen, session.absent = now, False
        answer = _REQUESTS.get(type(message))
        if answer is None:
            sentence = f"This daemon does not know the request {getattr(message, 'type', message.TYPE)!r}: update it."
            return [_refusal(event.route, message, Problem(Code.UNKNOWN_TYPE, sentence))]
        try:
            return answer(self, session, message, now)
        except ImpastoError as error:
            return [_refusal(event.route, message, error.problem)]

    def _refused(self, event: Refused, now: float) -> list[Action]:
        if event.route in self.routes:
            session = self.sessions[self.routes[event.route]]
            session.seen, session.absent = now, False
        return [Send(event.route, messages.Error.of(event.error.problem, re=event.error.re))]

    def _worker_said(self, event: WorkerSaid, now: float) -> list[Action]:
        message = event.message
        job = self.jobs.get(message.job)
        if job is None or message.job != self.active:
            return []
        return _WORKER[type(message)](self, job, message, now)

    def _evicted(self, event: Evicted, now: float) -> list[Action]:
        if event.job in self.jobs:
            self.jobs[event.job].kept = False
        return []

    def _gone(self, event: Gone, now: float) -> list[Action]:
        """As good as silent for a lease."""
        client = self.routes.get(event.route)
        session = self.sessions.get(client or "")
        if session is not None and session.route == event.route:
            session.seen = min(session.seen, now - self.lease)
        return []

    def _found(self, event: Found, now: float) -> list[Action]:
        done = event.finished
        if done.job not in self.jobs:
            ended = now - event.age
            self.jobs[done.job] = Job(
                id=done.job,
                owner="",
                digest=done.digest,
                submit=None,
                submitted=ended - done.seconds,
                facts={name: getattr(done, name) for name in FACTS},
                forecast={},
                detach=True,
                state=State.SUCCEEDED,
                progress=messages.Progress(job=done.job, state=State.SUCCEEDED, step=done.steps, steps=done.steps),
                kept=True,
                ended=ended,
            )
        return []

    def _tick(self, event: Tick, now: float) -> list[Action]:
        return []

    def _leaving(self, event: Leaving, now: float) -> list[Action]:
        self.leaving = True
        problem = Problem(Code.SHUTTING_DOWN, "The daemon is shutting down. Try again when it is back.")
        actions: list[Action] = [Stop(self.active)] if self.active else []
        self.active = None
        self.queue.clear()
        for job in self.jobs.values():
            if not job.state.terminal:
                actions += self._end(job, jobstate.Event.FAIL, job.problem or problem, now)
        return actions

    # Requests ---------------------------------------------------------------------------------------------

    def _hello(self, route: bytes, hello: messages.Hello, now: float) -> list[Action]:
        if messages.VERSION not in hello.versions:
            sentence = (
                f"The daemon speaks protocol version {messages.VERSION} and the client "
                f"{', '.join(map(str, hello.versions)) or 'none'}: update the older one."
            )
            versions = {"theirs": hello.versions, "ours": messages.VERSION}
            return [_refusal(route, hello, Problem(Code.VERSION_MISMATCH, sentence, versions))]
        if self.routes.get(route, hello.client) != hello.client:
            sentence = f"This connection belongs to the client {self.routes[route]} already: open another one."
            return [_refusal(route, hello, Problem(Code.BAD_REQUEST, sentence))]
        before = self.sessions.get(hello.client)
        if before:
            self.routes.pop(before.route, None)
        features = frozenset(hello.features) & messages.FEATURES
        turn = before.turn if before else 0
        self.sessions[hello.client] = Session(hello.client, route, now, hello.agent, features, turn=turn)
        self.routes[route] = hello.client
        welcome = messages.Welcome(
            re=hello.id,
            version=messages.VERSION,
            instance=self.instance,
            features=tuple(sorted(messages.FEATURES)),
            limits=self.limits.to_wire(),
            lease=self.lease,
            heartbeat=self.heartbeat,
            agent=self.agent,
        )
        running = self.jobs.get(self.active or "")
        return [Send(route, welcome), *(self._resume_previews(running, hello.client) if running else [])]

    def _submit(self, session: Session, submit: messages.Submit, now: float) -> list[Action]:
        request = submit.request()
        digest = request.digest(submit.digests)
        known = self.jobs.get(submit.job)
        if known is not None:
            return self._submit_again(session, submit, known, digest)
        if self.leaving:
            raise ImpastoError(Code.SHUTTING_DOWN, "The daemon is shutting down. Try again when it is back.")
        check_limit("styles", len(request.styles), self.limits.styles)
        waiting = [self.jobs[name] for name in self.queue]
        check_room([(each.owner, each.nbytes) for each in waiting], session.client, nbytes(submit), self.limits)
        self.check(request)
        job = Job(
            id=submit.job,
            owner=session.client,
            digest=digest,
            submit=submit,
            submitted=now,
            facts={
                "agent": session.agent,
                "recipe": request.recipe,
                "width": request.content.width,
                "height": request.content.height,
            },
            forecast=self.forecast(request),
            detach=_detached(session, submit),
        )
        self.jobs[job.id] = job
        self.queue.append(job.id)
        job.position = self._positions()[job.id]
        return [Send(session.route, job.accepted(submit.id))]

    def _submit_again(self, session: Session, submit: messages.Submit, job: Job, digest: str) -> list[Action]:
        if job.digest != digest:
            raise ImpastoError(Code.CONFLICT, f"The job name {job.id} was used for another request: choose a new one.")
        job.owner, job.detach = session.client, _detached(session, submit)
        previews = self._resume_previews(job, session.client)
        return [Send(session.route, job.accepted(submit.id)), *previews, *self._tell_outcome(job)]

    def _cancel(self, session: Session, cancel: messages.Cancel, now: float) -> list[Action]:
        job = self._job(cancel.job)
        problem = CANCELLED
        actions = [] if job.state.terminal else self._let_go(job, problem, now)
        return [Send(session.route, job.accepted(cancel.id)), *actions]

    def _ack(self, session: Session, ack: messages.Ack, now: float) -> list[Action]:
        job = self.jobs.get(ack.job)
        if job is None:
            return []
        if ack.of == "preview":
            return self._resume_previews(job, session.client)
        if ack.of == "result" and job.kept:
            job.kept = False
            return [Forget(job.id)]
        return []

    def _fetch(self, session: Session, fetch: messages.Fetch, now: float) -> list[Action]:
        job = self._job(fetch.job)
        if not job.state.terminal:
            raise ImpastoError(
                Code.NOT_FINISHED, f"The job {job.id} is not finished, it is {job.state.value}: wait for its end."
            )
        if job.problem is not None:
            return [Send(session.route, messages.Error.of(job.problem, re=fetch.id, job=job.id))]
        if not job.kept:
            raise _gone(job)
        return [SendKept(session.route, job.id, fetch.id)]

    def _list(self, session: Session, request: messages.List, now: float) -> list[Action]:
        # The newest ones: a header holds no more items than its limit.
        rows = tuple(job.row(now) for job in list(self.jobs.values())[-100:])
        return [Send(session.route, messages.Jobs(re=request.id, jobs=rows))]

    def _status(self, session: Session, request: messages.Status, now: float) -> list[Action]:
        daemon = {
            "agent": self.agent,
            "instance": self.instance,
            "clients": sum(not session.absent for session in self.sessions.values()),
            "running": self.active or "",
            "queued": len(self.queue),
            **self.report(),
        }
        return [Send(session.route, messages.Health(re=request.id, daemon=daemon))]

    def _ping(self, session: Session, ping: messages.Ping, now: float) -> list[Action]:
        return [Send(session.route, messages.Pong(re=ping.id))]

    # The running job --------------------------------------------------------------------------------------

    def _worker_progress(self, job: Job, progress: messages.Progress, now: float) -> list[Action]:
        if progress.step > 0:
            job.state = jobstate.advance(job.state, jobstate.Event.STEP)
        job.progress = replace(progress, state=job.state, position=0)
        return self._to_owner(job, job.progress)

    def _worker_preview(self, job: Job, preview: messages.Preview, now: float) -> list[Action]:
        session = self.sessions.get(job.owner)
        if session is None or "previews" not in session.features or job.state is State.CANCELLING:
            return []
        return [Send(session.route, preview)]

    def _worker_result(self, job: Job, result: messages.Result, now: float) -> list[Action]:
        self.active = None
        keep = job.state is not State.CANCELLING
        job.kept = keep
        actions: list[Action] = [Keep(job.finished(now), result)] if keep else []
        return actions + self._end(job, jobstate.Event.SUCCEED, job.problem, now)

    def _worker_error(self, job: Job, error: messages.Error, now: float) -> list[Action]:
        self.active = None
        return self._end(job, jobstate.Event.FAIL, job.problem or error.problem(), now)

    def _resume_previews(self, job: Job, client: str) -> list[Action]:
        """The owner has seen the last preview, or comes back and may have missed it: the next may be made."""
        return [AckWorker(job.id)] if job.id == self.active and job.owner == client else []

    # Jobs -------------------------------------------------------------------------------------------------

    def _job(self, name: str) -> Job:
        if name not in self.jobs:
            raise ImpastoError(
                Code.UNKNOWN_JOB, f"There is no job {name} here; `impasto status` lists those there are."
            )
        return self.jobs[name]

    def _let_go(self, job: Job, problem: Problem, now: float) -> list[Action]:
        """Cancel for this reason; the first reason stays."""
        again = job.state is State.CANCELLING
        if job.state is State.QUEUED:
            self.queue.remove(job.id)
            return self._end(job, jobstate.Event.CANCEL, problem, now)
        job.state = jobstate.advance(job.state, jobstate.Event.CANCEL)
        job.problem = job.problem or problem
        return [] if again else [Stop(job.id)]

    def _end(self, job: Job, event: jobstate.Event, problem: Optional[Problem], now: float) -> list[Action]:
        job.state = jobstate.advance(job.state, event)
        job.problem, job.ended, job.submit, job.position = problem, now, None, 0
        return self._tell_outcome(job)

    def _tell_outcome(self, job: Job) -> list[Action]:
        if not job.state.terminal:
            return []
        session = self.sessions.get(job.owner)
        if session is None:
            return []
        if job.problem is not None:
            return [Send(session.route, messages.Error.of(job.problem, job=job.id))]
        if not job.kept:
            return [Send(session.route, messages.Error.of(_gone(job).problem, job=job.id))]
        return [SendKept(session.route, job.id)]

    def _to_owner(self, job: Job, message: messages.Message) -> list[Action]:
        session = self.sessions.get(job.owner)
        return [Send(session.route, message)] if session else []

    # Time -------------------------------------------------------------------------------------------------

    def _expire(self, now: float) -> list[Action]:
        actions: list[Action] = []
        for session in [s for s in self.sessions.values() if not s.absent and now >= s.seen + self.lease]:
            session.absent = True
            for job in [j for j in self.jobs.values() if j.owner == session.client]:
                if not job.detach and not job.state.terminal:
                    problem = Problem(Code.ABANDONED, "The program that asked for this picture went away: ask again.")
                    actions += self._let_go(job, problem, now)
        silent = sorted((s for s in self.sessions.values() if s.absent), key=lambda session: session.seen)
        for place, session in enumerate(silent):
            if now - session.seen > self.keep or len(silent) - place > REMEMBERED:
                del self.sessions[session.client]
                self.routes.pop(session.route, None)
        ended = [job for job in self.jobs.values() if job.state.terminal]
        for place, job in enumerate(ended):
            if now > self._forgotten_at(job) or len(ended) - place > REMEMBERED:
                del self.jobs[job.id]
                actions += [Forget(job.id)] if job.kept else []
        return actions

    def _turns(self) -> list[str]:
        """The jobs that wait, in the order in which they will start."""
        last_turns = {client: session.turn for client, session in self.sessions.items()}
        return order(((name, self.jobs[name].owner) for name in self.queue), last_turns)

    def _positions(self) -> dict[str, int]:
        """How many jobs are before each of those that wait."""
        return {name: place + (1 if self.active else 0) for place, name in enumerate(self._turns())}

    def _forgotten_at(self, job: Job) -> float:
        """When a job that has ended is to be forgotten."""
        return job.ended + (self.keep_results if job.kept else self.keep)

    def _schedule(self) -> list[Action]:
        """Start the next job if none is with the worker, and tell those that wait when their place changed."""
        actions: list[Action] = []
        if self.active is None and self.queue:
            job = self.jobs[self._turns()[0]]
            self.queue.remove(job.id)
            self.turn += 1
            if job.owner in self.sessions:
                self.sessions[job.owner].turn = self.turn
            job.state = jobstate.advance(job.state, jobstate.Event.START)
            job.position = 0
            self.active = job.id
            assert job.submit is not None
            job.progress = messages.Progress(job=job.id, state=job.state)
            actions += [Start(job.submit), *self._to_owner(job, job.progress)]
            job.submit = None
        for name, position in self._positions().items():
            job = self.jobs[name]
            if position != job.position:
                job.position = position
                actions += self._to_owner(job, messages.Progress(job=job.id, state=job.state, position=position))
        return actions


_EVENTS: dict[type, Callable[[ServerCore, Any, float], list[Action]]] = {
    Received: ServerCore._received,
    Refused: ServerCore._refused,
    WorkerSaid: ServerCore._worker_said,
    Evicted: ServerCore._evicted,
    Gone: ServerCore._gone,
    Found: ServerCore._found,
    Tick: ServerCore._tick,
    Leaving: ServerCore._leaving,
}

_REQUESTS: dict[type, Callable[[ServerCore, Session, Any, float], list[Action]]] = {
    messages.Submit: ServerCore._submit,
    messages.Cancel: ServerCore._cancel,
    messages.Ack: ServerCore._ack,
    messages.Fetch: ServerCore._fetch,
    messages.List: ServerCore._list,
    messages.Status: ServerCore._status,
    messages.Ping: ServerCore._ping,
}

_WORKER: dict[type, Callable[[ServerCore, Job, Any, float], list[Action]]] = {
    messages.Progress: ServerCore._worker_progress,
    messages.Preview: ServerCore._worker_preview,
    messages.Result: ServerCore._worker_result,
    messages.Error: ServerCore._worker_error,
}


def _detached(session: Session, submit: messages.Submit) -> bool:
    return submit.detach and "detach" in session.features


def _number(message: messages.Message) -> int:
    number = getattr(message, "id", 0)
    return number if isinstance(number, int) else 0


def _refusal(route: bytes, message: messages.Message, problem: Problem) -> Send:
    """The answer to a request that is not met; it names the job that the request was about."""
    return Send(route, messages.Error.of(problem, re=_number(message), job=getattr(message, "job", "")))


def _gone(job: Job) -> ImpastoError:
    return ImpastoError(Code.RESULT_GONE, f"The result of job {job.id} is not kept any more: paint it again.")
