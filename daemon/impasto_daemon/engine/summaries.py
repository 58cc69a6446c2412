"""What is needed, in numbers, of pictures that are not painted: each is worked out once, and kept for later paintings.

A summary is found again by all that it depends on: the very samples that were looked at, how much each counts, the
features, the layers, the tiles, and how PyTorch rounds. No name that somebody gave is trusted. Knows no recipes and no
jobs.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar, cast

import torch
from torch import Tensor

from . import losses
from .canvas import View
from .features import Features
from .losses import Moments
from .positions import Weights
from .tiles import Layer, Part, Scale, total

MOST_BYTES = 64 * 1024**2
"""Of all that is kept: the default recipe's styles take 1.8 MB each at each size, other networks' layers up to 10."""
GRAIN = 0.02
"""Standard deviation of the faint noise that says what is nothing to a layer: five grey levels of 255."""
GREY = 64
"""Side in pixels of the grey picture that has it."""

Found = TypeVar("Found", bound="Summary | Mapping[str, Tensor]")


@dataclass(frozen=True)
class Summary:
    """What targets need of a picture's layers: moments, and mean absolute activations, (1,) each."""

    moments: Mapping[str, Moments]
    sizes: Mapping[str, Tensor]


class Summaries:
    """Summaries of pictures, those used last, at most `most` bytes of them; they are where the pictures were."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most, self._kept = most, OrderedDict[Hashable, Summary | Mapping[str, Tensor]]()

    @property
    def count(self) -> int:
        """Of summaries that are kept."""
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Of all that is kept."""
        return sum(map(_nbytes, self._kept.values()))

    def of(
        self, features: Features, view: View, moments: Collection[str], sizes: Collection[str], tile: int
    ) -> Summary:
        """The moments of these layers and the mean absolute activations of those.

        tile: side of the tiles in pixels that the picture is looked at by, 0 for whole ones. Raises ImpastoError as
        the features do.
        """
        seen = (features.key, frozenset(moments), frozenset(sizes), tile)
        key = ("summary", *_rounding(), *seen, digest(view.rgb), None if view.counts is None else digest(view.counts))
        return self._once(key, partial(_summary, features, view, moments, sizes, tile))

    def grain(self, features: Features, names: Collection[str], like: Tensor) -> Mapping[str, Tensor]:
        """Σ of squares that faint noise changes in each of these layers for a position on average, all channels
        together: scalars. On a grey picture, of the type and on the device of `like`."""
        key = ("grain", *_rounding(), features.key, frozenset(names), like.dtype, like.device)
        return self._once(key, partial(_grain, features, names, like))

    def _once(self, key: Hashable, make: Callable[[], Found]) -> Found:
        if key in self._kept:
            self._kept.move_to_end(key)
            return cast(Found, self._kept[key])
        with torch.no_grad():
            found = self._kept[key] = make()
        while self.nbytes > self._most:
            self._kept.popitem(last=False)
        return found


def _rounding() -> tuple[Hashable, ...]:
    """How PyTorch is set to round: a sum is cut in pieces for its threads, and TF32 has fewer digits."""
    backends = torch.backends
    return (torch.get_num_threads(), backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32)


def digest(picture: Tensor) -> tuple[Hashable, ...]:
    """What no other picture has: type, shape and place of a tensor, and SHA-256 of its samples."""
    samples = picture.detach().cpu().contiguous().numpy()
    return (picture.dtype, picture.shape, picture.device, hashlib.sha256(samples.data).digest())


def _nbytes(found: Summary | Mapping[str, Tensor]) -> int:
    if isinstance(found, Summary):
        return sum(each.mean.nbytes + each.second.nbytes for each in found.moments.values()) + _nbytes(found.sizes)
    return sum(each.nbytes for each in found.values())


def _summary(features: Features, view: View, moments: Collection[str], sizes: Collection[str], tile: int) -> Summary:
    counts, found, layers = Weights(view.counts), dict[tuple[str, str], Tensor](), dict[str, Layer]()

    def summed(scale: Scale, part: Part) -> dict[tuple[str, str], Tensor]:
        parts = {}
        for name, activations in part.layers.items():
            weights = counts.at(scale.layers[name], part.places[name])
            if name in moments:
                own = losses.sums(activations, weights)
                parts[name, "first"], parts[name, "second"] = own.mean, own.second
            if name in sizes:
                # Of absolute values: `.linear` layers have both signs, and their plain mean may be nothing.
                size = activations.abs().mean(
                    1, keepdim=True, dtype=torch.promote_types(activations.dtype, torch.float32)
                )
                parts[name, "size"] = (size if weights is None else size * weights).sum().view(1)
        return parts

    for scale in features.scales(view.rgb, {*moments, *sizes}):
        found |= total(scale, tile, partial(summed, scale))
        layers |= scale.layers
    return Summary(
        {n: Moments(found[n, "first"], found[n, "second"]).over(counts.mass(layers[n])) for n in moments},
        {n: found[n, "size"] / counts.mass(layers[n]) for n in sizes},
    )


def _grain(features: Features, names: Collection[str], like: Tensor) -> dict[str, Tensor]:
    grey = like.new_full((1, 3, GREY, GREY), 0.5)
    noise = torch.randn(grey.shape, generator=torch.Generator("cpu").manual_seed(0), dtype=torch.float32).to(grey)
    found = {}
    for calm, stirred in zip(features.scales(grey, names), features.scales(grey + GRAIN * noise, names)):
        before, after = calm.look(calm.pixels, None), stirred.look(stirred.pixels, None)
        for name, layer in before.items():
            found[name] = losses.squared_error(after[name], layer, None) / (layer.shape[-2] * layer.shape[-1])
    return found
