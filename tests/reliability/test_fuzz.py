"""Garbage is answered or ignored, never believed."""

from __future__ import annotations

from .fuzz import run


def test_damaged_messages_parse_or_raise_the_one_error_and_the_core_lives_on() -> None:
    found = run(20_000)
    assert sum(found.outcomes.values()) == 20_000
    assert {"refused: malformed", "refused: too_large", "refused: bad_request"} <= found.outcomes.keys()
    assert any(what.startswith("parsed: ") for what in found.outcomes)
