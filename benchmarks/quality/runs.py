"""One recipe on one pair of pictures, for so many seconds of processor time: the one place that calls the engine.

Time is the process's own (all threads, user and system), so that other programs on the machine cost nobody anything.
It counts what the engine does, set-up of targets included; not the pictures' loading, nor the judge.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

from impasto_daemon.engine import stylize
from impasto_daemon.engine.canvas import Commission, Manner
from impasto_daemon.engine.features import VGG, Features
from impasto_daemon.engine.optimise import Average
from impasto_daemon.engine.rasters import resize
from impasto_daemon.engine.recipe import Recipe
from impasto_daemon.engine.stylize import Painting, Step
from impasto_daemon.engine.wavelets import Wavelets
from torch import Tensor

PROBES = 3
"""Evaluations at each size by which their cost is found."""
ENDLESS = 100_000
"""More evaluations than any run makes: the clock ends it."""


@dataclass(frozen=True)
class Pair:
    """A content and a style, (1, 3, H, W) each, with their files' names. The content has the size to paint at."""

    content_name: str
    style_name: str
    content: Tensor
    style: Tensor

    @property
    def name(self) -> str:
        return f"{self.content_name}-{self.style_name}"


@dataclass(frozen=True)
class Run:
    """What came of it: a picture of the content's size, seconds of processor time, evaluations made."""

    picture: Tensor
    seconds: float
    evaluations: int


@dataclass(frozen=True)
class Cost:
    """Seconds of one size: of its first evaluation beyond the others (targets are made), and of each."""

    setup: float
    each: float


def features_of(recipe: Recipe, networks: Mapping[str, VGG]) -> Features | None:
    """What the recipe looks at, None if there are no weights for it."""
    if recipe.features == "wavelets":
        return Wavelets()
    network = networks.get(recipe.features)
    return network.with_options(recipe.pooling, recipe.padding, recipe.seamless) if network else None


def published(pair: Pair, features: Features, recipe: Recipe, seed: int = 0) -> Run:
    """The recipe's own number of evaluations."""
    return _drive(pair, features, recipe, math.inf, seed)


def timed(pair: Pair, features: Features, recipe: Recipe, seconds: float, costs: Sequence[Cost], seed: int = 0) -> Run:
    """As many evaluations as fit into the seconds; at least one.

    A recipe of one size goes on or stops when its time is over. One of several sizes has its numbers of evaluations
    multiplied by the factor with which it fills the time, so that it comes to the last size at all.
    """
    return _drive(pair, features, filled(recipe, seconds, costs), seconds, seed)


def filled(recipe: Recipe, seconds: float, costs: Sequence[Cost]) -> Recipe:
    """The recipe with the numbers of evaluations (one a size, the coarsest first) that fill so much time.

    The last size has more than fit, for the clock to stop it.
    """
    steps = [recipe.steps[min(i, len(recipe.steps) - 1)] for i in range(len(costs))]
    setup = sum(cost.setup for cost in costs)
    factor = max(seconds - setup, 0.0) / sum(count * cost.each for count, cost in zip(steps, costs))
    return replace(recipe, steps=(*(max(1, round(count * factor)) for count in steps[:-1]), ENDLESS))


def probe(pair: Pair, features: Features, recipe: Recipe) -> list[Cost]:
    """What a size costs with this recipe, the coarsest first: measured in a run of a few evaluations each."""
    seconds: list[list[float]] = []
    size: tuple[int, ...] = ()
    began = time.process_time()
    for step in _walk(pair, features, replace(recipe, steps=(PROBES,)), 0):
        now = time.process_time()
        shape = tuple(step.picture().shape[-2:])
        if shape != size:
            seconds.append([])
            size = shape
        seconds[-1].append(now - began)
        began = time.process_time()
    return [Cost(max(0.0, first - min(rest)), min(rest)) for first, *rest in seconds]


def _walk(pair: Pair, features: Features, recipe: Recipe, seed: int) -> Generator[Step, None, Painting]:
    commission = Commission(pair.content, (Manner(pair.style),), seed=seed)
    return stylize.paint(commission, features, recipe)


def _drive(pair: Pair, features: Features, recipe: Recipe, seconds: float, seed: int) -> Run:
    began, evaluations, shown = time.process_time(), 0, _Shown(recipe)
    walk = _walk(pair, features, recipe, seed)
    try:
        while True:
            step = next(walk)
            evaluations += 1
            shown.see(step)
            spent = time.process_time() - began
            if spent >= seconds:
                walk.close()
                return Run(resize(shown.picture, *pair.content.shape[-2:]), spent, evaluations)
    except StopIteration as end:
        painting: Painting = end.value
        return Run(painting.picture[:, :3], time.process_time() - began, evaluations)


class _Shown:
    """What a walk that is stopped would show: the last iterate, or the running mean of those of the last size where
    that is the recipe's result."""

    def __init__(self, recipe: Recipe) -> None:
        self._decay = recipe.average
        self._picture: Tensor | None = None
        self._mean = Average(self._decay, {})

    def see(self, step: Step) -> None:
        """One more iterate."""
        picture = step.picture()
        if self._picture is None or self._picture.shape != picture.shape:
            self._mean = Average(self._decay, {})
        self._mean.add(picture)
        self._picture = picture

    @property
    def picture(self) -> Tensor:
        """(1, 3, h, w), at least one iterate having been seen."""
        assert self._picture is not None
        return self._mean.get() if self._decay else self._picture
