"""Timing two things in turn, and saying how their times relate."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """How much longer `what` takes than `against`, pair by pair. Times in seconds, medians."""

    what: str
    against: str
    seconds: float
    against_seconds: float
    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"{self.what}: {self.median:.2f}× {self.against} (from {self.low:.2f} to {self.high:.2f}; "
            f"{self.seconds * 1000:.1f} ms against {self.against_seconds * 1000:.1f} ms)"
        )


def ratio(what: str, run: Callable[[], object], against: str, run_against: Callable[[], object], n: int = 7) -> Ratio:
    """Run both n times in turn, after one round that does not count."""
    pairs = [(_timed(run), _timed(run_against)) for _ in range(n + 1)][1:]
    ratios = [a / b for a, b in pairs]
    return Ratio(
        what,
        against,
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
    )


def _timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
