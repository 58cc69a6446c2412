"""The daemon's side of the conversation, without any IO.

Theory of operation: whoever owns the sockets calls `handle(event, now)` with what happened and carries out the
actions that come back, in order. The core knows sessions (who talks to us, and since when in silence), jobs (what
was asked, how far it is) and the queue; it knows no sockets, no processes, no clock and no pixels beyond handing
them on. As many jobs are with workers as have room there; the others wait, and clients take turns.

Every job ends exactly once, with a `result` or an `error` event to the client that owns it. A job that is painted
ends when its result is `Stored`, so that nobody is told of one that could still be lost. Its outcome stays for `keep`
seconds, and one with a result that nobody has acknowledged for `keep_results`, so that a client that comes back can
ask again: a repeated submit, `list` and `fetch` all answer from it. Jobs whose results outlived the daemon
that made them are told to the next one with `Found`, and are like its own.

Data first: `server_state` is what is known, `server_events` what happens and what is done about it. What to do is in
`server_sessions`, `server_requests` and `server_jobs`: functions of the state, an event and the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

from . import messages, server_jobs, server_requests, server_sessions
from .errors import Code, Problem
from .server_events import (
    Action,
    Capacity,
    Event,
    Evicted,
    Found,
    Gone,
    Leaving,
    Received,
    Refused,
    Send,
    Stored,
    Tick,
    WorkerSaid,
)
from .server_state import ServerState


class ServerCore(ServerState):
    """See the module's first lines."""

    def handle(self, event: Event, now: float) -> list[Action]:
        """What to do about this event at this time (monotonic seconds, never running backwards)."""
        actions = EVENTS[type(event)](self, event, now)
        actions += server_sessions.expire(self, now)
        actions += server_jobs.forget(self, now)
        actions += server_jobs.schedule(self)
        present = any(not session.absent for session in self.sessions.values())
        busy = present or bool(self.active)
        self.idle_since = None if busy else (now if self.idle_since is None else self.idle_since)
        return actions

    def next_deadline(self) -> Optional[float]:
        """When a Tick is due at the latest, if nothing happens before."""
        leases = [session.seen + self.lease for session in self.sessions.values() if not session.absent]
        ends = [server_jobs.forgotten_at(self, job) for job in self.jobs.values() if job.state.terminal]
        return min(leases + ends, default=None)


def received(state: ServerState, event: Received, now: float) -> list[Action]:
    """A hello makes a session; everything else needs one."""
    if isinstance(event.message, messages.Hello):
        return server_sessions.hello(state, event.route, event.message, event.guest, now)
    session = server_sessions.heard(state, event.route, now)
    if session is None:
        sentence = "This daemon does not know you (it may have been restarted): say hello first, or again."
        return [server_sessions.refusal(event.route, event.message, Problem(Code.NO_SESSION, sentence))]
    return server_requests.answer(state, session, event.message, now)


def refused(state: ServerState, event: Refused, now: float) -> list[Action]:
    """Even garbage renews a lease."""
    server_sessions.heard(state, event.route, now)
    return [Send(event.route, messages.Error.of(event.error.problem, re=event.error.re))]


def tick(state: ServerState, event: Tick, now: float) -> list[Action]:
    """What is due is looked at after every event."""
    return []


EVENTS: dict[type, Callable[[ServerState, Any, float], list[Action]]] = {
    Received: received,
    Refused: refused,
    WorkerSaid: server_jobs.worker_said,
    Stored: server_jobs.stored,
    Evicted: server_jobs.evicted,
    Capacity: server_jobs.capacity,
    Gone: server_sessions.gone,
    Found: server_jobs.found,
    Tick: tick,
    Leaving: server_jobs.leave,
}
