"""Every recipe's first steps: from its start, the optimiser goes where the published one goes.

The published programs are written out here: a start, an optimiser and its settings. Their losses are those of
`published`, over a network small enough for float64.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from impasto_daemon.engine import recipes
from impasto_daemon.engine.canvas import Commission, Manner
from impasto_daemon.engine.levels import levels
from impasto_daemon.engine.optimise import FIRST_STEP, LONGEST_STEP
from impasto_daemon.engine.stylize import Painting, paint
from torch import Tensor

from . import published
from .networks import SmallNetwork, picture
from .published import Loss

STEPS = 6
"""The first picture and five moves."""
SEED = 3
SIZE = (32, 40)
MEAN = torch.tensor(published.MEAN, dtype=torch.float64).view(1, 3, 1, 1)

Path = list[Tensor]
"""The pictures that were evaluated, samples 0 to 1."""
Slope = Callable[[Tensor], Tensor]


def slope_of(loss: Loss) -> Slope:
    def slope(rgb: Tensor) -> Tensor:
        at = rgb.detach().clone().requires_grad_()
        (found,) = torch.autograd.grad(loss(at), at)
        return found

    return slope


# Starts -----------------------------------------------------------------------------------------------------


def noise() -> Tensor:
    """Of deviation 1, from the seed."""
    return torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(SEED)).double()


def even_noise() -> Tensor:
    """Evenly from -1 to 1, from the seed."""
    return torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(SEED)).double() * 2 - 1


STARTS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "impasto": lambda content: (content + 0.02 * noise()).clamp(0, 1),
    "gatys": lambda content: (MEAN + 0.2 * noise()).clamp(0, 1),
    "gatys-hires": lambda content: content,
    "neural-style": lambda content: (0.001 * noise() + 256 * MEAN) / 256,
    "pytorch": lambda content: content,
    "tensorflow": lambda content: content,
    "peixeiro": lambda content: (0.6 * 20 * even_noise() + 0.4 * 255 * (content - MEAN) + 255 * MEAN) / 255,
    "vgg16": lambda content: (MEAN + 0.2 * noise()).clamp(0, 1),
    "wasserstein": lambda content: content,
}
"""From the content to the first picture. Caffe's networks are fed pixels less the mean: what is noise around 0 there is
noise around the mean here."""


# Optimisers -------------------------------------------------------------------------------------------------


def lbfgs(white: float = 1.0, history: int = 100, clamp: bool = False) -> Callable[[Slope, Tensor], Path]:
    """PyTorch's own, one call for all steps, on pixels from 0 to white; clamp: at the head of the closure."""

    def run(slope: Slope, start: Tensor) -> Path:
        x, path = (start * white).clone().requires_grad_(), Path()
        optimiser = torch.optim.LBFGS(
            [x], lr=1, max_iter=STEPS, history_size=history, tolerance_grad=-1, tolerance_change=-1
        )

        def closure() -> float:
            if clamp:
                x.data.clamp_(0, white)
            path.append(x.detach() / white)
            x.grad = slope(path[-1]) / white
            return 0.0

        optimiser.step(closure)  # type: ignore[no-untyped-call]
        return path

    return run


def adam(
    rate: float, betas: tuple[float, float], epsilon: float, white: float = 1.0, clamp: bool = False, hat: bool = True
) -> Callable[[Slope, Tensor], Path]:
    """Kingma & Ba 2015 on pixels from 0 to white. hat: as TensorFlow has it, with the correction of both biases in the
    rate, and epsilon hence added to the root of v as it is; otherwise algorithm 1, as PyTorch has it."""

    def run(slope: Slope, start: Tensor) -> Path:
        x, path = start * white, Path()
        m, v = torch.zeros_like(x), torch.zeros_like(x)
        for t in range(1, STEPS + 1):
            path.append(x / white)
            g = slope(path[-1]) / white
            m = betas[0] * m + (1 - betas[0]) * g
            v = betas[1] * v + (1 - betas[1]) * g**2
            if hat:
                x = x - rate * (1 - betas[1] ** t) ** 0.5 / (1 - betas[0] ** t) * m / (v.sqrt() + epsilon)
            else:
                x = x - rate * (m / (1 - betas[0] ** t)) / ((v / (1 - betas[1] ** t)).sqrt() + epsilon)
            if clamp:
                x = x.clamp(0, white)
        return [*path, x / white]

    return run


def bounded_lbfgs(history: int) -> Callable[[Slope, Tensor], Path]:
    """This project's own: Nocedal's two loops (1980) with a first step of FIRST_STEP on average and none longer than
    LONGEST_STEP (root mean square)."""

    def run(slope: Slope, start: Tensor) -> Path:
        x, path, pairs = start, [start], list[tuple[Tensor, Tensor]]()
        g = slope(x)
        for _ in range(STEPS - 1):
            step = -two_loops(g, pairs[-history:]) if pairs else -g / g.abs().sum() * FIRST_STEP * x.numel()
            step = step * min(1.0, LONGEST_STEP / float(step.square().mean().sqrt()))
            x, before = x + step, g
            g = slope(x)
            pairs.append((step, g - before))
            path.append(x)
        return path

    return run


def two_loops(slope: Tensor, pairs: list[tuple[Tensor, Tensor]]) -> Tensor:
    q, alphas = slope.clone(), []
    for s, y in reversed(pairs):
        alphas.append((s * q).sum() / (s * y).sum())
        q = q - alphas[-1] * y
    s, y = pairs[-1]
    q = q * (s * y).sum() / (y * y).sum()
    for (s, y), alpha in zip(pairs, reversed(alphas)):
        q = q + s * (alpha - (y * q).sum() / (s * y).sum())
    return q


OPTIMISERS: Mapping[str, Callable[[Slope, Tensor], Path]] = {
    "impasto": bounded_lbfgs(history=12),
    "gatys": lbfgs(white=255, history=20),
    "gatys-hires": lbfgs(white=255),
    "neural-style": lbfgs(white=256),
    "pytorch": lbfgs(clamp=True),
    "tensorflow": adam(0.02, (0.99, 0.999), 0.1, clamp=True),
    "peixeiro": adam(2.0, (0.9, 0.999), 1e-8, white=255),
    "vgg16": lbfgs(white=255),
    "wasserstein": adam(0.02, (0.9, 0.99), 1e-8, clamp=True, hat=False),
}


# The statements ---------------------------------------------------------------------------------------------


def scene() -> tuple[Tensor, Tensor]:
    """Content and style, a bit away from 0 and 1."""
    content, style = (picture(*SIZE, seed=seed).double() for seed in (1, 2))
    return content * 0.9 + 0.05, style * 0.9 + 0.05


def network(name: str) -> SmallNetwork:
    """vgg16's weights are for large activations; with small ones its optimiser would only creep."""
    return SmallNetwork(gain=30.0 if name == "vgg16" else 1.0)


def published_path(name: str) -> Path:
    content, style = scene()
    slope = slope_of(published.LOSSES[name](network(name).all, content, style))
    if name == "neural-style":
        plain = slope

        def slope(rgb: Tensor) -> Tensor:
            return plain(rgb) + published.neural_style_variation(rgb)

    return OPTIMISERS[name](slope, STARTS[name](content))


def painted(name: str, **changed: object) -> tuple[Path, Painting]:
    """The engine's path, shown within 0 to 1, and what it paints."""
    content, style = scene()
    recipe = recipes.override(recipes.find(name), {"coarsest": 0, "steps": STEPS, **changed})
    walk, path = paint(Commission(content, [Manner(style)], seed=SEED), network(name), recipe), Path()
    while True:
        try:
            path.append(next(walk).picture())
        except StopIteration as stop:
            return path, stop.value


@pytest.mark.parametrize("name", published.LOSSES)
def test_the_first_steps_are_those_of_the_published_program(name: str) -> None:
    found, _ = painted(name)
    wanted = published_path(name)[:STEPS]
    assert len(found) == len(wanted) == STEPS
    torch.testing.assert_close(found[0], wanted[0], rtol=0, atol=1e-12)
    for ours, theirs in zip(found[1:], wanted[1:]):
        moved = (theirs - wanted[0]).abs().max().item()
        assert moved > 1e-6
        torch.testing.assert_close(ours, theirs.clamp(0, 1), rtol=0, atol=1e-5 * moved)


def test_wasserstein_s_result_is_the_running_mean_of_its_iterates_without_the_bias_of_its_start() -> None:
    _, painting = painted("wasserstein")
    value, rest = torch.zeros(1, 3, *SIZE, dtype=torch.float64), 1.0
    for x in published_path("wasserstein"):
        value, rest = 0.99 * value + 0.01 * x, rest * 0.99
    torch.testing.assert_close(painting.picture, value / (1 - rest), rtol=0, atol=1e-9)


def test_the_result_of_lbfgs_is_the_best_picture_that_was_evaluated() -> None:
    """neural-style's path leads far astray and back here; its program would save whatever came last."""
    _, painting = painted("neural-style")
    content, style = scene()
    loss = published.LOSSES["neural-style"](SmallNetwork().all, content, style)
    losses = [float(loss(rgb)) for rgb in published_path("neural-style")]
    best = published_path("neural-style")[losses.index(min(losses))]
    torch.testing.assert_close(painting.picture, best.clamp(0, 1), rtol=0, atol=1e-9)
    assert max(losses) > 1000 * losses[0]


@pytest.mark.parametrize(
    ("name", "side", "sides", "steps"),
    [
        ("gatys-hires", 800, [512, 800], [500, 200]),
        ("wasserstein", 512, [128, 181, 256, 362, 512], [1000, 500, 500, 500, 500]),
        *((name, 300, [300], [steps]) for name, steps in
          {"neural-style": 1000, "pytorch": 300, "tensorflow": 1000, "peixeiro": 200}.items()),
    ],
)  # fmt: skip
def test_sizes_and_lengths_are_those_of_the_published_program(
    name: str, side: int, sides: list[int], steps: list[int]
) -> None:
    sizes = levels(side, side, recipes.find(name))
    assert [level.height for level in sizes] == sides
    assert [level.steps for level in sizes] == steps
