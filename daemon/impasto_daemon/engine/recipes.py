"""The recipes: everything a result depends on beside the pictures, as data. No torch here.

A recipe is a row of `RECIPES`. A new one is a new row: if it needs a loss or a network that does not exist yet,
that is a new entry in a table of `losses` or `features`, and nothing else changes.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from impasto_protocol.errors import Code, ImpastoError

TEXTS = ("name", "summary", "formula", "source")
"""What a recipe says about itself; not for a user to set."""


def _number(low: float, high: float) -> Callable[[Any], Any]:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError("must be a number")
        if not math.isfinite(value) or not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}, not {value}")
        return float(value)

    return read


def _whole(low: int, high: int) -> Callable[[Any], Any]:
    def read(value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError("must be a whole number")
        if not low <= value <= high:
            raise ValueError(f"must be from {low} to {high}, not {value}")
        return value

    return read


def _choice(*allowed: str) -> Callable[[Any], Any]:
    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}, not {value!r}")
        return str(value)

    return read


def _several(read_one: Callable[[Any], Any], parse: Callable[[str], Any]) -> Callable[[Any], Any]:
    """A tuple; from a user it comes as text with commas, or as a single value."""

    def read(value: Any) -> tuple[Any, ...]:
        parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else [value]
        if not all(parts) and isinstance(value, str):
            raise ValueError("must be values with commas between them")
        if len(parts) > 64:
            raise ValueError("must be at most 64 values")
        return tuple(read_one(_parsed(part, parse)) for part in parts)

    return read


def _parsed(part: Any, parse: Callable[[str], Any]) -> Any:
    if not isinstance(part, str):
        return part
    try:
        return parse(part)
    except ValueError:
        raise ValueError(f"{part!r} is not a number") from None


def _layer(value: Any) -> str:
    if not isinstance(value, str) or not value.replace("_", "").replace(".", "").isalnum():
        raise ValueError("must be names of layers with commas between them")
    return value


def _setting(read: Callable[[Any], Any], default: Any) -> Any:
    return field(default=default, metadata={"read": read})


_layers = _several(_layer, str)
_weight = _number(0, 1e12)


@dataclass(frozen=True)
class Recipe:
    """How to paint. Layer names are those of the recipe's features (`features.LAYERS`).

    summary: one sentence for a painter; formula: what is minimised; source: where it comes from.
    features: the network, or `wavelets`; pooling, padding: inside that network.
    content_layers, content_loss, content_weight: the term that keeps the motif.
    style_layers, style_weights (one for all, or one each), style_loss, style_weight: the term that brings the manner.
    activation_mean: each layer is scaled so that its mean over the pictures at hand is this; 0 leaves it alone.
    tv_weight: total variation, against noise. range_weight: keeps samples within 0 to 1.
    style_scale: the style picture's size relative to the content's; it is never enlarged.
    init: start from the content or from noise; noise: standard deviation of seeded noise added to the start.
    optimiser, learning_rate, history (L-BFGS).
    coarsest: sizes are halved from the final one down to no less than this (side of a square of that area, in
        pixels), 0 for a single size; steps: evaluations at each, the coarsest first, the last repeated.
    stand_in: the recipe that is painted with instead when there are no weights for `features`; empty for none.
    """

    name: str
    summary: str
    formula: str
    source: str
    content_layers: tuple[str, ...] = _setting(_layers, ())
    style_layers: tuple[str, ...] = _setting(_layers, ())
    style_weights: tuple[float, ...] = _setting(_several(_weight, float), (1.0,))
    features: str = _setting(_choice("vgg19", "wavelets"), "vgg19")
    pooling: str = _setting(_choice("average", "max"), "average")
    padding: str = _setting(_choice("replicate", "zero"), "replicate")
    content_loss: str = _setting(_choice("gatys", "relative"), "relative")
    style_loss: str = _setting(_choice("gatys", "relative", "balanced"), "relative")
    content_weight: float = _setting(_weight, 1.0)
    style_weight: float = _setting(_weight, 1.0)
    tv_weight: float = _setting(_weight, 0.0)
    range_weight: float = _setting(_weight, 0.0)
    activation_mean: float = _setting(_number(0, 1e6), 0.0)
    style_scale: float = _setting(_number(0.05, 4), 1.0)
    init: str = _setting(_choice("content", "noise"), "content")
    noise: float = _setting(_number(0, 1), 0.0)
    optimiser: str = _setting(_choice("lbfgs", "adam"), "lbfgs")
    learning_rate: float = _setting(_number(1e-6, 10), 1.0)
    history: int = _setting(_whole(1, 200), 10)
    coarsest: int = _setting(_whole(0, 8192), 0)
    steps: tuple[int, ...] = _setting(_several(_whole(1, 100_000), int), (100,))
    stand_in: str = ""

    def __post_init__(self) -> None:
        if len(self.style_weights) not in (1, len(self.style_layers)):
            raise ImpastoError(
                Code.BAD_REQUEST,
                f"style_weights must be one number for all layers or one for each of the {len(self.style_layers)} "
                f"style layers, not {len(self.style_weights)}.",
                field="style_weights",
            )

    @property
    def layer_weights(self) -> dict[str, float]:
        """The weight of each style layer."""
        each = self.style_weights if len(self.style_weights) > 1 else self.style_weights * len(self.style_layers)
        return dict(zip(self.style_layers, each))

    def describe(self) -> dict[str, object]:
        """The recipe as JSON-able data."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


SETTINGS: Mapping[str, Callable[[Any], Any]] = {
    f.name: f.metadata["read"] for f in fields(Recipe) if "read" in f.metadata
}
"""What a request may override, by name: the reader of its value."""

_GATYS_TEXT = "E_l = Σ(G−A)² / (4·C²·N²), L = α·½Σ(F−P)² + β·Σ w_l·E_l"
_RELATIVE_TEXT = "L = α·mean‖F−P‖²/‖P‖² + β·Σ w_l·‖G−A‖²/‖A‖² / Σ w_l + range"

_VGG_BLOCKS_1_TO_3 = ("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3", "conv3_4")

_ALL = (
    Recipe(
        name="impasto",
        summary="The default: VGG19's first three blocks, painted from coarse to fine. Large strokes, clean colour.",
        formula=_RELATIVE_TEXT,
        source="Gatys et al. 2016 (Gram matrices), each distance relative to its target; image pyramid",
        content_layers=("conv3_4",),
        style_layers=_VGG_BLOCKS_1_TO_3,
        style_weights=(1, 1, 1, 1, 2, 2, 2, 2),
        content_weight=0.0075,
        range_weight=1.0,
        noise=0.1,
        history=12,
        coarsest=48,
        steps=(150, 120, 90, 50, 25),
        stand_in="wavelets",
    ),
    Recipe(
        name="gatys",
        summary="Gatys, Ecker and Bethge's formula to the letter, at a single size. Needs all five blocks of VGG19.",
        formula=_GATYS_TEXT,
        source="Gatys, Ecker, Bethge: Image Style Transfer Using Convolutional Neural Networks, CVPR 2016",
        content_layers=("conv4_2",),
        style_layers=("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"),
        style_weights=(0.2,),
        content_loss="gatys",
        style_loss="gatys",
        content_weight=1e-3,
        padding="zero",
        activation_mean=100.0,
        init="noise",
        noise=0.2,
        history=20,
        steps=(300,),
    ),
    Recipe(
        name="wavelets",
        summary="No network: steerable wavelets in place of VGG19. Needs no weights; the style's palette and strokes.",
        formula=_RELATIVE_TEXT + ", each channel first divided by the style's own root mean square",
        source="after Portilla & Simoncelli 2000, Heeger & Bergen 1995 and Brochard, Zhang & Mallat 2022",
        features="wavelets",
        content_layers=("shape1", "shape2", "shape3", "light3"),
        style_layers=("first1", "second1", "first2", "second2", "first3"),
        style_loss="balanced",
        content_weight=0.005,
        range_weight=1.0,
        noise=0.05,
        history=12,
        coarsest=48,
        steps=(200, 120, 60, 60, 30),
    ),
)

RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
"""Every recipe by its name; the first is the default."""


def nearest(name: str, names: Mapping[str, object]) -> str:
    """The known name that looks most like `name`."""
    matches = difflib.get_close_matches(name.lower(), list(names), n=1, cutoff=0)
    return matches[0] if matches else next(iter(names))


def no_such_layer(sentence: str, name: str, layers: Sequence[str]) -> ImpastoError:
    """The error for a layer that features do not have; `sentence` says so, and the nearest of `layers` is added."""
    close = nearest(name, dict.fromkeys(layers))
    return ImpastoError(Code.BAD_REQUEST, f"{sentence} Did you mean “{close}”?", field=name, nearest=close)


def find(name: str) -> Recipe:
    """The recipe of that name. Raises ImpastoError(UNKNOWN_RECIPE)."""
    if name in RECIPES:
        return RECIPES[name]
    close = nearest(name, RECIPES)
    raise ImpastoError(
        Code.UNKNOWN_RECIPE,
        f"There is no recipe “{name}”. Did you mean “{close}”? The recipes are: {', '.join(RECIPES)}.",
        nearest=close,
    )


def override(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """The recipe with some fields set otherwise; tuples as text with commas between the values.

    Raises ImpastoError: UNKNOWN_SETTING for a name that is not in `SETTINGS`, BAD_REQUEST for a value of the wrong
    type, out of range or not a number.
    """
    changed: dict[str, Any] = {}
    for name, value in settings.items():
        if name not in SETTINGS:
            close = nearest(name, SETTINGS)
            raise ImpastoError(
                Code.UNKNOWN_SETTING,
                f"Recipes have no setting “{name}”. Did you mean “{close}”? The settings are: {', '.join(SETTINGS)}.",
                nearest=close,
            )
        try:
            changed[name] = SETTINGS[name](value)
        except ValueError as reason:
            raise ImpastoError(Code.BAD_REQUEST, f"{name} {reason}.", field=name) from None
    if "style_layers" in changed:
        changed.setdefault("style_weights", (1.0,))  # the recipe's own belong to its own layers
    return replace(recipe, **changed)
