"""One evaluation of a recipe's losses with their gradient, over the bare convolutions of that very step.

The step is run once, made of PyTorch's plain operations, under a recorder, which notes every convolution of the
network, forward and backward, with shapes, strides and precision. The floor makes exactly these again on tensors that
were prepared before, and nothing else: no poolings, no losses, no resizing. (The blur that halves a picture is a
convolution of three channels, and no part of the network: it is not in the floor.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from impasto_daemon.engine import recipes
from impasto_daemon.engine.canvas import Region, View
from impasto_daemon.engine.features import VGG
from impasto_daemon.engine.objective import RecipeObjective
from impasto_daemon.engine.recipe import Recipe
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from .measure import Findings, Ratio, Table, ratio
from .setting import PRECISIONS, Setting, as_the_worker_does, network, random_state

SIZES = (256, 512)
ROUNDS = 7
FIVE = ("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1")

Steps = Mapping[str, tuple[Recipe, str]]


def steps() -> Steps:
    """What is timed: recipes by what they are called here, with the deepest layer they need."""
    impasto = recipes.find("impasto")
    settings = {"content_layers": "conv4_2", "style_layers": ",".join(FIVE), "style_weights": "1"}
    five = recipes.override(impasto, settings)
    return {
        "`impasto`, three sizes to conv3_4": (impasto, "conv3_4"),
        "five style layers to conv5_1, one size": (five, "conv5_1"),
    }


FORWARD = torch.ops.aten.convolution.default
BACKWARD = torch.ops.aten.convolution_backward.default
GROUPS = {FORWARD: 8, BACKWARD: 9}
"""For each operator, which of its arguments is the number of groups."""


@dataclass(frozen=True)
class Call:
    """One convolution, forward or backward, on tensors of its own."""

    operator: Callable[..., object]
    arguments: tuple[Any, ...]

    def again(self) -> object:
        return self.operator(*self.arguments)


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the convolutions made while it is entered, on other tensors of the same form."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: list[Call] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> object:
        if function in GROUPS and args[GROUPS[function]] == 1:
            weight = args[1] if function is FORWARD else args[2]
            # Weights are the network's own: a copy of each would be more than the step has.
            prepared = tuple(_like(each) if isinstance(each, Tensor) and each is not weight else each for each in args)
            self.calls.append(Call(function, prepared))
        return function(*args, **(kwargs or {}))


def _like(tensor: Tensor) -> Tensor:
    """Of the same sizes, strides and precision, filled with noise."""
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=tensor.device).normal_()


def evaluation(recipe: Recipe, features: VGG, content: Tensor, style: Tensor) -> Callable[[], None]:
    """One step without the optimiser: losses and gradient, at the content's size."""
    objective = RecipeObjective(recipe, features, View(content), [Region(None, 1.0, [(View(style), 1.0)])])
    x = content.clone().requires_grad_()

    def evaluate() -> None:
        x.grad = None
        objective(x)["total"].backward()  # type: ignore[no-untyped-call]

    return evaluate


def recorded(evaluate: Callable[[], None]) -> Sequence[Call]:
    """The convolutions of a step."""
    recorder = Recorder()
    with recorder:
        evaluate()
    return recorder.calls


def floor(calls: Sequence[Call]) -> Callable[[], None]:
    """These again, one after the other."""

    def convolve() -> None:
        with torch.no_grad():
            for call in calls:
                call.again()

    return convolve


def operations(calls: Sequence[Call]) -> float:
    """Multiplications and additions that these make (for a backward one: to the input alone)."""
    total = 0.0
    for call in calls:
        if call.operator is FORWARD:
            x, weight, _, (stride, _), (padding, _) = call.arguments[:5]
            height, width = ((side + 2 * padding - weight.shape[-1]) // stride + 1 for side in x.shape[-2:])
        else:
            (height, width), weight = call.arguments[0].shape[-2:], call.arguments[2]
        total += 2.0 * height * width * weight.numel()
    return total


def measure(setting: Setting, rounds: int = ROUNDS) -> Findings:
    """A ratio for each step, size and precision."""
    as_the_worker_does()
    ratios, rows = list[Ratio](), list[tuple[str, ...]]()
    for (name, (recipe, deepest)), side, precision in product(steps().items(), setting.sizes or SIZES, PRECISIONS):
        state = setting.state() if deepest == "conv3_4" else random_state(deepest)
        features = network(state, recipe, precision)
        content, style = setting.content(side), setting.style(side)
        evaluate = evaluation(recipe, features, content, style)
        calls = recorded(evaluation(recipe, features.unfused(), content, style))
        found = ratio(
            f"an evaluation and its gradient, {name}, {side}×{side}, {precision}",
            evaluate,
            "its bare convolutions",
            floor(calls),
            n=rounds,
        )
        ratios.append(found)
        rows.append((
            name,
            f"{side}",
            precision,
            f"{found.value * 1e3:.0f}",
            f"{found.against_value * 1e3:.0f}",
            f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f})",
            f"{len(calls)}",
            f"{operations(calls) / found.against_value / 1e9:.0f}",
        ))  # fmt: skip
    columns = ("step", "side", "precision", "ms", "floor, ms", "ratio", "convolutions", "floor, GFLOP/s")
    return Findings(tuple(ratios), (Table("Steps over their bare convolutions", columns, tuple(rows)),))
