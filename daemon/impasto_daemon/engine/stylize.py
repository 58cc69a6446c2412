"""One request to one picture: the facade of the engine.

`paint` works from coarse to fine: at each size the picture is optimised towards the content's activations and the
styles' Gram matrices, and what it has become is enlarged to be the start of the next size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from impasto_protocol.errors import Code, ImpastoError
from torch import Tensor

from .features import Features
from .objective import RecipeObjective
from .optimise import Iterate, descend
from .rasters import fill_hidden, fitted, pad_to, resize
from .recipes import Recipe

STRENGTH_POWER = 2.0
"""Content weight goes with ((100−strength)/strength) to this power."""
MOST_ODDS = 1e4
"""Where (100−strength)/strength stops growing, just above strength 0: no sample changes long before that."""
FIXED_WORK = 64**2
"""What an evaluation costs beside its pixels, in pixels."""
LEAST_STYLE = 48
"""Pixels a side."""


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


def plan(height: int, width: int, recipe: Recipe, max_size: int = 0) -> tuple[Level, ...]:
    """The sizes for a content of height × width, the coarsest first.

    The last is the content's own, or smaller so that its longest side is max_size (0: no bound). The others halve
    it as long as a square of that area has no side below the recipe's `coarsest`.
    """
    longest = max(height, width)
    scale = min(1.0, max_size / longest) if max_size else 1.0
    sizes = [fitted(height, width, scale)]
    while recipe.coarsest and math.sqrt(height * width) * scale / 2 >= recipe.coarsest:
        scale /= 2
        sizes.insert(0, fitted(height, width, scale))
    last = len(recipe.steps) - 1
    return tuple(Level(h, w, recipe.steps[min(i, last)]) for i, (h, w) in enumerate(sizes))


def content_factor(strength: float) -> float:
    """By what strength (above 0, to 100) multiplies the content weight: 1 at 50, 0 at 100, MOST_ODDS² next to 0."""
    return float(min((100 - strength) / strength, MOST_ODDS) ** STRENGTH_POWER)


def paint(
    content: Tensor,
    styles: Sequence[tuple[Tensor, float]],
    features: Features,
    recipe: Recipe,
    strength: float = 50.0,
    max_size: int = 0,
    seed: int = 0,
    device: str = "cpu",
) -> Generator[Step, None, Tensor]:
    """Paint `content` in the manner of `styles`; yields after every evaluation, returns the painting.

    content: (1, 3, H, W) RGB or (1, 4, H, W) RGBA with straight alpha, samples 0 to 1, float32, H and W from 1 up, on
    the CPU.
    styles: the same kind of tensors, of any sizes, with weights (at least 0, together above 0).
    strength: 0 returns the content unchanged, 50 is the recipe's own balance, 100 leaves the content term out.
    device: where the features are. Pictures go there at the sizes they are painted at, never larger: its memory goes
    with `max_size` and not with the layer.
    Returns a tensor of exactly the content's shape, 0 to 1, on the CPU; alpha is the content's own. On one machine's
    CPU equal arguments give equal samples.

    Raises ImpastoError: BAD_REQUEST when nothing is visible in a picture or the weights are no weights, and what
    the features and the optimiser raise.
    """
    shares = _shares([weight for _, weight in styles])
    if strength == 0:
        return content
    rgb = _visible(content, "The layer")
    manners = [(_visible(style, "A style picture"), share) for (style, _), share in zip(styles, shares) if share]
    levels = plan(rgb.shape[2], rgb.shape[3], recipe, max_size)
    tally = _Tally(levels)
    painting = _start(resize(rgb, levels[0].height, levels[0].width), recipe, seed).to(device)
    for level in levels:
        target = resize(rgb, level.height, level.width).to(device)
        sized = [(_style_at(level, style, recipe).to(device), share) for style, share in manners]
        for iterate in _descend_at(level, painting, target, sized, features, recipe, content_factor(strength)):
            painting = iterate.best
            yield tally.step(level, iterate)
        painting = _cropped(painting, level)
    result = resize(painting.cpu(), *rgb.shape[-2:])
    return torch.cat([result, content[:, 3:]], 1)


def _descend_at(
    level: Level,
    painting: Tensor,
    target: Tensor,
    styles: Sequence[tuple[Tensor, float]],
    features: Features,
    recipe: Recipe,
    factor: float,
) -> Generator[Iterate, None, None]:
    """The iterates at one level, padded to what the features need; from a painting of any size."""
    least = features.least
    objective = RecipeObjective(
        recipe, features, pad_to(target, least), [(pad_to(style, least), share) for style, share in styles], factor
    )
    start = pad_to(resize(painting, level.height, level.width), least)
    return descend(objective, start, level.steps, recipe.optimiser, recipe.learning_rate, recipe.history)


class _Tally:
    """How far the whole painting is, over all its levels."""

    def __init__(self, levels: Sequence[Level]) -> None:
        self._steps, self._work = (
            sum(level.steps for level in levels),
            sum(level.steps * level.work for level in levels),
        )
        self._done, self._worked = 0, 0.0

    def step(self, level: Level, iterate: Iterate) -> Step:
        """The next one."""
        self._done += 1
        self._worked += level.work
        picture = partial(_cropped, iterate.x, level)
        return Step(self._done, self._steps, self._worked / self._work, iterate.losses, iterate.note, picture)


def _shares(weights: Sequence[float]) -> list[float]:
    whole = sum(weights)
    if not weights or not math.isfinite(whole) or whole <= 0 or min(weights) < 0:
        raise ImpastoError(Code.BAD_REQUEST, "The weights of the styles must be 0 or more, one of them above 0.")
    return [weight / whole for weight in weights]


def _visible(picture: Tensor, whose: str) -> Tensor:
    """RGB alone, what alpha hides filled from its surroundings."""
    if picture.shape[1] == 3:
        return picture
    if not bool((picture[:, 3] > 0).any()):
        raise ImpastoError(
            Code.BAD_REQUEST, f"{whose} is fully transparent: there is nothing to see. Choose one with something on it."
        )
    return fill_hidden(picture)


def _style_at(level: Level, style: Tensor, recipe: Recipe) -> Tensor:
    """The style at the size where its area is the level's (times style_scale squared), never enlarged.

    A level counts for no less than LEAST_STYLE a side: shrunk with a tiny picture, a style would have no manner left.
    """
    height, width = style.shape[-2:]
    area = max(level.height, LEAST_STYLE) * max(level.width, LEAST_STYLE)
    scale = math.sqrt(area / (height * width)) * recipe.style_scale
    return resize(style, *fitted(height, width, min(1.0, scale)))


def _start(content: Tensor, recipe: Recipe, seed: int) -> Tensor:
    """The content or mid-grey, with seeded noise on top (made on the CPU: the same on every device)."""
    start = content if recipe.init == "content" else torch.full_like(content, 0.5)
    if not recipe.noise:
        return start
    generator = torch.Generator("cpu").manual_seed(seed)
    noise = torch.randn(start.shape, generator=generator, dtype=torch.float32).to(start)
    return (start + recipe.noise * noise).clamp(0, 1)


def _cropped(x: Tensor, level: Level) -> Tensor:
    return x.detach()[..., : level.height, : level.width].clamp(0, 1)
