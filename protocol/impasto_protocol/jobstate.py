"""A job's life: its states and every transition between them, in one table.

Two rules. Every transition is a row of `TRANSITIONS`; and this file does not know who asks: daemon, client and
tests all read the same table (SPEC.md, section 7, draws it).

A job waits (QUEUED), its network is brought to the device (LOADING), it is optimised (RUNNING). It ends exactly
once. A cancel takes effect at once while it waits; later the worker has to let go first (CANCELLING). What
arrives after a cancel, even a finished picture, no longer counts: the user said no. Terminal states absorb
everything, so a late or repeated event is harmless.
"""

from __future__ import annotations

from enum import Enum


class State(str, Enum):
    """A job is in one of these seven states."""

    QUEUED = "queued"
    LOADING = "loading"
    RUNNING = "running"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self in TERMINAL


class Event(str, Enum):
    """What can happen to a job."""

    START = "start"  # the worker was given the job
    STEP = "step"  # the worker reported an iterate
    SUCCEED = "succeed"  # the worker delivered the picture
    FAIL = "fail"  # the worker ended it without a picture: an error, a death, a cancel obeyed
    CANCEL = "cancel"  # a client asked, or went away


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})

TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.QUEUED, Event.START): State.LOADING,
    (State.QUEUED, Event.FAIL): State.FAILED,
    (State.QUEUED, Event.CANCEL): State.CANCELLED,
    (State.LOADING, Event.STEP): State.RUNNING,
    (State.LOADING, Event.SUCCEED): State.SUCCEEDED,
    (State.LOADING, Event.FAIL): State.FAILED,
    (State.LOADING, Event.CANCEL): State.CANCELLING,
    (State.RUNNING, Event.STEP): State.RUNNING,
    (State.RUNNING, Event.SUCCEED): State.SUCCEEDED,
    (State.RUNNING, Event.FAIL): State.FAILED,
    (State.RUNNING, Event.CANCEL): State.CANCELLING,
    (State.CANCELLING, Event.STEP): State.CANCELLING,
    (State.CANCELLING, Event.CANCEL): State.CANCELLING,
    (State.CANCELLING, Event.SUCCEED): State.CANCELLED,
    (State.CANCELLING, Event.FAIL): State.CANCELLED,
}


def advance(state: State, event: Event) -> State:
    """The state after `event`. Terminal states absorb; any other pair outside the table raises ValueError."""
    if state in TERMINAL:
        return state
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise ValueError(f"a job that is {state.value} cannot {event.value}") from None
