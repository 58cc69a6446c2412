"""What a painting's record tells of its way: sentences, and the losses of each step. JSON-able data."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

log = logging.getLogger(__name__)

LOSSES_KEPT = 200
"""Entries of the losses' course in a record."""


@dataclass
class Told:
    """What there is to tell of a painting so far. notes: for the artist; remarks: for who looks into it."""

    notes: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    course: list[dict[str, float]] = field(default_factory=list)
    resumed: Mapping[str, object] = field(default_factory=dict)
    plan: Mapping[str, object] = field(default_factory=dict)
    stopped: bool = False

    def warn(self, sentence: str) -> None:
        """A note, for the log too."""
        log.warning(sentence)
        self.notes.append(sentence)

    def remark(self, sentence: str) -> None:
        """What changed nothing for the artist."""
        log.info(sentence)
        self.remarks.append(sentence)

    def step(self, number: int, losses: Mapping[str, float]) -> None:
        """One more evaluation."""
        self.course.append({"step": number, **{name: _short(value) for name, value in losses.items()}})

    def describe(self) -> dict[str, object]:
        """As a part of the record."""
        return {
            "steps": len(self.course),
            "plan": self.plan,
            "losses": _thinned(self.course),
            "resumed": self.resumed,
            "stopped": self.stopped,
            "notes": self.notes,
            "remarks": self.remarks,
        }


def noted(record: Mapping[str, object], sentence: str) -> dict[str, object]:
    """The record with one note more."""
    notes = record.get("notes")
    return {**record, "notes": [*(notes if isinstance(notes, (list, tuple)) else ()), sentence]}


def _short(value: float) -> float:
    """Six digits are enough for a record."""
    return float(f"{value:.6g}")


def _thinned(course: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """At most LOSSES_KEPT entries, evenly spaced, the last one among them."""
    if len(course) <= LOSSES_KEPT:
        return list(course)
    last = len(course) - 1
    return [course[round(i * last / (LOSSES_KEPT - 1))] for i in range(LOSSES_KEPT)]
