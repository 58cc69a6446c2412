"""A job's way through the daemon: when it starts, what the worker says of it, how it ends, and when it is forgotten.

Functions of the state and the time, which return what is to be done. Who may ask for what is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Optional

from . import jobstate, messages
from .errors import Code, ImpastoError, Problem
from .jobstate import State
from .limits import NAME
from .server_events import (
    AckWorker,
    Action,
    Capacity,
    Enough,
    Evicted,
    Forget,
    Found,
    Keep,
    KeepIterate,
    Leaving,
    Send,
    SendKept,
    Start,
    Stop,
    Stored,
    WorkerSaid,
)
from .server_state import FACTS, REMEMBERED, Job, ServerState
from .turns import order


def worker_said(state: ServerState, event: WorkerSaid, now: float) -> list[Action]:
    """What comes late, of a job that is not with the worker any more, changes nothing."""
    message = event.message
    job = state.jobs.get(message.job)
    if job is None or message.job not in state.active:
        return []
    return WORKER[type(message)](state, job, message, now)


def worker_progress(state: ServerState, job: Job, progress: messages.Progress, now: float) -> list[Action]:
    if progress.step > 0:
        job.state = jobstate.advance(job.state, jobstate.Event.STEP)
    job.progress = replace(progress, state=job.state, position=0)
    return to_owner(state, job, job.progress)


def worker_preview(state: ServerState, job: Job, preview: messages.Preview, now: float) -> list[Action]:
    session = state.sessions.get(job.owner)
    if session is None or "previews" not in session.features or job.state is State.CANCELLING:
        return []
    return [Send(session.route, preview)]


def worker_result(state: ServerState, job: Job, result: messages.Result, now: float) -> list[Action]:
    if result.step:
        return worker_iterate(job, result, now)
    state.active.remove(job.id)
    stand_in = result.record.get("stand_in")
    if isinstance(stand_in, str):
        job.facts = {**job.facts, "stand_in": stand_in[:NAME]}
    if job.state is State.CANCELLING:
        return end(state, job, jobstate.Event.SUCCEED, job.problem, now)
    job.kept = True
    return [Keep(job.finished(now), result)]


def worker_iterate(job: Job, iterate: messages.Result, now: float) -> list[Action]:
    if job.state is State.CANCELLING:
        return []
    job.iterated = True
    return [KeepIterate(job.finished(now), iterate)]


def worker_error(state: ServerState, job: Job, error: messages.Error, now: float) -> list[Action]:
    state.active.remove(job.id)
    return end(state, job, jobstate.Event.FAIL, job.problem or error.problem(), now)


def let_go(state: ServerState, job: Job, problem: Problem, now: float) -> list[Action]:
    """Cancel for this reason; the first reason stays."""
    again = job.state is State.CANCELLING
    if job.state is State.QUEUED:
        state.queue.remove(job.id)
        return end(state, job, jobstate.Event.CANCEL, problem, now)
    job.state = jobstate.advance(job.state, jobstate.Event.CANCEL)
    job.problem = job.problem or problem
    if job.kept:
        job.kept = job.iterated = False
        return [Forget(job.id), *end(state, job, jobstate.Event.FAIL, job.problem, now)]
    return [] if again else [Stop(job.id)]


def leave(state: ServerState, event: Leaving, now: float) -> list[Action]:
    """Every job ends here, those that are painted with their results, and no other is taken."""
    state.leaving = True
    problem = Problem(Code.SHUTTING_DOWN, "The daemon is shutting down. Try again when it is back.")
    actions: list[Action] = [Stop(job) for job in state.active]
    state.active.clear()
    state.queue.clear()
    for job in state.jobs.values():
        if job.painted:
            actions += end(state, job, jobstate.Event.SUCCEED, None, now)
        elif not job.state.terminal:
            actions += end(state, job, jobstate.Event.FAIL, job.problem or problem, now)
    return actions


def end(state: ServerState, job: Job, event: jobstate.Event, problem: Optional[Problem], now: float) -> list[Action]:
    """The one way in which a job ends; its pixels are let go of, and its client is told. Without a result there are no
    iterates either."""
    job.state = jobstate.advance(job.state, event)
    job.problem, job.ended, job.submit, job.position = problem, now, None, 0
    forget = [Forget(job.id)] if job.iterated and not job.kept else []
    return [*forget, *tell_outcome(state, job)]


def tell_outcome(state: ServerState, job: Job) -> list[Action]:
    """To its client, if the job has ended and the client is known."""
    if not job.state.terminal:
        return []
    session = state.sessions.get(job.owner)
    if session is None:
        return []
    if job.problem is not None:
        return [Send(session.route, messages.Error.of(job.problem, job=job.id))]
    if not job.kept:
        return [Send(session.route, messages.Error.of(result_gone(job.id).problem, job=job.id))]
    return [SendKept(session.route, job.id)]


def to_owner(state: ServerState, job: Job, message: messages.Message) -> list[Action]:
    """To its client, where that is known."""
    session = state.sessions.get(job.owner)
    return [Send(session.route, message)] if session else []


def resume_previews(state: ServerState, job: Job, client: str) -> list[Action]:
    """The owner has seen the last preview, or comes back and may have missed it: the next may be made."""
    return [AckWorker(job.id)] if job.id in state.active and job.owner == client else []


def schedule(state: ServerState) -> list[Action]:
    """Start the next jobs if a worker has room, and tell those that wait when their place changed."""
    actions: list[Action] = []
    while len(state.active) < state.capacity and state.queue:
        actions += start(state, state.jobs[turns(state)[0]])
    for name, position in positions(state).items():
        job = state.jobs[name]
        if position != job.position:
            job.position = position
            actions += to_owner(state, job, messages.Progress(job=job.id, state=job.state, position=position))
    return actions


def start(state: ServerState, job: Job) -> list[Action]:
    """Give this one, which waits, to a worker."""
    state.queue.remove(job.id)
    state.active.append(job.id)
    state.turn += 1
    if job.owner in state.sessions:
        state.sessions[job.owner].turn = state.turn
    job.state = jobstate.advance(job.state, jobstate.Event.START)
    job.position = 0
    assert job.submit is not None
    job.progress = messages.Progress(job=job.id, state=job.state)
    actions = [Start(job.submit), *to_owner(state, job, job.progress)]
    job.submit = None
    return [*actions, *([Enough(job.id)] if job.enough else [])]


def turns(state: ServerState) -> list[str]:
    """The jobs that wait, in the order in which they will start."""
    last_turns = dict[str, int]()
    for session in state.sessions.values():
        last_turns[session.party] = max(session.turn, last_turns.get(session.party, 0))
    return order(((name, state.jobs[name].party) for name in state.queue), last_turns)


def positions(state: ServerState) -> dict[str, int]:
    """How many jobs have to end before each of those that wait can start."""
    first = len(state.active) - state.capacity + 1
    return {name: max(0, first) + place for place, name in enumerate(turns(state))}


def capacity(state: ServerState, event: Capacity, now: float) -> list[Action]:
    """What waits is looked at after every event."""
    state.capacity = event.jobs
    return []


def found(state: ServerState, event: Found, now: float) -> list[Action]:
    """It is like a job of this daemon's own, and belongs to nobody."""
    done = event.finished
    if done.job not in state.jobs:
        ended = now - event.age
        state.jobs[done.job] = Job(
            id=done.job,
            owner="",
            party="",
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


def stored(state: ServerState, event: Stored, now: float) -> list[Action]:
    """Its client may be told now."""
    job = state.jobs.get(event.job)
    return end(state, job, jobstate.Event.SUCCEED, None, now) if job and job.painted else []


def evicted(state: ServerState, event: Evicted, now: float) -> list[Action]:
    """The job stays known; its picture is gone."""
    job = state.jobs.get(event.job)
    if job is None:
        return []
    painted, job.kept = job.painted, False
    return end(state, job, jobstate.Event.SUCCEED, None, now) if painted else []


def forget(state: ServerState, now: float) -> list[Action]:
    """Jobs that ended long enough ago, and without a result also those that ended before many others."""
    ended = [job for job in state.jobs.values() if job.state.terminal]
    without = [job for job in ended if not job.kept]
    first = sorted(without, key=lambda job: job.ended)[:-REMEMBERED] if len(without) > REMEMBERED else []
    old = [job for job in ended if now > forgotten_at(state, job)]
    for job in first + old:
        state.jobs.pop(job.id, None)
    return [Forget(job.id) for job in old if job.kept]


def forgotten_at(state: ServerState, job: Job) -> float:
    """When a job that has ended is to be forgotten."""
    return job.ended + (state.keep_results if job.kept else state.keep)


def result_gone(job: str) -> ImpastoError:
    """It was acknowledged, there was no room for it, or its file is gone."""
    return ImpastoError(Code.RESULT_GONE, f"The result of job {job} is not kept any more: paint it again.")


def iterate_gone(job: str, step: int, steps: tuple[int, ...]) -> ImpastoError:
    """None of this step was kept; there are those of `steps`."""
    there = f"those that are have the steps {', '.join(map(str, steps))}" if steps else "none is"
    sentence = f"The iterate of step {step} of job {job} is not kept: {there}."
    return ImpastoError(Code.RESULT_GONE, sentence, steps=list(steps))


WORKER: dict[type, Callable[[ServerState, Job, Any, float], list[Action]]] = {
    messages.Progress: worker_progress,
    messages.Preview: worker_preview,
    messages.Result: worker_result,
    messages.Error: worker_error,
}
"""What is done about each message of the worker's."""
