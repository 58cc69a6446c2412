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
from typing import Union

from .picture import Picture

Scalar = Union[bool, int, float, str]

DEFAULT_RECIPE = "impasto"
DEFAULT_STRENGTH = 50.0
DEFAULT_MAX_SIZE = 1024


@dataclass(frozen=True)
class Style:
    """A picture whose manner is wanted, and its share among several."""

    picture: Picture
    weight: float = 1.0


@dataclass(frozen=True)
class Request:
    """Paint `content` in the manner of `styles`.

    recipe: one of the daemon's recipes, by name.
    strength: 0 (the content as it is) to 100 (the style alone).
    max_size: longest side in pixels at which to optimise, 0 for the content's own; the result always has the
        content's size.
    seed: for whatever is random in the recipe, 0 to 2³²−1.
    settings: fields of the recipe to override, by name.
    """

    content: Picture
    styles: tuple[Style, ...]
    recipe: str = DEFAULT_RECIPE
    strength: float = DEFAULT_STRENGTH
    max_size: int = DEFAULT_MAX_SIZE
    seed: int = 0
    settings: Mapping[str, Scalar] = field(default_factory=dict)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """The content, then the styles."""
        return (self.content, *(style.picture for style in self.styles))

    def describe(self, digests: Sequence[str] = ()) -> dict[str, object]:
        """The request as JSON-able data, each picture by its size and digest: for records and for comparing.

        digests: SHA-256 of each of `pictures`, for who knows them already.
        """
        content, *styles = digests or [picture.sha256() for picture in self.pictures]
        return {
            "content": {**self.content.describe(), "sha256": content},
            "styles": [
                {**style.picture.describe(), "sha256": digest, "weight": style.weight}
                for style, digest in zip(self.styles, styles)
            ],
            "recipe": self.recipe,
            "strength": self.strength,
            "max_size": self.max_size,
            "seed": self.seed,
            "settings": dict(self.settings),
        }

    def digest(self, digests: Sequence[str] = ()) -> str:
        """SHA-256 over everything: two requests with one digest are the same request. digests: as in `describe`."""
        text = json.dumps(self.describe(digests), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()
