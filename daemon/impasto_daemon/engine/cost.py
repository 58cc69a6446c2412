"""What painting costs, reckoned from the structure of networks and optimisers: bytes and operations. No torch here.

What cannot be derived was measured (`make bench`), and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .architectures import ARCHITECTURES, SMALLER, Convolution, halo
from .recipe import Recipe

FIXED = 180e6
"""Bytes that PyTorch's libraries take for working, beside pictures. Measured."""
PICTURES = 8
"""Values for each pixel at the level that is painted: the content, the start, smaller pictures and their gradients.
Measured at 24 megapixels."""
SCATTERED = {2: 1.6, 4: 1.1}
"""On a CPU, bytes that the process has for each byte of activations, by the bytes of a sample: what is freed lies
scattered between what is not. Measured; from run to run it differs by a fifth."""
APART = 1.35
"""The same for pictures, whose sizes grow from level to level. Measured in tiles of 512 and 1024 pixels."""
WORKING = 2.0
"""Activations of the largest layer for which there is room during the backward pass, beside those that are kept."""
WAVELET_BYTES = 2600
WAVELET_FLOPS = 500_000
"""Of the wavelets, for each pixel: bytes of all that one evaluation keeps, and what its time is worth in operations of
3×3 convolutions in float32. Measured."""
WAVELET_HALO = 40
OVERHEAD = 2.2
"""Time of an evaluation over that of its convolutions at the speed of the trial, which has small pictures. Measured."""


@dataclass(frozen=True)
class Cost:
    """Of one evaluation, for each pixel that is seen at once.

    kept: bytes of activations that wait for the backward pass; largest: of the largest layer; content: of the content's
    layers, which stay. flops: operations of a forward pass. scattered: bytes that a byte of activations takes.
    """

    kept: float
    largest: float
    content: float
    flops: float
    scattered: float

    @property
    def looking(self) -> float:
        """Bytes a pixel while a picture is looked at and nothing of it is kept."""
        return self.scattered * WORKING * self.largest

    @property
    def painting(self) -> float:
        """Bytes a pixel while the gradient is made."""
        return self.scattered * (self.kept + WORKING * self.largest)


def cost(recipe: Recipe, sample: int, on_cpu: bool) -> Cost:
    """sample: bytes of a sample of the activations."""
    scattered = SCATTERED[sample] if on_cpu else 1.0
    if recipe.features == "wavelets":
        shapes = (name[-1] for name in recipe.content_layers if name.startswith("shape") and name[-1].isdigit())
        content = 4.0 * sum(36 / 4 ** (int(number) - 1) for number in shapes)
        return Cost(WAVELET_BYTES, 36 * 4 * 4, content, WAVELET_FLOPS / 2, scattered)
    kept, largest, flops, content = 0.0, 0.0, 0.0, 0.0
    for power, suffix in enumerate(("", *SMALLER)):
        for each in _convolutions(recipe, suffix):
            share = 1 / 4**power / each.stride**2
            kept += share * each.outputs * sample
            if each.pooled:
                kept += share * each.inputs * (sample + (8 if recipe.pooling == "max" else 0))
            largest = max(largest, share * each.outputs * max(sample, 4))
            flops += share * 2 * 9 * each.outputs * each.inputs
            if each.name in recipe.content_layers and not suffix:
                content += share * each.outputs * sample
    return Cost(kept, largest, content, flops, scattered)


def reach(recipe: Recipe) -> int:
    """Pixels around its own that a tile needs."""
    if recipe.features == "wavelets":
        return WAVELET_HALO
    return halo(ARCHITECTURES[recipe.features].down_to((*recipe.content_layers, *recipe.style_layers)))


def held(optimiser: str, history: int, steps: int, half_pairs: bool, average: bool) -> float:
    """Values of the variable's type for each of its elements that a walk of so many evaluations holds at most, with its
    gradient and without what the objective takes. half_pairs: whether L-BFGS keeps its pairs in half precision."""
    pairs = (1.0 if half_pairs else 2.0) * min(history, max(steps - 1, 0)) if "lbfgs" in optimiser else 0.0
    return 5.0 + pairs + average


def _convolutions(recipe: Recipe, suffix: str) -> Sequence[Convolution]:
    """Those that are needed of the picture at one size, which the suffix of layers' names says."""
    names = (*recipe.content_layers, *recipe.style_layers)
    here = [name for name in names if (name.endswith(suffix) if suffix else not name.endswith(SMALLER))]
    return ARCHITECTURES[recipe.features].down_to(here)
