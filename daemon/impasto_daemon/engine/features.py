"""What the losses look at: networks behind one interface, `Features`.

VGG16 and VGG19 compute what torchvision's do, with its weights, handed in as a state dict (possibly of the first layers
alone); the weight-free one is in `wavelets`. Where weights come from is not known here.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from functools import partial
from itertools import zip_longest
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from impasto_protocol.errors import Code, ImpastoError
from torch import Tensor

from .architectures import ARCHITECTURES, SMALLER, Architecture, Convolution, halo
from .kernels import Fused, fuses
from .rasters import halved, pad_to
from .recipe import CAFFE, no_such_layer
from .tiles import Layer, Scale


class Features(Protocol):
    """A function from a picture to named activations.

    least: pictures must have at least this many pixels on either side.
    pixel_deviation: of pixels as the network sees them, on the average of many pictures: its activations go with that.
    key: all that activations depend on beside the picture; where it is equal, so are they.
    """

    least: int
    pixel_deviation: float

    @property
    def key(self) -> Hashable: ...

    def scales(self, rgb: Tensor, wanted: Collection[str]) -> Sequence[Scale]:
        """The sizes of rgb (1, 3, H, W), 0 to 1, at which the `wanted` layers are seen, each layer at one of them.

        Computes no activations, and later none beyond the deepest wanted layer. Raises ImpastoError: BAD_REQUEST for a
        layer that these features do not have, MISSING_LAYER for one whose weights are not here.
        """

    def unwrapped(self) -> Features:
        """The same for pictures that are no tiles."""


def seen(features: Features, rgb: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
    """Activations of the `wanted` layers for the whole of rgb: each (1, C, h, w), differentiable."""
    found: dict[str, Tensor] = {}
    for scale in features.scales(rgb, wanted):
        found |= scale.look(scale.pixels, None)
    return found


MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""ImageNet's mean and standard deviation of RGB in 0 to 1: what torchvision's weights expect to be removed."""


LOUD = 10.0
"""Norm of a filter of conv1_1 above which it was made for pixels from 0 to 255: those of VGG's original weights
(Caffe's), which are passed around with a first layer that takes normalised pixels but answers as loudly as ever."""


class Filters(NamedTuple):
    """Of a convolution: weight (O, I, 3, 3), channels last, and bias (O,)."""

    weight: Tensor
    bias: Tensor


class VGG:
    """One of `ARCHITECTURES` up to where its weights go (features.N.weight and .bias, N in torchvision's numbering).

    architecture: it, or its name; state: any leading part of torchvision's state dict, of the precision (float32,
    float64) that pictures will have; origin: the weights' name, for errors.
    """

    least = 32  # two pixels are left after four poolings

    def __init__(
        self,
        architecture: Architecture | str,
        state: Mapping[str, Tensor],
        origin: str = "the weights",
        device: str = "cpu",
    ) -> None:
        self.architecture = ARCHITECTURES[architecture] if isinstance(architecture, str) else architecture
        self.origin = origin
        self.filters: dict[str, Filters] = {}  # of all convolutions from the first on that there are
        for each in self.architecture.convolutions:
            pair = (state.get(f"features.{each.number}.{of}") for of in ("weight", "bias"))
            weight, bias = (None if of is None else of.to(device) for of in pair)
            if weight is None or bias is None:
                break
            self.filters[each.name] = Filters(weight.contiguous(memory_format=torch.channels_last), bias)
        some = self.filters["conv1_1"].weight
        self.mean = torch.tensor(MEAN, dtype=some.dtype, device=device).view(1, 3, 1, 1)
        self.std = torch.tensor(STD, dtype=some.dtype, device=device).view(1, 3, 1, 1)
        self.pixel_deviation = CAFFE if float(some.flatten(1).norm(dim=1).median()) > LOUD else 1.0
        self.pooling, self.padding, self.wrap, self.precision = "max", "zero", False, some.dtype
        self.fuses, self._fused = fuses(some.dtype, some.device.type), dict[str, Fused]()
        self._weights = object()  # these and no others, for all twins

    @property
    def key(self) -> Hashable:
        """See `Features`."""
        return (self._weights, self.pooling, self.padding, self.wrap, self.precision, self.fuses)

    def with_options(self, pooling: str, padding: str, wrap: bool = False) -> VGG:
        """The same network (weights shared) with other ways.

        pooling: `max` or `average`, of 2×2 each; averages are not rescaled, as in no published program. padding:
        conv1_1's, with the border's colour (`replicate`) or as it was trained (`zero`). wrap: the picture goes on at
        the opposite border, for every convolution (padding is then of no account) and for poolings of an odd size.
        """
        twin = VGG.__new__(VGG)
        twin.__dict__.update(self.__dict__, pooling=pooling, padding=padding, wrap=wrap)
        return twin

    def in_precision(self, precision: torch.dtype) -> VGG:
        """The same network with weights and activations of another precision; pictures stay as they are."""
        if precision == self.precision:
            return self
        twin = self.with_options(self.pooling, self.padding, self.wrap)
        twin.precision = precision
        twin.filters = {name: Filters(*(each.to(precision) for each in pair)) for name, pair in self.filters.items()}
        twin.fuses, twin._fused = fuses(precision, self.mean.device.type), {}
        return twin

    def unwrapped(self) -> VGG:
        """The same network for pictures that are no tiles."""
        return self.with_options(self.pooling, self.padding)

    def unfused(self) -> VGG:
        """The same network of PyTorch's plain operations alone."""
        twin = self.with_options(self.pooling, self.padding, self.wrap)
        twin.fuses = False
        return twin

    def __call__(self, rgb: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
        """See `seen`."""
        return seen(self, rgb, wanted)

    def scales(self, rgb: Tensor, wanted: Collection[str]) -> list[Scale]:
        """See `Features`."""
        self.check(wanted)
        found, left = [], set(wanted)
        for suffix in ("", *SMALLER):
            rgb = self._halved(rgb) if suffix else rgb
            names = {name for name in left if name.endswith(suffix)} if suffix else left - _smaller(left)
            if names:
                found.append(self._scale(rgb, suffix, names))
            left -= names
            if not left:
                break
        return found

    def _scale(self, rgb: Tensor, suffix: str, names: Collection[str]) -> Scale:
        layers, on_the_way = dict[str, Layer](), self.architecture.down_to(names)
        height, width = rgb.shape[-2:]
        for each in on_the_way:
            if each.pooled:
                height, width = self._pooled(height), self._pooled(width)
            for name in (each.name + suffix, f"{each.name}.linear{suffix}"):
                if name in names:
                    layers[name] = Layer(each.stride, height, width)
        look = partial(self._look, suffix, frozenset(names))
        return Scale(rgb, layers, look, halo(on_the_way), on_the_way[-1].stride, self.wrap)

    def _pooled(self, length: int) -> int:
        return (length + self.wrap) // 2

    def _halved(self, rgb: Tensor) -> Tensor:
        """By a binomial: a box of two would leave its grid in the picture through the gradient."""
        return pad_to(halved(rgb, self.wrap), self.least, self.wrap)

    def _look(self, suffix: str, names: Collection[str], pixels: Tensor, facts: Tensor | None) -> dict[str, Tensor]:
        """The layers of a whole picture (facts None) or of a part."""
        wrap, found = self.wrap and facts is None, dict[str, Tensor]()
        x = ((pixels - self.mean) / self.std).to(self.precision).contiguous(memory_format=torch.channels_last)
        pooled, on_the_way = False, self.architecture.down_to(names)
        for each, after in zip_longest(on_the_way, on_the_way[1:]):
            x = self._pool(x, wrap) if each.pooled and not pooled else x
            linear, wanted = f"{each.name}.linear{suffix}" in names, each.name + suffix in names
            pooled = self._pools_along(after) and not (linear or wanted or wrap)
            x = self._convolve(each.name, x, wrap, "nothing" if linear else "pool" if pooled else "relu")
            if linear:
                found[f"{each.name}.linear{suffix}"] = x
                x = F.relu(x)
            if wanted:
                found[each.name + suffix] = x
        return found

    def _pools_along(self, after: Convolution | None) -> bool:
        """Whether what this one gives may be pooled in one with it."""
        return self.fuses and self.pooling == "max" and after is not None and after.pooled

    def check(self, wanted: Collection[str]) -> None:
        """Raise as `Features` says if a wanted layer cannot be had."""
        title = self.architecture.title
        for name in wanted:
            if name not in self.architecture.layers:
                raise no_such_layer(f"{title} has no layer “{name}”.", name, self.architecture.layers)
            if name.partition(".")[0] not in self.filters:
                raise ImpastoError(
                    Code.MISSING_LAYER,
                    f"The recipe needs {title}'s layer {name}, but {self.origin} ends at "
                    f"{list(self.filters)[-1]}. Choose a recipe that needs less, such as impasto, or give a "
                    "weights file that holds this layer.",
                    layer=name,
                    file=self.origin,
                )

    def _pool(self, x: Tensor, wrap: bool) -> Tensor:
        if wrap:
            x = _wrapped(x, 0, x.shape[-2] % 2, 0, x.shape[-1] % 2)
        return F.avg_pool2d(x, 2) if self.pooling == "average" else F.max_pool2d(x, 2)

    def _convolve(self, name: str, x: Tensor, wrap: bool, then: str) -> Tensor:
        padding = 0 if wrap or (name == "conv1_1" and self.padding == "replicate") else 1
        if wrap:
            x = _wrapped(x, 1, 1, 1, 1)
        elif not padding:
            x = F.pad(x, (1, 1, 1, 1), "replicate")
        if self.fuses:
            if name not in self._fused:
                self._fused[name] = Fused(*self.filters[name])
            return self._fused[name](x, padding, then)
        y = F.conv2d(x, *self.filters[name], padding=padding)
        return F.relu_(y) if then == "relu" else y  # in place: one activation less to keep


def _smaller(names: Collection[str]) -> set[str]:
    return {name for name in names if name.endswith(SMALLER)}


def _wrapped(x: Tensor, above: int, below: int, left: int, right: int) -> Tensor:
    """With up to one row or column of the opposite border at each side. F.pad's circular mode would lose the memory
    format, which doubles the time of a convolution."""
    rows = [x[..., -1:, :]] * above + [x] + [x[..., :1, :]] * below
    x = torch.cat(rows, -2) if len(rows) > 1 else x
    columns = [x[..., -1:]] * left + [x] + [x[..., :1]] * right
    return torch.cat(columns, -1) if len(columns) > 1 else x
