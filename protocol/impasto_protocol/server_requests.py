"""What each request of a client is answered with.

Functions of the state, the client's session, its message and the time, which return what is to be done; they raise
ImpastoError for what is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from . import messages, server_jobs
from .codec import check_limit, check_size
from .errors import CANCELLED, Code, ImpastoError, Problem, nothing_kept
from .jobstate import State
from .server_events import Action, Enough, Forget, Send, SendKept
from .server_sessions import refusal
from .server_state import Job, ServerState, Session, nbytes
from .turns import check_room


def answer(state: ServerState, session: Session, message: messages.Message, now: float) -> list[Action]:
    """To this message of a client; what is not met is refused."""
    request = REQUESTS.get(type(message))
    if request is None:
        sentence = f"This daemon does not know the request {getattr(message, 'type', message.TYPE)!r}: update it."
        return [refusal(session.route, message, Problem(Code.UNKNOWN_TYPE, sentence))]
    try:
        return request(state, session, message, now)
    except ImpastoError as error:
        return [refusal(session.route, message, error.problem)]


def submit(state: ServerState, session: Session, submit: messages.Submit, now: float) -> list[Action]:
    """The digest, for which every pixel may have to be read, comes after all that refuses."""
    request = submit.request()
    known = state.jobs.get(submit.job)
    if known is not None:
        return submit_again(state, session, submit, known)
    if state.leaving:
        raise ImpastoError(Code.SHUTTING_DOWN, "The daemon is shutting down. Try again when it is back.")
    check_limit("styles", len(request.styles), state.limits.styles)
    waiting = [state.jobs[name] for name in state.queue]
    check_room([(each.party, each.nbytes) for each in waiting], session.party, nbytes(submit), state.limits)
    state.check(request.outline)
    check_resume(state, request.resume)
    job = Job(
        id=submit.job,
        owner=session.client,
        party=session.party,
        digest=request.digest(submit.digests),
        submit=granted(session, submit),
        submitted=now,
        facts={
            "agent": session.agent,
            "recipe": request.recipe,
            "width": request.content.width,
            "height": request.content.height,
            "stand_in": "",
        },
        forecast=state.forecast(request.outline),
        detach=detached(session, submit),
    )
    state.jobs[job.id] = job
    state.queue.append(job.id)
    job.position = server_jobs.positions(state)[job.id]
    return [Send(session.route, job.accepted(submit.id))]


def check_resume(state: ServerState, name: str) -> None:
    """What can never be gone on from is refused before it waits; the rest is found out by who paints."""
    known = state.jobs.get(name)
    lost = known.state in (State.FAILED, State.CANCELLED) if known else not state.resumable(name)
    if name and lost:
        raise nothing_kept(name)


def submit_again(state: ServerState, session: Session, submit: messages.Submit, job: Job) -> list[Action]:
    if job.digest != submit.request().digest(submit.digests):
        raise ImpastoError(Code.CONFLICT, f"The job name {job.id} was used for another request: choose a new one.")
    job.owner, job.party, job.detach = session.client, session.party, detached(session, submit)
    previews = server_jobs.resume_previews(state, job, session.client)
    return [Send(session.route, job.accepted(submit.id)), *previews, *server_jobs.tell_outcome(state, job)]


def granted(session: Session, submit: messages.Submit) -> messages.Submit:
    """Without iterates where the client does not name the feature: it could not fetch them."""
    return submit if "iterates" in session.features else replace(submit, iterates=0)


def detached(session: Session, submit: messages.Submit) -> bool:
    """Whether the job is to go on without its client: that is for those who named the feature."""
    return submit.detach and "detach" in session.features


def foresee(state: ServerState, session: Session, foresee: messages.Foresee, now: float) -> list[Action]:
    """As of a job that is handed in, which would be refused for the same reasons; nothing is kept of it."""
    outline = foresee.outline()
    check_limit("styles", len(outline.styles), state.limits.styles)
    for shape in foresee.shapes:
        check_size(shape.width, shape.height, state.limits)
    state.check(outline)
    check_resume(state, outline.resume)
    return [Send(session.route, messages.Foreseen(re=foresee.id, forecast=state.forecast(outline)))]


def cancel(state: ServerState, session: Session, cancel: messages.Cancel, now: float) -> list[Action]:
    job = state.job(cancel.job)
    actions = [] if job.state.terminal else server_jobs.let_go(state, job, CANCELLED, now)
    return [Send(session.route, job.accepted(cancel.id)), *actions]


def finish(state: ServerState, session: Session, finish: messages.Finish, now: float) -> list[Action]:
    """A job that waits is told when it starts. What is over, or about to be, stays as it is."""
    job = state.job(finish.job)
    known, job.enough = job.enough, True
    actions = [Enough(job.id)] if job.id in state.active and not known else []
    return [Send(session.route, job.accepted(finish.id)), *actions]


def detach(state: ServerState, session: Session, detach: messages.Detach, now: float) -> list[Action]:
    job = state.job(detach.job)
    job.detach = True
    return [Send(session.route, job.accepted(detach.id))]


def ack(state: ServerState, session: Session, ack: messages.Ack, now: float) -> list[Action]:
    job = state.jobs.get(ack.job)
    if job is None:
        return []
    if ack.of == "preview":
        return server_jobs.resume_previews(state, job, session.client)
    if ack.of == "result" and job.kept and job.state.terminal:
        job.kept = False
        return [Forget(job.id)]
    return []


def fetch(state: ServerState, session: Session, fetch: messages.Fetch, now: float) -> list[Action]:
    job = state.job(fetch.job)
    if not job.state.terminal:
        sentence = f"The job {job.id} is not finished, it is {job.state.value}: wait for its end."
        raise ImpastoError(Code.NOT_FINISHED, sentence)
    if job.problem is not None:
        return [Send(session.route, messages.Error.of(job.problem, re=fetch.id, job=job.id))]
    if not job.kept:
        raise server_jobs.result_gone(job.id)
    return [SendKept(session.route, job.id, fetch.id, fetch.step)]


def list_jobs(state: ServerState, session: Session, request: messages.List, now: float) -> list[Action]:
    # The newest ones: a header holds no more items than its limit.
    rows = tuple(job.row(now) for job in list(state.jobs.values())[-100:])
    return [Send(session.route, messages.Jobs(re=request.id, jobs=rows))]


def status(state: ServerState, session: Session, request: messages.Status, now: float) -> list[Action]:
    daemon = {
        "agent": state.agent,
        "instance": state.instance,
        "clients": sum(not session.absent for session in state.sessions.values()),
        "running": next(iter(state.active), ""),
        "queued": len(state.queue),
        **state.report(),
    }
    return [Send(session.route, messages.Health(re=request.id, daemon=daemon))]


def ping(state: ServerState, session: Session, ping: messages.Ping, now: float) -> list[Action]:
    return [Send(session.route, messages.Pong(re=ping.id))]


REQUESTS: dict[type, Callable[[ServerState, Session, Any, float], list[Action]]] = {
    messages.Submit: submit,
    messages.Foresee: foresee,
    messages.Cancel: cancel,
    messages.Finish: finish,
    messages.Detach: detach,
    messages.Ack: ack,
    messages.Fetch: fetch,
    messages.List: list_jobs,
    messages.Status: status,
    messages.Ping: ping,
}
"""What each request of a client with a session leads to."""
