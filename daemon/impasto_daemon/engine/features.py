"""What the losses look at: networks behind one interface, `Features`.

VGG19 is torchvision's own, its weights handed in as a state dict (possibly of the first layers alone); the
weight-free one is in `wavelets`. Where weights come from is not known here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

import torch
import torch.nn.functional as F
import torchvision
from impasto_protocol.errors import Code, ImpastoError
from torch import Tensor, nn

from .recipes import no_such_layer


class Features(Protocol):
    """A function from a picture to named activations.

    least: pictures must have at least this many pixels on either side.
    """

    least: int

    def __call__(self, rgb: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
        """Activations of the `wanted` layers for rgb (1, 3, H, W), 0 to 1: each (1, C, h, w), h ≤ H, w ≤ W.

        Computes nothing beyond the deepest wanted layer. Raises ImpastoError: BAD_REQUEST for a layer that these
        features do not have, MISSING_LAYER for one whose weights are not here.
        """


BLOCKS = (2, 2, 4, 4, 4)
"""Convolutions in each block of VGG19 (Simonyan & Zisserman 2015, table 1, E)."""

CONVOLUTIONS = tuple(f"conv{b}_{i}" for b, count in enumerate(BLOCKS, 1) for i in range(1, count + 1))
"""VGG19's convolutions, shallow to deep. The bare name is the activation after ReLU; with `.linear` before it."""

LAYERS = (*CONVOLUTIONS, *(f"{name}.linear" for name in CONVOLUTIONS))

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""ImageNet's mean and standard deviation of RGB in 0 to 1: what torchvision's weights expect to be removed."""


class VGG19:
    """torchvision's VGG19 up to where its weights go (features.N.weight and .bias, N in torchvision's numbering).

    state: any leading part of torchvision's state dict; origin: the weights' name, for errors.
    """

    least = 32  # two pixels are left after four poolings

    def __init__(self, state: Mapping[str, Tensor], origin: str = "the weights", device: str = "cpu") -> None:
        self.origin = origin
        with torch.device("meta"):
            network = torchvision.models.vgg19()
        network.load_state_dict(dict(state), strict=False, assign=True)
        convolutions = [module for module in network.features if isinstance(module, nn.Conv2d)]
        self.convolutions: dict[str, nn.Conv2d] = {}
        for name, module in zip(CONVOLUTIONS, convolutions):
            if module.weight.is_meta or module.bias is None or module.bias.is_meta:
                break
            module.requires_grad_(False)
            self.convolutions[name] = module.to(device).to(memory_format=torch.channels_last)
        some = next(iter(self.convolutions.values())).weight
        self.mean = torch.tensor(MEAN, dtype=some.dtype, device=device).view(1, 3, 1, 1)
        self.std = torch.tensor(STD, dtype=some.dtype, device=device).view(1, 3, 1, 1)
        self.pooling, self.padding = "max", "zero"

    def with_options(self, pooling: str, padding: str) -> VGG19:
        """The same network (weights shared) with `max` or `average` pooling, and conv1_1 padded with the border's
        colour (`replicate`) or as it was trained (`zero`)."""
        twin = VGG19.__new__(VGG19)
        twin.__dict__.update(self.__dict__, pooling=pooling, padding=padding)
        return twin

    def __call__(self, rgb: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
        self.check(wanted)
        found: dict[str, Tensor] = {}
        x = ((rgb - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        for name, convolution in self.convolutions.items():
            if len(found) == len(set(wanted)):
                break
            x = self._pool(name, x)
            x = self._convolve(name, convolution, x)
            if f"{name}.linear" in wanted:
                found[f"{name}.linear"] = x
                x = F.relu(x)
            else:
                x = F.relu_(x)  # one activation less to keep
            if name in wanted:
                found[name] = x
        return found

    def check(self, wanted: Collection[str]) -> None:
        """Raise as `Features` says if a wanted layer cannot be had."""
        for name in wanted:
            if name not in LAYERS:
                raise no_such_layer(f"VGG19 has no layer “{name}”.", name, LAYERS)
            if name.removesuffix(".linear") not in self.convolutions:
                raise ImpastoError(
                    Code.MISSING_LAYER,
                    f"The recipe needs VGG19's layer {name}, but {self.origin} ends at {list(self.convolutions)[-1]}. "
                    "Choose another recipe, or give a weights file that holds this layer.",
                    layer=name,
                    file=self.origin,
                )

    def _pool(self, name: str, x: Tensor) -> Tensor:
        if not name.endswith("_1") or name == "conv1_1":
            return x
        return F.avg_pool2d(x, 2) if self.pooling == "average" else F.max_pool2d(x, 2)

    def _convolve(self, name: str, convolution: nn.Conv2d, x: Tensor) -> Tensor:
        if name == "conv1_1" and self.padding == "replicate":
            return F.conv2d(F.pad(x, (1, 1, 1, 1), "replicate"), convolution.weight, convolution.bias)
        return F.conv2d(x, convolution.weight, convolution.bias, padding=1)
