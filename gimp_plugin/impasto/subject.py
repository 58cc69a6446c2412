"""What the dialog is about: which layer is tried in it, and what is foreseen. Data; needs no display."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from impasto_protocol.request import Outline, Scalar
from style_kept import Shown
from styles import Chosen


@dataclass(frozen=True)
class Subject:
    """The functions are asked anew whenever a value in the dialog changes.

    source: gives the layer to try the values on, None where it is not known. chosen: gives the styles by their numbers,
    or raises ImpastoError. outlines: what would be painted in those styles, and how often each.
    made_with: of a layer that is painted again, the arguments that it was painted with. own: its own styles by their
    numbers, None for one that cannot be shown.
    count: of a batch, how many paintings a value of `paint` makes. settings: what the recipe is asked for beside all
    arguments, where the painter is to keep the layer's colours.
    """

    source: Callable[[], Any]
    chosen: Callable[[], dict[int, Chosen]]
    outlines: Callable[[Mapping[int, Chosen]], Sequence[tuple[int, Outline]]]
    made_with: Mapping[str, Any] | None = None
    own: Mapping[int, Shown | None] = field(default_factory=dict)
    count: Callable[[str], int] | None = None
    settings: Callable[[], Mapping[str, Scalar]] = dict
