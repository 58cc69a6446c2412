"""Networks and pictures that the engine's tests share."""

from __future__ import annotations

import torch
from impasto_daemon.weights import SHAPES
from torch import Tensor


def random_vgg19(convolutions: int = 16, seed: int = 0) -> dict[str, Tensor]:
    """`random_vgg` for the network that most tests use."""
    return random_vgg("vgg19", convolutions, seed)


def random_vgg(network: str, convolutions: int = 16, seed: int = 0) -> dict[str, Tensor]:
    """A state dict of a network's first convolutions with weights that keep the activations' size (He et al. 2015)."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for number, outputs, inputs in SHAPES[network][:convolutions]:
        weight = torch.randn(outputs, inputs, 3, 3, generator=generator) * (2 / (9 * inputs)) ** 0.5
        state[f"features.{number}.weight"] = weight
        state[f"features.{number}.bias"] = torch.randn(outputs, generator=generator) * 0.05
    return state


def picture(height: int, width: int, channels: int = 3, seed: int = 0) -> Tensor:
    """Smooth random colours, (1, channels, height, width)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, channels, 6, 6, generator=generator)
    return torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
