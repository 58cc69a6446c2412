"""What all measures are handed: weights, pictures and sizes, as the user named them; and what to have in their place.

Plain data that goes to other processes, which load what they need themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch
from impasto_daemon import device, pictures
from impasto_daemon import weights as weights_files
from impasto_daemon.engine import memory
from impasto_daemon.engine.architectures import ARCHITECTURES
from impasto_daemon.engine.features import VGG
from impasto_daemon.engine.rasters import resize
from impasto_daemon.engine.recipe import Recipe
from impasto_daemon.tensors import to_tensor
from impasto_protocol.limits import Limits
from torch import Tensor

P = ParamSpec("P")
T = TypeVar("T")

EXAMPLES = Path(__file__).parents[1] / "examples"
NETWORK = "vgg19"
STARTS = ("content", "noise")
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
"""Of the network's weights and activations; pictures and statistics are float32."""


@dataclass(frozen=True)
class Setting:
    """One run of the benchmarks.

    weights: a file with VGG19's first layers or all of them; None for random ones. contents, styles: files; every
    content is painted with every style where pairs matter, and with the first elsewhere. sizes: sides in pixels, empty
    for each measure's own. starts: of convergence, some of STARTS. repeat: seeds a pair, and repetitions of what is
    short.
    """

    weights: Path | None = None
    contents: tuple[Path, ...] = (EXAMPLES / "lake.jpg",)
    styles: tuple[Path, ...] = (EXAMPLES / "swirls.jpg",)
    sizes: tuple[int, ...] = ()
    starts: tuple[str, ...] = STARTS
    repeat: int = 1
    evaluations: int = 300

    @property
    def origin(self) -> str:
        """Of the weights, in words."""
        return f"weights of {self.weights.name}" if self.weights else "RANDOM weights (no --weights FILE was given)"

    def state(self, deepest: str = "conv3_4") -> dict[str, Tensor]:
        """A state dict in torchvision's names, at least up to this layer unless the file ends before it."""
        if self.weights:
            return weights_files.load(self.weights, NETWORK, given=True)
        return random_state(deepest)

    def content(self, side: int, which: int = 0) -> Tensor:
        """(1, 3, side, side)."""
        return square(self.contents[which], side)

    def style(self, side: int, which: int = 0) -> Tensor:
        """(1, 3, side, side)."""
        return square(self.styles[which], side)


def random_state(deepest: str) -> dict[str, Tensor]:
    """Weights that keep the activations' size from layer to layer (He et al. 2015), up to this layer. Times and memory
    are those of real ones, pictures are not."""
    generator, state = torch.Generator().manual_seed(0), dict[str, Tensor]()
    for each in ARCHITECTURES[NETWORK].down_to([deepest]):
        weight = torch.randn(each.outputs, each.inputs, 3, 3, generator=generator)
        state[f"features.{each.number}.weight"] = weight * (2 / (9 * each.inputs)) ** 0.5
        state[f"features.{each.number}.bias"] = torch.zeros(each.outputs)
    return state


def convolutions() -> tuple[str, ...]:
    """Names of the network's layers, shallow to deep."""
    return ARCHITECTURES[NETWORK].names


def network(state: Mapping[str, Tensor], recipe: Recipe, precision: str = "fp32") -> VGG:
    """The engine's network as the recipe wants it, on the CPU."""
    found = VGG(NETWORK, state).with_options(recipe.pooling, recipe.padding)
    return found if precision == "fp32" else found.in_precision(PRECISIONS[precision])


def quicker() -> str:
    """The precision that the worker chooses here for recipes that leave it to the device."""
    return "bf16" if device.half_speed("cpu", device.speed("cpu")) else "fp32"


def square(path: Path, side: int) -> Tensor:
    """The middle of a picture, (1, 3, side, side)."""
    rgb = to_tensor(pictures.load(path, Limits()), str(path))[:, :3]
    height, width = rgb.shape[-2:]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    return resize(rgb[..., top : top + short, left : left + short], side, side)


def alone(run: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Run in a fresh process, which has no memory and no settings of this one."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(run, *arguments, **named).result()


def as_the_worker_does() -> None:
    """Set this process up as the daemon's worker sets up its own."""
    memory.keep_memory()
