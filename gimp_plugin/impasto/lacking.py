"""What the painter has to do without, in an artist's words: VGG19's weights, so that another recipe stands in.

Knows what progress and records say of it, and where the daemon is; nothing of GIMP or GTK.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sandbox
from impasto_protocol.endpoint import TCP
from impasto_protocol.messages import Progress
from language import _
from recipe_names import short

COMMAND = "impasto weights fetch"
HERE = _(
    "Painted with {painted} instead of {asked}: VGG19's weights are missing on this machine. Type in a terminal: "
    "{command} (548 MB)"
)
THERE = _(
    "Painted with {painted} instead of {asked}: VGG19's weights are missing on the machine that paints. Type in a "
    "terminal there: {command} (548 MB)"
)
"""A daemon on another machine looks for them on that one. A test holds that VGG19 alone is stood in for."""


@dataclass(frozen=True)
class Lack:
    """A sentence for the artist, and the daemon's own words where they are known, which are English."""

    sentence: str
    why: str = ""


def of_progress(progress: Progress, asked: str) -> Lack | None:
    """What is lacking by this news of a painting that was asked for with this recipe. An older daemon, and one of the
    future, may warn in words alone."""
    if progress.stand_in:
        return Lack(_sentence(asked, progress.stand_in), progress.note if progress.warning else "")
    return Lack(progress.note, progress.note) if progress.warning else None


def of_record(record: Mapping[str, Any], asked: str, endpoint: str = "") -> Lack | None:
    """As `of_progress`, by a finished painting's record. endpoint: of the daemon that painted it, where that may be
    another one than is talked to now."""
    stand_in, notes = record.get("stand_in"), record.get("notes")
    if not stand_in or not isinstance(stand_in, str):
        return None
    return Lack(
        _sentence(asked, stand_in, endpoint), "\n".join(map(str, notes)) if isinstance(notes, (list, tuple)) else ""
    )


def _sentence(asked: str, painted: str, endpoint: str = "") -> str:
    text = THERE if (endpoint or sandbox.endpoint()).startswith(TCP) else HERE
    return text.format(painted=short(painted), asked=short(asked), command=COMMAND)
