"""Garbage is answered or ignored, never believed."""

from __future__ import annotations

import tracemalloc

from impasto_protocol.jobstate import State

from tests.protocol import vectors

from . import guided
from .fuzz import busy, feed, run


def test_damaged_messages_parse_or_raise_the_one_error_and_the_core_lives_on() -> None:
    found = run(20_000)
    assert sum(found.outcomes.values()) == 20_000
    assert {"refused: malformed", "refused: too_large", "refused: bad_request"} <= found.outcomes.keys()
    assert any(what.startswith("parsed: ") for what in found.outcomes)


def test_no_input_takes_much_memory() -> None:
    """How long one takes depends on the machine: `make fuzz` measures it, in seconds of processor time."""
    tracemalloc.start()
    try:
        run(2_000)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_a_vector_as_it_is_stored_is_an_input() -> None:
    for name in vectors.names():
        data = vectors.path_of(name, ".bin").read_bytes()
        assert guided.split(data) == vectors.frames_of(name)
        assert guided.joined(guided.split(data)) == data


def test_a_length_that_claims_too_much_is_an_input_too() -> None:
    assert guided.split(b"\xff\xff\xff\xffabc") == [b"abc"]
    assert guided.split(b"\x00") == [b""]


def test_inputs_meet_a_core_with_a_job_in_every_state() -> None:
    core = busy()
    assert [job.state for job in core.jobs.values()] == [State.SUCCEEDED, State.LOADING, State.QUEUED]
    assert core.jobs["9e27"].kept
    assert feed(core, vectors.frames_of("v1.0/fetch"), 1.0) == "parsed: fetch"
