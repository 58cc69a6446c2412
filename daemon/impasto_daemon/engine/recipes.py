"""The recipes of the field, by name: a table. No torch here.

A new recipe is a new row. If it needs a loss, a network or an optimiser that does not exist yet, that is a new entry in
a table of `losses`, `features` or `optimise`, and nothing else changes. Each row is held against a plain float64
implementation of its formula by the tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from impasto_protocol.errors import Code, ImpastoError

from .recipe import CAFFE, SETTINGS, Recipe, nearest, refused

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
            raise refused(name, str(reason)) from None
    if "style_layers" in changed:
        changed.setdefault("style_weights", (1.0,))  # the recipe's own belong to its own layers
    return replace(recipe, **changed)
