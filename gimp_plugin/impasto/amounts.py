"""How long and how much, as the artist's language says it. What is rounded how is the protocol's."""

from __future__ import annotations

from impasto_protocol.forecast import clock, scaled
from language import _, numeral

UNITS = {"MB": _("{n} MB"), "GB": _("{n} GB")}


def duration(seconds: float) -> str:
    """Such as 40 s, 3 min, 2 h, 2 h 10 min."""
    hours, minutes, rest = clock(seconds)
    if hours and minutes:
        return _("{hours} h {minutes} min").format(hours=hours, minutes=minutes)
    if hours:
        return _("{hours} h").format(hours=hours)
    return _("{minutes} min").format(minutes=minutes) if minutes else _("{seconds} s").format(seconds=rest)


def memory(size: int) -> str:
    """Bytes, such as 820 MB, 5.1 GB, 24 GB."""
    value, decimals, unit = scaled(size)
    return UNITS[unit].format(n=numeral(value, decimals))
