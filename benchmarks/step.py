"""One evaluation of the default recipe's losses with their gradient, against the bare convolutions of that step."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from impasto_daemon.engine.canvas import Region, View
from impasto_daemon.engine.features import NETWORKS, VGG
from impasto_daemon.engine.objective import RecipeObjective
from impasto_daemon.engine.recipes import RECIPES
from torch import Tensor

from .measure import Ratio, ratio

SIDE = 256
"""Of the square content and style, in pixels."""


def random_vgg19(deepest: str) -> dict[str, Tensor]:
    """A state dict in torchvision's names with random weights up to this layer: their time is that of real ones."""
    generator, state, channels, index = torch.Generator().manual_seed(0), {}, 3, 0
    names = NETWORKS["vgg19"].convolutions
    for name in names[: names.index(deepest) + 1]:
        block = int(name[4])
        if name.endswith("_1") and block > 1:
            index += 1  # the pooling before it
        out = min(64 * 2 ** (block - 1), 512)
        state[f"features.{index}.weight"] = torch.randn(out, channels, 3, 3, generator=generator) * 0.05
        state[f"features.{index}.bias"] = torch.zeros(out)
        channels, index = out, index + 2
    return state


def measure() -> list[Ratio]:
    """Ratios of the engine's overhead over its convolutions, forward and backward to the picture."""
    recipe = RECIPES["impasto"]
    network = VGG("vgg19", random_vgg19("conv3_4")).with_options(recipe.pooling, recipe.padding)
    content, style = torch.rand(1, 3, SIDE, SIDE), torch.rand(1, 3, SIDE, SIDE)
    objective = RecipeObjective(recipe, network, View(content), [Region(None, 1.0, [(View(style), 1.0)])])
    x = content.clone().requires_grad_()

    def evaluation() -> None:
        x.grad = None
        objective(x)["total"].backward()  # type: ignore[no-untyped-call]

    def convolutions() -> None:
        x.grad = None
        y = x.contiguous(memory_format=torch.channels_last)
        for name, convolution in network.convolutions.items():
            if name.endswith("_1") and name != "conv1_1":
                y = F.avg_pool2d(y, 2)
            y = F.conv2d(y, convolution.weight, convolution.bias, padding=1)
        y.backward(torch.ones_like(y))  # type: ignore[no-untyped-call]

    what = f"an evaluation of `impasto` with its gradient at {SIDE}×{SIDE}, VGG19 to conv3_4 with random weights"
    return [ratio(what, evaluation, "its bare convolutions and poolings", convolutions)]
