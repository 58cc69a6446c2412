"""One commission to one picture: the facade of the engine.

`paint` works from coarse to fine: at each size the picture is optimised towards the content's activations and the
styles' moments, and what it has become is enlarged to be the start of the next size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial

import torch
from torch import Tensor

from . import canvas as canvases
from . import colour
from .canvas import Canvas, Commission
from .features import MEAN, Features
from .objective import RecipeObjective
from .optimise import Iterate, Objective, State, Walk, descend
from .rasters import coverage, fitted, pad_to, resize
from .recipes import Recipe

FIXED_WORK = 64**2
"""What an evaluation costs beside its pixels, in pixels."""


@dataclass(frozen=True)
class Level:
    """One size of the pyramid: height and width in pixels, and how many evaluations are spent on it."""

    height: int
    width: int
    steps: int

    @property
    def work(self) -> float:
        """Of one evaluation, relative to another level's: its pixels, and a little for what does not depend on them."""
        return self.height * self.width + FIXED_WORK


@dataclass(frozen=True)
class Step:
    """Evaluation number `step` of `steps`, with the share `done` (0 to 1) of all work behind us: its losses, a note if
    something unusual was done, the picture (1, 3, h, w) within 0 to 1 at the size being worked on."""

    step: int
    steps: int
    done: float
    losses: Mapping[str, float]
    note: str
    picture: Callable[[], Tensor]


@dataclass(frozen=True)
class Painting:
    """The result, of exactly the content's shape, 0 to 1, on the CPU, with the content's own alpha.

    To go on from: the walk's state at the last size, and the picture (1, 3, h, w) at that size in the colours that are
    painted in, on the device (both None where nothing was optimised).
    """

    picture: Tensor
    state: State | None = None
    last: Tensor | None = None


def plan(height: int, width: int, recipe: Recipe, max_size: int = 0) -> tuple[Level, ...]:
    """The sizes for a content of height × width, the coarsest first.

    The last is the content's own, or smaller so that its longest side is max_size (0: no bound). The others are divided
    by the recipe's `factor`, as long as neither a square of the content's area nor one of the style's has a side below
    `coarsest`, and at most `levels` in all.
    """
    whole, longest = (height, width), max(height, width)
    scale = min(1.0, max_size / longest) if max_size else 1.0

    def side(scale: float) -> float:
        content = math.sqrt(height * width) * scale
        style = canvases.style_side(height * scale, width * scale, whole, recipe)
        return min(content, style) if recipe.style_size else content

    sizes = [fitted(height, width, scale)]
    while recipe.coarsest and len(sizes) < recipe.levels and round(side(scale / recipe.factor)) >= recipe.coarsest:
        scale /= recipe.factor
        sizes.insert(0, fitted(height, width, scale))
    last = len(recipe.steps) - 1
    return tuple(Level(h, w, recipe.steps[min(i, last)]) for i, (h, w) in enumerate(sizes))


def paint(
    commission: Commission,
    features: Features,
    recipe: Recipe,
    device: str = "cpu",
    resume: State | None = None,
    start: Tensor | None = None,
) -> Generator[Step, None, Painting]:
    """Paint a commission; yields after every evaluation, returns the painting.

    device: where the features are. Pictures go there at the sizes they are painted at, never larger: its memory goes
    with `max_size` and not with the layer.
    resume: the state of an earlier painting of the same commission: it goes on for the last size's steps, exactly as
    if it had not stopped. start: an earlier painting's `last` to go on from at the last size, where something has
    changed.
    On one machine's CPU equal arguments give equal samples.

    Raises ImpastoError: BAD_REQUEST as `canvas.canvas` says, and what the features and the optimiser raise.
    """
    content = commission.content
    if commission.strength == 0:
        return Painting(content)
    whole = canvases.canvas(commission, recipe)
    levels = plan(*whole.size, recipe, commission.max_size)
    if resume or start is not None:
        levels = levels[-1:]
    tally = _Tally(levels)
    painting = start if start is not None else _start(whole, levels[0], recipe, commission.seed)
    for level in levels:
        sized = canvases.at(whole, level.height, level.width, recipe, features.least, device)
        for iterate in _descend_at(level, painting.to(device), sized, features, recipe, resume):
            yield tally.step(level, iterate, partial(_shown, iterate.x, level, sized, recipe))
        painting, state = _cropped(iterate.result, level), iterate.state()
    return Painting(_finished(painting, whole, content, recipe), state, painting)


def _descend_at(
    level: Level, painting: Tensor, sized: Canvas, features: Features, recipe: Recipe, resume: State | None
) -> Generator[Iterate, None, None]:
    """The iterates at one level, padded to what the features need; from a painting of any size."""
    objective = RecipeObjective(recipe, features, sized.content, sized.regions, sized.hold)
    start = pad_to(resize(painting, level.height, level.width, recipe.seamless), features.least, recipe.seamless)
    walk = Walk(**{field.name: getattr(recipe, field.name) for field in fields(Walk) if hasattr(recipe, field.name)})
    return descend(_pinned(objective, sized), start, level.steps, walk, resume)


def _pinned(objective: Objective, sized: Canvas) -> Objective:
    """The objective of a picture that is the content where it must not change."""
    free = sized.free
    return objective if free is None else lambda rgb: objective(torch.where(free, rgb, sized.content.rgb))


class _Tally:
    """How far the whole painting is, over all its levels."""

    def __init__(self, levels: Sequence[Level]) -> None:
        self._steps = sum(level.steps for level in levels)
        self._work = sum(level.steps * level.work for level in levels)
        self._done, self._worked = 0, 0.0

    def step(self, level: Level, iterate: Iterate, picture: Callable[[], Tensor]) -> Step:
        """The next one."""
        self._done += 1
        self._worked += level.work
        return Step(self._done, self._steps, self._worked / self._work, iterate.losses, iterate.note, picture)


def _start(whole: Canvas, level: Level, recipe: Recipe, seed: int) -> Tensor:
    """The content, or its blend with ImageNet's mean colour, with seeded noise on top; nearer to the content where it
    is to be lightly painted, since little there takes the noise away again.

    The noise is made on the CPU: the same for every device.
    """
    content = resize(whole.content.rgb, level.height, level.width, recipe.seamless)
    share = {"content": 1.0, "noise": 0.0, "blend": recipe.blend}[recipe.init]
    start = torch.lerp(content.new_tensor(MEAN).view(1, 3, 1, 1).expand_as(content), content, share)
    if recipe.noise:
        generator = torch.Generator("cpu").manual_seed(seed)
        noise = NOISES[recipe.noise_kind](start.shape, generator).to(start)
        start = (start + recipe.noise * noise).clamp(0, 1)
    if whole.effort is None:
        return start
    return torch.lerp(content, start, coverage(whole.effort, level.height, level.width).square())


def _gaussian(shape: torch.Size, generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float32)


def _uniform(shape: torch.Size, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, dtype=torch.float32) * 2 - 1


NOISES: Mapping[str, Callable[[torch.Size, torch.Generator], Tensor]] = {"gaussian": _gaussian, "uniform": _uniform}
"""By the recipe's `noise_kind`, with a standard deviation or an amplitude of 1."""


def _shown(x: Tensor, level: Level, sized: Canvas, recipe: Recipe) -> Tensor:
    """An iterate as it would look as a result."""
    original = sized.original[..., : level.height, : level.width]
    rgb = colour.finish(recipe.colour, _cropped(x, level), original)
    free = sized.free
    return rgb if free is None else torch.where(free[..., : level.height, : level.width], rgb, original)


def _finished(painting: Tensor, whole: Canvas, content: Tensor, recipe: Recipe) -> Tensor:
    """The painting at the content's size, with its alpha, and with the content's samples where nothing was painted."""
    rgb = resize(painting.cpu(), *whole.size, recipe.seamless)
    rgb = colour.finish(recipe.colour, rgb, whole.original)
    if whole.free is not None:
        rgb = torch.where(whole.free, rgb, content[:, :3])
    return torch.cat([rgb, content[:, 3:]], 1)


def _cropped(x: Tensor, level: Level) -> Tensor:
    return x.detach()[..., : level.height, : level.width].clamp(0, 1)
