"""The whole job as one tree of frozen dataclasses.

Everything that a result depends on is in here, so that equal requests on one device give equal pixels, and a
layer that records its request can be painted again. What only concerns the delivery (previews, detaching) is
part of the `submit` message and not of the request.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Optional, Union

from .picture import Picture, Shape

Scalar = Union[bool, int, float, str]

DEFAULT_RECIPE = "impasto"
DEFAULT_STRENGTH = 50.0
DEFAULT_MAX_SIZE = 1024


@dataclass(frozen=True)
class Style:
    """A picture whose manner is wanted, its share among several, and where.

    picture: 3 channels or 4; what is transparent is no part of the style.
    mask: one channel, in the content's proportions: white where in the content this style goes, black where not, and
        anything between. The styles without one share what the masks leave over.
    """

    picture: Picture
    weight: float = 1.0
    mask: Optional[Picture] = None


@dataclass(frozen=True)
class Outline:
    """A request without pixels: all that its cost depends on. style_masks: how many styles have one."""

    content: Shape
    styles: tuple[Shape, ...]
    recipe: str = DEFAULT_RECIPE
    strength: float = DEFAULT_STRENGTH
    max_size: int = DEFAULT_MAX_SIZE
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    style_masks: int = 0
    content_mask: bool = False
    resume: str = ""
    start: bool = False


@dataclass(frozen=True)
class Request:
    """Paint `content` in the manner of `styles`.

    recipe: one of the daemon's recipes, by name.
    strength: 0 (the content as it is) to 100 (the style alone).
    max_size: longest side in pixels at which to optimise, 0 for the content's own; the result always has the
        content's size.
    seed: for whatever is random in the recipe, 0 to 2³²−1.
    settings: fields of the recipe to override, by name.
    content_mask: one channel, in the content's proportions: the strength is multiplied by it, so that black stays
        the content.
    resume: name of an earlier job of this daemon to go on from, empty for a start from the beginning.
    start: a picture in the content's proportions to begin with at the last size, such as the painting of an animation's
        frame before; where it is transparent, the content is begun with. Not together with `resume`.
    """

    content: Picture
    styles: tuple[Style, ...]
    recipe: str = DEFAULT_RECIPE
    strength: float = DEFAULT_STRENGTH
    max_size: int = DEFAULT_MAX_SIZE
    seed: int = 0
    settings: Mapping[str, Scalar] = field(default_factory=dict)
    content_mask: Optional[Picture] = None
    resume: str = ""
    start: Optional[Picture] = None

    @property
    def masks(self) -> tuple[Picture, ...]:
        """The masks there are: of the styles in their order, then of the content."""
        found = (*(style.mask for style in self.styles), self.content_mask)
        return tuple(mask for mask in found if mask is not None)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """In the order in which they travel: the content, the styles, the masks, the start."""
        start = () if self.start is None else (self.start,)
        return (self.content, *(style.picture for style in self.styles), *self.masks, *start)

    @property
    def outline(self) -> Outline:
        """What its cost depends on."""
        return Outline(
            content=self.content.shape,
            styles=tuple(style.picture.shape for style in self.styles),
            recipe=self.recipe,
            strength=self.strength,
            max_size=self.max_size,
            settings=self.settings,
            style_masks=sum(style.mask is not None for style in self.styles),
            content_mask=self.content_mask is not None,
            resume=self.resume,
            start=self.start is not None,
        )

    @property
    def features(self) -> frozenset[str]:
        """What a daemon must have announced for this request to be understood."""
        used = {"masks": bool(self.masks), "resume": bool(self.resume), "start": self.start is not None}
        return frozenset(feature for feature, needed in used.items() if needed)

    def describe(self, digests: Sequence[str] = ()) -> dict[str, object]:
        """The request as JSON-able data, each picture by its size and digest: for records and for comparing.

        Masks, resumption and a start are told of only where there are any: a request without them is described as ever.

        digests: SHA-256 of each of `pictures`, for who knows them already.
        """
        told = iter(digests or [picture.sha256() for picture in self.pictures])

        def facts(picture: Picture) -> dict[str, object]:
            return {**picture.describe(), "sha256": next(told)}

        content = facts(self.content)
        styles = [{**facts(style.picture), "weight": style.weight} for style in self.styles]
        for style, described in zip(self.styles, styles):
            if style.mask is not None:
                described["mask"] = facts(style.mask)
        description: dict[str, object] = {
            "content": content,
            "styles": styles,
            "recipe": self.recipe,
            "strength": self.strength,
            "max_size": self.max_size,
            "seed": self.seed,
            "settings": dict(self.settings),
        }
        if self.content_mask is not None:
            description["content_mask"] = facts(self.content_mask)
        if self.resume:
            description["resume"] = self.resume
        if self.start is not None:
            description["start"] = facts(self.start)
        return description

    def digest(self, digests: Sequence[str] = ()) -> str:
        """SHA-256 over everything: two requests with one digest are the same request. digests: as in `describe`."""
        text = json.dumps(self.describe(digests), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def same_proportions(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether a picture of one size (width, height), made larger or smaller, covers the other to within a pixel of
    either."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(*one, *other)
