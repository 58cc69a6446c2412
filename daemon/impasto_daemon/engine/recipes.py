"""The recipes of the field, by name: a table. No torch here.

A new recipe is a new row. If it needs a loss, a network or an optimiser that does not exist yet, that is a new entry in
a table of `losses`, `features` or `optimise`, and nothing else changes. Each row is held against a plain float64
implementation of its formula by the tests.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
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
            raise _refused(
                "style_weights",
                f"must be one number for all layers or one for each of the {len(self.style_layers)} style layers, "
                f"not {len(self.style_weights)}",
            )
        for name in ("content_layers", "style_layers"):
            layers = getattr(self, name)
            if len(set(layers)) < len(layers):
                raise _refused(name, "must not name a layer twice (reluB_I is convB_I)")
        if len(self.betas) != 2:
            raise _refused("betas", f"must be two numbers, not {len(self.betas)}")

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

CAFFE = 57.6
"""Standard deviation of pixels from 0 to 255: 255 times ImageNet's, 0.226 on average."""

_FIVE = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
_CHANNELS_OF_FIVE = (64, 128, 256, 512, 512)
_THREE_SIZES = (
    *("conv1_1", "conv2_1", "conv3_1", "conv3_3"),
    *("conv1_1.half", "conv2_1.half", "conv3_1.half", "conv3_3.half"),
    *("conv2_1.quarter", "conv3_1.quarter", "conv3_3.quarter"),
)

_E = "E_l = Σ(G−A)² / (4·C²·N²)"
_RELATIVE = "L = α·mean‖F−P‖²/‖P‖² + β·Σ w_l·‖G−A‖²/‖A‖² / Σ w_l + range"

_ALL = (
    Recipe(
        name="impasto",
        summary="The default: VGG19's first three blocks at three sizes of the picture, painted from coarse to fine.",
        formula=_RELATIVE,
        source="Gatys et al. 2016 (Gram matrices), each distance relative to its target; image pyramid",
        pooling="max",
        padding="replicate",
        precision="fast",
        content_layers=("conv3_4",),
        content_weight=0.006,
        style_layers=_THREE_SIZES,
        range_weight=1.0,
        noise=0.02,
        optimiser="bounded-lbfgs",
        history=12,
        coarsest=48,
        factor=1.5,
        steps=(60, 50, 50, 40, 30),
        stand_in="wavelets",
    ),
    Recipe(
        name="gatys",
        summary="Gatys, Ecker and Bethge's paper to the letter, at a single size. Needs all five blocks of VGG19.",
        formula=f"{_E}, L = α·½Σ(F−P)² + β·Σ w_l·E_l; α/β = 1e-3, w_l = 1/5",
        source="L. Gatys, A. Ecker, M. Bethge: Image Style Transfer Using Convolutional Neural Networks, CVPR 2016",
        activation_mean=100.0,
        content_layers=("conv4_2",),
        content_loss="gatys",
        content_weight=1e-3,
        style_layers=_FIVE,
        style_weights=(0.2,),
        style_loss="gatys",
        init="noise",
        noise=0.2,
        unit=255.0,
        history=20,
        steps=(300,),
    ),
    Recipe(
        name="gatys-hires",
        summary="Gatys' own notebook: one pass at two thirds of the size, then one at the full size from its result.",
        formula="L = mean(F−P)² + Σ 1e3/C_l²·mean(G/N−A/N)², activations in units of pixels 0 to 255",
        source="L. Gatys: PytorchNeuralStyleTransfer (NeuralStyleTransfer.ipynb); 512 then 800 pixels",
        pooling="max",
        pixel_deviation=CAFFE,
        content_layers=("conv4_2",),
        content_loss="mean",
        style_layers=_FIVE,
        style_weights=tuple(1e3 / channels**2 for channels in _CHANNELS_OF_FIVE),
        style_loss="mean",
        unit=255.0,
        coarsest=1,
        factor=800 / 512,
        levels=2,
        steps=(500, 200),
    ),
    Recipe(
        name="neural-style",
        summary="J. Johnson's neural-style for Torch, the program that made the method known: from noise, 1000 steps.",
        formula="L = 5·mean(F−P)² + 100·Σ mean(G/(C·N)−A/(C·N))² + 1e-3·½Σ(neighbours' differences)², pixels 0 to 256",
        source="J. Johnson: neural-style (neural_style.lua), 2015; ProGamerGov's neural-style-pt is a port",
        pooling="max",
        pixel_deviation=CAFFE * 256 / 255,
        content_layers=("conv4_2",),
        content_loss="mean",
        content_weight=5.0,
        style_layers=_FIVE,
        style_loss="mean-by-channels",
        style_weight=100.0,
        tv_loss="half-sum",
        tv_weight=1e-3,
        init="noise",
        noise=0.001 / 256,
        unit=256.0,
        steps=(1000,),
    ),
    Recipe(
        name="pytorch",
        summary="PyTorch's tutorial: shallow layers before ReLU with equal weights, from the content.",
        formula="L = mean(F−P)² + 5e6·Σ 1/5·mean(G/(C·N)−A/(C·N))², activations before ReLU (1e6 times the plain sum)",
        source="A. Jacq: Neural Transfer Using PyTorch (pytorch.org tutorials)",
        pooling="max",
        content_layers=("conv2_2.linear",),
        content_loss="mean",
        style_layers=("conv1_1.linear", "conv1_2.linear", "conv2_1.linear", "conv2_2.linear", "conv3_1.linear"),
        style_weights=(0.2,),
        style_loss="mean-by-channels",
        style_weight=5e6,
        clamp=True,
        steps=(300,),
    ),
    Recipe(
        name="tensorflow",
        summary="TensorFlow's tutorial: from the content, one late content layer, Adam. Keeps the motif loosely.",
        formula="L = 1e4·mean(F−P)² + 1e-2·Σ 1/5·mean(G/N−A/N)² + 30·Σ|neighbours' differences|",
        source="TensorFlow: Neural style transfer (tensorflow.org tutorials)",
        pooling="max",
        pixel_deviation=CAFFE,
        content_layers=("conv5_2",),
        content_loss="mean",
        content_weight=1e4,
        style_layers=_FIVE,
        style_weights=(0.2,),
        style_loss="mean",
        style_weight=1e-2,
        tv_loss="absolute",
        tv_weight=30.0,
        optimiser="keras-adam",
        learning_rate=0.02,
        betas=(0.99, 0.999),
        epsilon=0.1,
        clamp=True,
        steps=(1000,),
    ),
    Recipe(
        name="peixeiro",
        summary="M. Peixeiro's article after A. Ng's course: α 10, β 40, noisy content at first, 200 steps of Adam.",
        formula=f"{_E}, J = 10·Σ(F−P)²/(4·C·N) + 40·Σ λ_l·E_l, λ_l = 0.2, pixels 0 to 255",
        source="M. Peixeiro: Step-by-step neural style transfer (2019); deeplearning.ai, Art Generation with NST",
        pixel_deviation=CAFFE,
        content_layers=("conv4_2",),
        content_loss="quarter-mean",
        content_weight=10.0,
        style_layers=_FIVE,
        style_weights=(0.2,),
        style_loss="gatys",
        style_weight=40.0,
        init="blend",
        blend=0.4,
        noise=0.6 * 20 / 255,
        noise_kind="uniform",
        optimiser="keras-adam",
        learning_rate=2.0,
        unit=255.0,
        steps=(200,),
    ),
    Recipe(
        name="vgg16",
        summary="The articles with VGG16: content at relu3_3, four style layers with equal weights, from white noise.",
        formula=f"{_E}, L = α·Σ(F−P)² + β·Σ 1/4·E_l; the articles leave α/β open, here 1e-6",
        source="layers of J. Johnson et al.: Perceptual Losses, ECCV 2016, optimised as in Gatys et al. 2016",
        features="vgg16",
        pooling="max",
        content_layers=("conv3_3",),
        content_loss="sum",
        content_weight=1e-6,
        style_layers=("conv1_2", "conv2_2", "conv3_3", "conv4_3"),
        style_weights=(0.25,),
        style_loss="gatys",
        init="noise",
        noise=0.2,
        unit=255.0,
        steps=(300,),
    ),
    Recipe(
        name="wasserstein",
        summary="K. Crowson's style-transfer-pytorch: distance of Gaussians as style, many sizes, averaged iterates.",
        formula="W² = mean(μ−μ*)² + tr(Σ+Σ*−2(Σ*^½·Σ·Σ*^½)^½)/C, L = 0.015·mean(F−P)² + Σ w_l·W²_l + 2·variation",
        source="K. Crowson: style-transfer-pytorch; Dowson & Landau 1982 (the distance)",
        pooling="max",
        padding="replicate",
        content_layers=("conv4_2",),
        content_loss="mean",
        content_weight=0.015,
        style_layers=_FIVE,
        style_weights=tuple(weight / 341 for weight in (256, 64, 16, 4, 1)),
        style_loss="wasserstein",
        tv_loss="nine-point",
        tv_weight=2.0,
        optimiser="adam",
        learning_rate=0.02,
        betas=(0.9, 0.99),
        clamp=True,
        average=0.99,
        coarsest=128,
        factor=2**0.5,
        steps=(1000, 500),
    ),
    Recipe(
        name="wavelets",
        summary="No network: steerable wavelets in place of VGG19. Needs no weights; the style's palette and strokes.",
        formula="L = α·mean‖F−P‖²/‖P‖² + β·Σ w_l·(‖D(Σ−Σ*)D‖²/‖DΣ*D‖² + ‖μ−μ*‖²/‖μ*‖²) / Σ w_l + range, Σ* and μ*: the "
        "style's covariances and means, D = diag(1/σ*); channels first divided by the style's own root mean square",
        source="after Portilla & Simoncelli 2000, Heeger & Bergen 1995 and Brochard, Zhang & Mallat 2022",
        features="wavelets",
        content_layers=("shape1", "shape2", "shape3", "light3"),
        content_weight=0.034,
        style_layers=("first1", "second1", "first2", "second2", "first3", "first4"),
        style_weights=(1, 1.5, 1, 1.5, 1, 0.8),
        style_loss="correlation",
        range_weight=1.0,
        noise=0.05,
        optimiser="bounded-lbfgs",
        history=12,
        coarsest=48,
        steps=(200, 120, 60, 60, 30),
    ),
)

RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for recipe in _ALL}
"""Every recipe by its name; the first is the default."""


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
            raise _refused(name, str(reason)) from None
    if "style_layers" in changed:
        changed.setdefault("style_weights", (1.0,))  # the recipe's own belong to its own layers
    return replace(recipe, **changed)


def nearest(name: str, names: Mapping[str, object]) -> str:
    """The known name that looks most like `name`."""
    matches = difflib.get_close_matches(name.lower(), list(names), n=1, cutoff=0)
    return matches[0] if matches else next(iter(names))


def no_such_layer(sentence: str, name: str, layers: Sequence[str]) -> ImpastoError:
    """The error for a layer that features do not have; `sentence` says so, and the nearest of `layers` is added."""
    close = nearest(name, dict.fromkeys(layers))
    return ImpastoError(Code.BAD_REQUEST, f"{sentence} Did you mean “{close}”?", field=name, nearest=close)


def _refused(name: str, reason: str) -> ImpastoError:
    return ImpastoError(Code.BAD_REQUEST, f"{name} {reason}.", field=name)
