"""What a recipe is: everything that a painting depends on beside the pictures, as one row of data. No torch here.

The rows are in `recipes`; this module knows none of them.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from impasto_protocol.errors import Code, ImpastoError

from .settings import Reader, choice, flag, layer, number, several, whole

TEXTS = ("name", "summary", "formula", "source")
"""What a recipe says about itself; not for a user to set."""
NETWORK_S_OWN = (
    *("features", "pooling", "padding", "pixel_deviation", "activation_mean"),
    *("content_layers", "style_layers", "style_weights"),
)
"""Settings that mean a network, or are numbers for it: of no use to a recipe that stands in."""
CAFFE = 57.6
"""Standard deviation of pixels from 0 to 255: 255 times ImageNet's, 0.226 on average."""


def _setting(read: Reader, default: Any) -> Any:
    return field(default=default, metadata={"read": read})


_layers = several(layer, str)
_weight = number(0, 1e12)


@dataclass(frozen=True)
class Recipe:
    """How to paint. Layer names are those of the recipe's features.

    summary: one sentence for a painter; formula: what is minimised; source: where it comes from.
    features: a network, or `wavelets`; pooling, padding (of its first convolution): inside that network.
    precision: of the network's activations; `full` (float32), `tf32` (with the short factors of NVIDIA's TF32, where
        the device has it), or `fast`: half of it (bfloat16) where the device is quicker with that. Pictures, sums and
        the optimiser are always in full.
    pixel_deviation: of pixels as the network saw them for which the recipe's numbers were found; activations are
        brought to it. activation_mean: instead, each layer is scaled so that its mean over the pictures at hand is
        this (0: it is not).
    content_layers, content_loss, content_weight: the term that keeps the motif.
    style_layers, style_weights (one for all, or one each), style_loss, style_weight: the term that brings the manner.
    tv_loss, tv_weight: total variation, against noise. range_weight: keeps samples within 0 to 1.
    style_scale: the style picture's size relative to the content's; it is never enlarged. style_size: instead, the side
        in pixels of the result of a square of the style's area (0: by style_scale).
    colour: whose colours, and how they are kept (`colour.COLOURS`). seamless: the result tiles.
    init: start from the content, from noise on mean grey, or from a blend of content (its share `blend`) and mean grey;
        noise, noise_kind: seeded noise on top, standard deviation or amplitude where white is 1.
    optimiser, learning_rate; history (L-BFGS); betas, epsilon (Adam); unit: what white counts in the optimiser's
        variable; clamp: samples are brought within 0 to 1 after each step; average: decay of the running mean of
        iterates that is the result (0: the best iterate is, for Adam the last).
    coarsest, factor, levels: the sizes, from the final one down by this factor to no less than this (side of a square
        of that area, in pixels; 0 for a single size), at most this many; steps: evaluations at each, the coarsest
        first, the last repeated. settle: a size ends earlier when its total fell by no more than this share over twenty
        evaluations (0: never).
    stand_in: the recipe that is painted with instead when there are no weights for `features`; empty for none.
    """

    name: str
    summary: str
    formula: str
    source: str
    features: str = _setting(choice("vgg19", "vgg16", "wavelets"), "vgg19")
    pooling: str = _setting(choice("average", "max"), "average")
    padding: str = _setting(choice("replicate", "zero"), "zero")
    precision: str = _setting(choice("full", "tf32", "fast"), "full")
    pixel_deviation: float = _setting(number(1e-3, 1e3), 1.0)
    activation_mean: float = _setting(number(0, 1e6), 0.0)
    content_layers: tuple[str, ...] = _setting(_layers, ())
    content_loss: str = _setting(choice("gatys", "sum", "mean", "quarter-mean", "relative"), "relative")
    content_weight: float = _setting(_weight, 1.0)
    style_layers: tuple[str, ...] = _setting(_layers, ())
    style_weights: tuple[float, ...] = _setting(several(_weight, float), (1.0,))
    style_loss: str = _setting(
        choice("gatys", "mean", "mean-by-channels", "relative", "balanced", "correlation", "wasserstein"), "relative"
    )
    style_weight: float = _setting(_weight, 1.0)
    tv_loss: str = _setting(choice("mean", "half-sum", "absolute", "nine-point"), "mean")
    tv_weight: float = _setting(_weight, 0.0)
    range_weight: float = _setting(_weight, 0.0)
    style_scale: float = _setting(number(0.05, 4), 1.0)
    style_size: float = _setting(number(0, 32_768), 0.0)
    colour: str = _setting(choice("style", "luminance", "oklab", "cholesky", "pca"), "style")
    seamless: bool = _setting(flag, False)
    init: str = _setting(choice("content", "noise", "blend"), "content")
    blend: float = _setting(number(0, 1), 0.0)
    noise: float = _setting(number(0, 1), 0.0)
    noise_kind: str = _setting(choice("gaussian", "uniform"), "gaussian")
    optimiser: str = _setting(choice("lbfgs", "bounded-lbfgs", "adam", "keras-adam"), "lbfgs")
    learning_rate: float = _setting(number(1e-6, 1e3), 1.0)
    history: int = _setting(whole(1, 200), 100)
    betas: tuple[float, ...] = _setting(several(number(0, 0.99999), float), (0.9, 0.999))
    epsilon: float = _setting(number(1e-12, 1), 1e-8)
    unit: float = _setting(number(1, 256), 1.0)
    clamp: bool = _setting(flag, False)
    average: float = _setting(number(0, 0.9999), 0.0)
    coarsest: int = _setting(whole(0, 8192), 0)
    factor: float = _setting(number(1.1, 8), 2.0)
    levels: int = _setting(whole(1, 64), 64)
    steps: tuple[int, ...] = _setting(several(whole(1, 100_000), int), (100,))
    settle: float = _setting(number(0, 1), 0.0)
    stand_in: str = ""

    def __post_init__(self) -> None:
        if len(self.style_weights) not in (1, len(self.style_layers)):
            raise refused(
                "style_weights",
                f"must be one number for all layers or one for each of the {len(self.style_layers)} style layers, "
                f"not {len(self.style_weights)}",
            )
        for name in ("content_layers", "style_layers"):
            layers = getattr(self, name)
            if len(set(layers)) < len(layers):
                raise refused(name, "must not name a layer twice (reluB_I is convB_I)")
        if len(self.betas) != 2:
            raise refused("betas", f"must be two numbers, not {len(self.betas)}")

    @property
    def layer_weights(self) -> dict[str, float]:
        """The weight of each style layer."""
        each = self.style_weights if len(self.style_weights) > 1 else self.style_weights * len(self.style_layers)
        return dict(zip(self.style_layers, each))

    def describe(self) -> dict[str, object]:
        """The recipe as JSON-able data."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


SETTINGS: Mapping[str, Reader] = {f.name: f.metadata["read"] for f in fields(Recipe) if "read" in f.metadata}
"""What a request may override, by name: the reader of its value."""


def nearest(name: str, names: Mapping[str, object]) -> str:
    """The known name that looks most like `name`."""
    matches = difflib.get_close_matches(name.lower(), list(names), n=1, cutoff=0)
    return matches[0] if matches else next(iter(names))


def no_such_layer(sentence: str, name: str, layers: Sequence[str]) -> ImpastoError:
    """The error for a layer that features do not have; `sentence` says so, and the nearest of `layers` is added."""
    close = nearest(name, dict.fromkeys(layers))
    return ImpastoError(Code.BAD_REQUEST, f"{sentence} Did you mean “{close}”?", field=name, nearest=close)


def refused(name: str, reason: str) -> ImpastoError:
    """The error for a setting with a wrong value; `reason` ends the sentence that its name begins."""
    return ImpastoError(Code.BAD_REQUEST, f"{name} {reason}.", field=name)
