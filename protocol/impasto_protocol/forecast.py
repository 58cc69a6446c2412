"""What a job will take, said before it starts: at which size, in how many pieces, how long, how much memory.

The daemon sends it as the plain map `forecast` of `accepted`; whoever shows it to people makes a `Forecast` of that map
and says its sentence. Pure data: how it is reckoned is the daemon's own knowledge.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Optional

from . import schema
from .errors import ProtocolError


@dataclass(frozen=True)
class Forecast:
    """width, height: the size painted at, in pixels. tiles: pieces that it is worked on in, 1 for all of it at once.
    evaluations: of the losses at that size. bytes: the most memory that is taken on the device. seconds: None while
    unknown. device: its name, for people. free: bytes of its memory that are free, where they do not suffice."""

    width: int
    height: int
    tiles: int
    evaluations: int
    bytes: int
    seconds: Optional[float]
    device: str
    free: Optional[int] = None

    def as_map(self) -> dict[str, Any]:
        """As it travels: what is unknown is left out."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def of(cls, values: object) -> Optional[Forecast]:
        """The forecast in a map; None for an empty one, and for whatever else is none. Keys that this version does not
        know are passed over."""
        if not isinstance(values, Mapping):
            return None
        try:
            return cls(**{name: read(values.get(name), name) for name, read in _READERS.items()})
        except ProtocolError:
            return None

    @property
    def rounded(self) -> Optional[float]:
        """The seconds, no finer than a forecast can be."""
        if self.seconds is None:
            return None
        step = next(step for below, step in _STEPS if self.seconds < below)
        return step * round(self.seconds / step)

    def sentence(self) -> str:
        """For people, such as `4000×3000, 6 tiles, about 3 min, 5.1 GB`."""
        parts = [f"{self.width}×{self.height}"]
        parts += [f"{self.tiles} tiles"] if self.tiles > 1 else []
        parts += [f"about {duration(self.rounded)}"] if self.rounded is not None else []
        short = f", too much for the {memory(self.free)} that are free" if self.free is not None else ""
        return ", ".join([*parts, memory(self.bytes)]) + short


def _seconds(value: object, name: str) -> Optional[float]:
    return None if value is None else float(schema.number(0, 1e9)(value, name))


def _free(value: object, name: str) -> Optional[int]:
    return None if value is None else int(schema.integer()(value, name))


_READERS: Mapping[str, schema.Reader] = {
    "width": schema.integer(1),
    "height": schema.integer(1),
    "tiles": schema.integer(1),
    "evaluations": schema.integer(),
    "bytes": schema.integer(),
    "seconds": _seconds,
    "device": schema.text(),
    "free": _free,
}


def clock(seconds: float) -> tuple[int, int, int]:
    """Hours, minutes and seconds, as people say it: seconds below 100 alone, else none."""
    whole = max(1, round(seconds))
    return (0, 0, whole) if whole < 100 else (*divmod(round(whole / 60), 60), 0)


def duration(seconds: float) -> str:
    """As people say it in English: 40 s, 3 min, 2 h 10 min."""
    return " ".join(f"{number} {unit}" for number, unit in zip(clock(seconds), ("h", "min", "s")) if number)


def scaled(number: int) -> tuple[float, int, str]:
    """Bytes as people say them, in decimal units: a number, how many of its decimals count, MB or GB."""
    gigabytes = number / 1e9
    if gigabytes < 0.9995:
        return max(1, round(gigabytes * 1000)), 0, "MB"
    return gigabytes, 1 if gigabytes < 9.95 else 0, "GB"


def memory(number: int) -> str:
    """The same in English: 820 MB, 5.1 GB, 24 GB."""
    value, decimals, unit = scaled(number)
    return f"{value:.{decimals}f} {unit}"


_STEPS = ((20, 1), (100, 5), (20 * 60, 60), (3600, 5 * 60), (math.inf, 10 * 60))
"""Times below this many seconds are rounded to that many."""
