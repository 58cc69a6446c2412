"""How much each position of a picture counts, at the sizes of its layers. Knows no losses and no features."""

from __future__ import annotations

from torch import Tensor

from .losses import mass
from .rasters import coverage
from .tiles import Layer

Place = tuple[slice, slice]


class Weights:
    """A map (1, 1, H, W) of how much each position counts, brought to the sizes of layers, each once."""

    def __init__(self, full: Tensor | None) -> None:
        self._full, self._sized = full, dict[tuple[int, int], Tensor]()
        self._masses = dict[tuple[int, int], Tensor]()

    def at(self, layer: Layer, place: Place = (slice(None), slice(None))) -> Tensor | None:
        """At a place of a layer: (1, 1, h, w), or None where everything counts fully."""
        if self._full is None:
            return None
        size = (layer.height, layer.width)
        if size not in self._sized:
            self._sized[size] = self._full if self._full.shape[-2:] == size else coverage(self._full, *size)
        return self._sized[size][:, :, place[0], place[1]]

    def mass(self, layer: Layer) -> Tensor | float:
        """Of all positions of a layer."""
        whole, size = self.at(layer), (layer.height, layer.width)
        if whole is None:
            return float(layer.height * layer.width)
        if size not in self._masses:
            self._masses[size] = mass(whole)
        return self._masses[size]
