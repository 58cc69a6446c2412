"""Networks and pictures that the engine's tests share."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence

import torch
from impasto_daemon.engine.architectures import ARCHITECTURES, Architecture, Convolution
from impasto_daemon.engine.tiles import Layer, Scale
from torch import Tensor


def random_vgg19(convolutions: int = 16, seed: int = 0) -> dict[str, Tensor]:
    """`random_vgg` for the network that most tests use."""
    return random_vgg("vgg19", convolutions, seed)


def random_vgg(network: str, convolutions: int = 16, seed: int = 0) -> dict[str, Tensor]:
    """A state dict of a network's first convolutions with weights that keep the activations' size (He et al. 2015)."""
    return _random(ARCHITECTURES[network].convolutions[:convolutions], seed)


def _random(convolutions: Sequence[Convolution], seed: int) -> dict[str, Tensor]:
    generator, state = torch.Generator().manual_seed(seed), dict[str, Tensor]()
    for each in convolutions:
        weight = torch.randn(each.outputs, each.inputs, 3, 3, generator=generator) * (2 / (9 * each.inputs)) ** 0.5
        state[f"features.{each.number}.weight"] = weight
        state[f"features.{each.number}.bias"] = torch.randn(each.outputs, generator=generator) * 0.05
    return state


def thin_vgg(network: str, channels: int = 6, seed: int = 0) -> tuple[Architecture, dict[str, Tensor]]:
    """A network of the same shape with few channels in every layer, in float64: for what does not depend on their
    number, such as where activations lie and what they depend on."""
    thin = Architecture(network, ARCHITECTURES[network].blocks, (channels,) * 5)
    return thin, {name: each.double() for name, each in _random(thin.convolutions, seed).items()}


def picture(height: int, width: int, channels: int = 3, seed: int = 0) -> Tensor:
    """Smooth random colours, (1, channels, height, width)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, channels, 6, 6, generator=generator)
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)


class SmallNetwork:
    """A network with VGG19's layers by name, each its own smooth function of the picture: no ReLU and no maximum has a
    kink that rounding could lead across."""

    CHANNELS = 5
    least = 1
    pixel_deviation = 1.0

    def __init__(self, dtype: torch.dtype = torch.float64, gain: float = 1.0) -> None:
        self._gain = gain
        generator = torch.Generator().manual_seed(7)
        names = [f"conv{block}_{i}" for block, count in enumerate((2, 2, 4, 4, 4), 1) for i in range(1, count + 1)]
        self._weights = {
            name: torch.randn(self.CHANNELS, 3, 3, 3, generator=generator).to(dtype) * 0.6 for name in names
        }

    def __call__(self, rgb: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
        return {name: self._layer(name, rgb) for name in wanted}

    def scales(self, rgb: Tensor, wanted: Collection[str]) -> list[Scale]:
        """One, which is not made to be seen in parts."""
        with torch.no_grad():
            layers = {name: Layer(1, *layer.shape[-2:]) for name, layer in self(rgb, wanted).items()}
        return [Scale(rgb, layers, lambda pixels, facts: self(pixels, wanted), halo=0, grid=1)]

    @property
    def key(self) -> Hashable:
        return self

    def unwrapped(self) -> SmallNetwork:
        return self

    def all(self, rgb: Tensor) -> dict[str, Tensor]:
        """Every layer, after and before what stands for ReLU."""
        names = [*self._weights, *(f"{name}.linear" for name in self._weights)]
        return self(rgb, [name + size for size in ("", ".half", ".quarter") for name in names])

    def _layer(self, name: str, rgb: Tensor) -> Tensor:
        convolution, *parts = name.split(".")
        smaller = int(convolution[4]) - 1 + (parts[-1:] == ["half"]) + 2 * (parts[-1:] == ["quarter"])
        small = torch.nn.functional.avg_pool2d(rgb - 0.45, min(2**smaller, *rgb.shape[-2:]))
        found = torch.nn.functional.conv2d(small, self._weights[convolution], padding=1)
        return self._gain * (found if "linear" in parts else torch.nn.functional.softplus(found, beta=4))
