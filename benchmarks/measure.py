"""What measures hand back: ratios of things timed in one run, tables, and curves. Knows nothing of what is measured."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

UNITS = {"s": (1.0, "s"), "ms": (1e3, "ms"), "B": (1.0, "B"), "MB": (1e-6, "MB"), "B/px": (1.0, "B a pixel")}
"""For people: by what a value is multiplied, and what is written after it."""


@dataclass(frozen=True)
class Ratio:
    """How many times `against` is `what`, pair by pair: the median, and the lowest and the highest. value and
    against_value are medians, in seconds or bytes; unit: how they are shown (`UNITS`)."""

    what: str
    against: str
    value: float
    against_value: float
    median: float
    low: float
    high: float
    unit: str = "ms"

    @classmethod
    def of(cls, what: str, against: str, pairs: Sequence[tuple[float, float]], unit: str = "ms") -> Ratio:
        """From pairs measured in one run."""
        ratios = [a / b for a, b in pairs]
        value, against_value = (statistics.median(each) for each in zip(*pairs))
        return cls(what, against, value, against_value, statistics.median(ratios), min(ratios), max(ratios), unit)

    def __str__(self) -> str:
        scale, name = UNITS[self.unit]
        spread = f"from {self.low:.2f} to {self.high:.2f}; "
        values = f"{self.value * scale:.3g} {name} against {self.against_value * scale:.3g} {name}"
        return f"{self.what}: {self.median:.2f}× {self.against} ({spread}{values})"


@dataclass(frozen=True)
class Table:
    """Rows of cells, as text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        """In Markdown."""
        lines = [self.columns, ("---",) * len(self.columns), *self.rows]
        return "\n".join([self.title, "", *(f"| {' | '.join(line)} |" for line in lines)])


@dataclass(frozen=True)
class Curve:
    """Points (x, y) of one line of one plot, both of logarithmic axes."""

    plot: str
    x: str
    y: str
    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Findings:
    """What one measure found."""

    ratios: tuple[Ratio, ...] = ()
    tables: tuple[Table, ...] = ()
    curves: tuple[Curve, ...] = ()


def ratio(what: str, run: Callable[[], object], against: str, run_against: Callable[[], object], n: int = 7) -> Ratio:
    """Run both n times in turn, after one round that does not count."""
    pairs = [(timed(run), timed(run_against)) for _ in range(n + 1)][1:]
    return Ratio.of(what, against, pairs)


def timed(run: Callable[[], object]) -> float:
    """Seconds that it takes."""
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


class Stopwatch:
    """Seconds by the clock on the wall, and of processor time of all threads, less what was spent in `paused`."""

    def __init__(self) -> None:
        self._began = (time.perf_counter(), time.process_time())

    @property
    def seconds(self) -> tuple[float, float]:
        """On the wall, and of the processor."""
        wall, processor = self._began
        return time.perf_counter() - wall, time.process_time() - processor

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens in here takes no time."""
        wall, processor = self.seconds
        yield
        self._began = (time.perf_counter() - wall, time.process_time() - processor)
