"""Who talks to the daemon, over which connection, and since when in silence.

Functions of the state and the time, which return what is to be done.
"""

from __future__ import annotations

from typing import Optional

from . import messages, server_jobs
from .errors import Code, Problem
from .server_events import Action, Gone, Send
from .server_state import REMEMBERED, ServerState, Session


def hello(state: ServerState, route: bytes, hello: messages.Hello, guest: str, now: float) -> list[Action]:
    """A new session, or one that goes on over another connection."""
    if messages.VERSION not in hello.versions:
        sentence = (
            f"The daemon speaks protocol version {messages.VERSION} and the client "
            f"{', '.join(map(str, hello.versions)) or 'none'}: update the older one."
        )
        versions = {"theirs": hello.versions, "ours": messages.VERSION}
        return [refusal(route, hello, Problem(Code.VERSION_MISMATCH, sentence, versions))]
    if state.routes.get(route, hello.client) != hello.client:
        sentence = f"This connection belongs to the client {state.routes[route]} already: open another one."
        return [refusal(route, hello, Problem(Code.BAD_REQUEST, sentence))]
    before = state.sessions.get(hello.client)
    if before:
        state.routes.pop(before.route, None)
    features = frozenset(hello.features) & messages.FEATURES
    turn = before.turn if before else 0
    state.sessions[hello.client] = Session(hello.client, route, now, guest, hello.agent, features, turn=turn)
    state.routes[route] = hello.client
    welcome = messages.Welcome(
        re=hello.id,
        version=messages.VERSION,
        instance=state.instance,
        features=tuple(sorted(messages.FEATURES)),
        limits=state.limits.to_wire(),
        lease=state.lease,
        heartbeat=state.heartbeat,
        agent=state.agent,
    )
    actions: list[Action] = [Send(route, welcome)]
    for job in state.active:
        actions += server_jobs.resume_previews(state, state.jobs[job], hello.client)
    return actions


def heard(state: ServerState, route: bytes, now: float) -> Optional[Session]:
    """The client behind this connection, if it has said hello; any word of it renews its lease."""
    client = state.routes.get(route)
    if client is None:
        return None
    session = state.sessions[client]
    session.seen, session.absent = now, False
    return session


def gone(state: ServerState, event: Gone, now: float) -> list[Action]:
    """As good as silent for a lease."""
    session = state.sessions.get(state.routes.get(event.route, ""))
    if session is not None:
        session.seen = min(session.seen, now - state.lease)
    return []


def expire(state: ServerState, now: float) -> list[Action]:
    """Who was silent for a lease is absent, and its jobs end unless they were detached."""
    actions: list[Action] = []
    for session in [s for s in state.sessions.values() if not s.absent and now >= s.seen + state.lease]:
        session.absent = True
        for job in [j for j in state.jobs.values() if j.owner == session.client]:
            if not job.detach and not job.state.terminal:
                problem = Problem(Code.ABANDONED, "The program that asked for this picture went away: ask again.")
                actions += server_jobs.let_go(state, job, problem, now)
    silent = sorted((s for s in state.sessions.values() if s.absent), key=lambda session: session.seen)
    for place, session in enumerate(silent):
        if now - session.seen > state.keep or len(silent) - place > REMEMBERED:
            del state.sessions[session.client]
            state.routes.pop(session.route, None)
    return actions


def refusal(route: bytes, message: messages.Message, problem: Problem) -> Send:
    """The answer to a request that is not met; it names the job that the request was about."""
    number = getattr(message, "id", 0)
    re = number if isinstance(number, int) else 0
    return Send(route, messages.Error.of(problem, re=re, job=getattr(message, "job", "")))
