"""What the losses look at: networks behind one interface, `Features`.

VGG16 and VGG19 are torchvision's own, their weights handed in as a state dict (possibly of the first layers alone);
the weight-free one is in `wavelets`. Where weights come from is not known here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from typing import Protocol

import torch
import torch.nn.functional as F
import torchvision
from impasto_protocol.errors import Code, ImpastoError
from torch import Tensor, nn

from .kernels import Fused, fuses
from .rasters import halved, pad_to
from .recipes import CAFFE, no_such_layer
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


SMALLER = (".half", ".quarter")
"""After a layer's name: of the picture at this part of its size, in which the network sees larger strokes."""


@dataclass(frozen=True)
class Architecture:
    """One of Simonyan & Zisserman's networks of 3×3 convolutions (2015, table 1), named as in torchvision.

    blocks: convolutions before each pooling, shallow to deep; build: torchvision's constructor.
    """

    name: str
    blocks: tuple[int, ...]
    build: Callable[[], nn.Module]

    @property
    def title(self) -> str:
        """The name as people write it."""
        return self.name.upper()

    @property
    def convolutions(self) -> tuple[str, ...]:
        """`convB_I`, shallow to deep: the I-th convolution of block B, both from 1."""
        return tuple(f"conv{b}_{i}" for b, count in enumerate(self.blocks, 1) for i in range(1, count + 1))

    @property
    def layers(self) -> tuple[str, ...]:
        """All that can be asked for: a convolution's bare name is its activation after ReLU; with `.linear` before
        it. Each also with one of SMALLER."""
        here = (*self.convolutions, *(f"{name}.linear" for name in self.convolutions))
        return (*here, *(name + suffix for suffix in SMALLER for name in here))


NETWORKS = {
    each.name: each
    for each in (
        Architecture("vgg16", (2, 2, 3, 3, 3), torchvision.models.vgg16),
        Architecture("vgg19", (2, 2, 4, 4, 4), torchvision.models.vgg19),
    )
}
"""Columns D and E of that table."""

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""ImageNet's mean and standard deviation of RGB in 0 to 1: what torchvision's weights expect to be removed."""


LOUD = 10.0
"""Norm of a filter of conv1_1 above which it was made for pixels from 0 to 255: those of VGG's original weights
(Caffe's), which are passed around with a first layer that takes normalised pixels but answers as loudly as ever."""


class VGG:
    """One of `NETWORKS` up to where its weights go (features.N.weight and .bias, N in torchvision's numbering).

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
        self.architecture = NETWORKS[architecture] if isinstance(architecture, str) else architecture
        self.origin = origin
        with torch.device("meta"):
            network = self.architecture.build()
        network.load_state_dict(dict(state), strict=False, assign=True)
        modules = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
        self.convolutions: dict[str, nn.Conv2d] = {}
        for name, module in zip(self.architecture.convolutions, modules):
            if module.weight.is_meta or module.bias is None or module.bias.is_meta:
                break
            module.requires_grad_(False)
            self.convolutions[name] = module.to(device).to(memory_format=torch.channels_last)
        some = next(iter(self.convolutions.values())).weight
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
        twin.convolutions = {name: deepcopy(each).to(precision) for name, each in self.convolutions.items()}
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
        layers, reach, stride = dict[str, Layer](), 0, 1
        height, width = rgb.shape[-2:]
        for name in self.convolutions:
            if _pools_before(name):
                stride, height, width = 2 * stride, self._pooled(height), self._pooled(width)
            reach += stride
            for full in (name + suffix, f"{name}.linear{suffix}"):
                if full in names:
                    layers[full] = Layer(stride, height, width)
            if len(layers) == len(names):
                break
        halo = math.ceil(reach / stride) * stride
        return Scale(rgb, layers, partial(self._look, suffix, frozenset(names)), halo, stride, self.wrap)

    def _pooled(self, length: int) -> int:
        return (length + self.wrap) // 2

    def _halved(self, rgb: Tensor) -> Tensor:
        """By a binomial: a box of two would leave its grid in the picture through the gradient."""
        return pad_to(halved(rgb, self.wrap), self.least, self.wrap)

    def _look(self, suffix: str, names: Collection[str], pixels: Tensor, facts: Tensor | None) -> dict[str, Tensor]:
        """The layers of a whole picture (facts None) or of a part."""
        wrap, found = self.wrap and facts is None, dict[str, Tensor]()
        x = ((pixels - self.mean) / self.std).to(self.precision).contiguous(memory_format=torch.channels_last)
        pooled = False
        for name, after in zip_longest(self.convolutions, list(self.convolutions)[1:], fillvalue=""):
            x = self._pool(x, wrap) if _pools_before(name) and not pooled else x
            linear, wanted = f"{name}.linear{suffix}" in names, name + suffix in names
            pooled = self.fuses and self.pooling == "max" and _pools_before(after) and not (linear or wanted or wrap)
            x = self._convolve(name, x, wrap, "nothing" if linear else "pool" if pooled else "relu")
            if linear:
                found[f"{name}.linear{suffix}"] = x
                x = F.relu(x)
            if wanted:
                found[name + suffix] = x
            if len(found) == len(names):
                break
        return found

    def check(self, wanted: Collection[str]) -> None:
        """Raise as `Features` says if a wanted layer cannot be had."""
        title = self.architecture.title
        for name in wanted:
            if name not in self.architecture.layers:
                raise no_such_layer(f"{title} has no layer “{name}”.", name, self.architecture.layers)
            if name.partition(".")[0] not in self.convolutions:
                raise ImpastoError(
                    Code.MISSING_LAYER,
                    f"The recipe needs {title}'s layer {name}, but {self.origin} ends at "
                    f"{list(self.convolutions)[-1]}. Choose a recipe that needs less, such as impasto, or give a "
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
        weight, bias = self.convolutions[name].weight, self.convolutions[name].bias
        if self.fuses and bias is not None:
            if name not in self._fused:
                self._fused[name] = Fused(weight, bias)
            return self._fused[name](x, padding, then)
        y = F.conv2d(x, weight, bias, padding=padding)
        return F.relu_(y) if then == "relu" else y  # in place: one activation less to keep


def _pools_before(name: str) -> bool:
    return name.endswith("_1") and name != "conv1_1"


def _smaller(names: Collection[str]) -> set[str]:
    return {name for name in names if name.endswith(SMALLER)}


def _wrapped(x: Tensor, above: int, below: int, left: int, right: int) -> Tensor:
    """With up to one row or column of the opposite border at each side. F.pad's circular mode would lose the memory
    format, which doubles the time of a convolution."""
    rows = [x[..., -1:, :]] * above + [x] + [x[..., :1, :]] * below
    x = torch.cat(rows, -2) if len(rows) > 1 else x
    columns = [x[..., -1:]] * left + [x] + [x[..., :1]] * right
    return torch.cat(columns, -1) if len(columns) > 1 else x
