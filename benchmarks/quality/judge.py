"""One painting to its figures: what `metrics` measure, in the activations of a network where there is one.

The network is VGG19 as it was trained (max pooling, padding with zeros) up to conv3_4 or to where its weights end.
Sizes, layers and the style's scale are the same for every recipe, whatever the recipe itself looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

import torch
from impasto_daemon.engine.architectures import ARCHITECTURES
from impasto_daemon.engine.features import VGG
from impasto_daemon.engine.levels import fitted
from impasto_daemon.engine.rasters import resize
from torch import Tensor

from . import metrics

LAYERS = tuple(each.name for each in ARCHITECTURES["vgg19"].down_to(["conv3_4"]))
SCALES = (1.0, 0.5, 0.25)
"""At which the network looks at a picture: so it sees strokes four times as large as at full size."""


@dataclass(frozen=True)
class Scores:
    """The figures of one painting. Distances are to the style, over that of the untouched content: 0 is the style
    itself, 1 the content. Those that need a network are nan without.

    held_out: sliced Wasserstein in VGG19; no recipe minimises it. patches: the same of patches, without a network.
    gram: Gram matrices in VGG19; recipes minimise this family.
    correlation, ssim: with the content, 1 for the content itself (in conv3_4, or the deepest layer there is; of luma).
    colour: Wasserstein-1 of the histograms, in samples of 0 to 1, not relative.
    grain: energy above ¾ Nyquist over the style's; speckle: that of colour differences above ½.
    grid: of the network's poolings, 0 is none. border: over the content's.
    """

    held_out: float
    patches: float
    gram: float
    correlation: float
    ssim: float
    colour: float
    grain: float
    speckle: float
    grid: float
    border: float

    def described(self) -> dict[str, float | None]:
        """As JSON-able data."""
        return {name: None if math.isnan(value) else round(value, 4) for name, value in asdict(self).items()}


@dataclass(frozen=True)
class _Seen:
    """What one picture is in the judge's eyes: tables of quantiles and activations."""

    patches: list[Tensor]
    layers: Mapping[tuple[float, str], Tensor]
    quantiles: Mapping[tuple[float, str], Tensor]


class Judge:
    """Measures paintings (1, 3, H, W) of one content (1, 3, H, W) in the manner of one style (1, 3, ·, ·), all on the
    CPU. network: None leaves out what needs one.

    The style is brought to the content's area, but never enlarged.
    """

    def __init__(self, content: Tensor, style: Tensor, network: VGG | None = None) -> None:
        self._network = network.with_options("max", "zero") if network else None
        self.layers = [name for name in LAYERS if network and name in network.filters]
        self.content = content
        scale = math.sqrt(content.shape[2] * content.shape[3] / (style.shape[2] * style.shape[3]))
        self.style = resize(style, *fitted(style.shape[2], style.shape[3], min(1.0, scale)))
        with torch.no_grad():
            self._content, self._style = self._look(self.content), self._look(self.style)

    def __call__(self, painting: Tensor) -> Scores:
        with torch.no_grad():
            seen = self._look(painting)
        deepest = (1.0, self.layers[-1]) if self.layers else None
        return Scores(
            held_out=self._held_out(seen),
            patches=_mean(
                metrics.wasserstein(ours, target) / metrics.wasserstein(before, target)
                for ours, before, target in zip(seen.patches, self._content.patches, self._style.patches)
            ),
            gram=self._gram(seen),
            correlation=metrics.correlation(seen.layers[deepest], self._content.layers[deepest])
            if deepest
            else math.nan,
            ssim=metrics.ssim(painting, self.content),
            colour=metrics.colour_distance(painting, self.style),
            grain=metrics.grain(painting) / max(metrics.grain(self.style), 1e-12),
            speckle=metrics.speckle(painting) / max(metrics.speckle(self.style), 1e-12),
            grid=metrics.grid(painting),
            border=metrics.border_energy(painting) / max(metrics.border_energy(self.content), 1e-12),
        )

    def _held_out(self, seen: _Seen) -> float:
        return _mean(
            metrics.wasserstein(table, self._style.quantiles[key])
            / metrics.wasserstein(self._content.quantiles[key], self._style.quantiles[key])
            for key, table in seen.quantiles.items()
        )

    def _gram(self, seen: _Seen) -> float:
        return _mean(
            metrics.gram_distance(activations, self._style.layers[key])
            / metrics.gram_distance(self._content.layers[key], self._style.layers[key])
            for key, activations in seen.layers.items()
        )

    def _look(self, picture: Tensor) -> _Seen:
        layers: dict[tuple[float, str], Tensor] = {}
        for scale in SCALES if self._network else ():
            sized = resize(picture, *fitted(picture.shape[2], picture.shape[3], scale))
            for name, activations in self._network(sized, self.layers).items():  # type: ignore[misc]
                layers[scale, name] = activations
        tables = {key: metrics.sliced_quantiles(activations) for key, activations in layers.items()}
        return _Seen(metrics.patch_quantiles(picture), layers, tables)


def _mean(values: Iterable[float]) -> float:
    """Mean of any number of values, nan for none."""
    several = list(values)
    return math.fsum(several) / len(several) if several else math.nan
