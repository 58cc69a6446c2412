"""A job's life is the table, the whole table and nothing but the table."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from impasto_protocol.jobstate import TERMINAL, TRANSITIONS, Event, State, advance

SPEC = Path(__file__).parents[2] / "protocol" / "SPEC.md"


def test_the_specification_draws_the_same_table() -> None:
    text = SPEC.read_text(encoding="utf-8")
    events = re.search(r"^\| \| (start .*) \|$", text, re.M)
    assert events
    columns = [Event(name.strip()) for name in events[1].split("|")]
    drawn = {}
    for row in re.finditer(r"^\| \*\*(\w+)\*\* \|(.*)\|$", text, re.M):
        for event, cell in zip(columns, row[2].split("|")):
            if cell.strip():
                drawn[State(row[1]), event] = State(cell.strip())
    assert drawn == TRANSITIONS


@pytest.mark.parametrize(("state", "event"), [*itertools.product(sorted(TERMINAL), Event)])
def test_what_is_over_stays_over(state: State, event: Event) -> None:
    assert advance(state, event) is state


def test_every_state_can_be_reached_and_every_job_can_end() -> None:
    assert {State.QUEUED, *TRANSITIONS.values()} == set(State)
    for state in set(State) - TERMINAL:
        reached = {state}
        for _ in State:
            reached |= {to for (source, _), to in TRANSITIONS.items() if source in reached}
        assert State.CANCELLED in reached


@given(st.lists(st.sampled_from(Event)))
def test_after_a_cancel_nothing_but_cancelled_comes(events: list[Event]) -> None:
    state, asked = State.QUEUED, False
    for event in events:
        try:
            state = advance(state, event)
        except ValueError:
            continue
        asked = asked or (event is Event.CANCEL and state not in {State.SUCCEEDED, State.FAILED})
        if asked:
            assert state in {State.CANCELLING, State.CANCELLED}
