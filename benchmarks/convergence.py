"""Time to come near the loss that the plain published method ends with, against the time of its whole budget.

The plain method (`plain`) makes its 300 evaluations at one size, in float32. Impasto paints with the same objective in
several ways, each switched on alone (at the smaller sizes) and then together, until what it would show has a loss
within 5 % of the lowest that the plain method has shown. All losses are of the plain objective, in float32, of pictures
clipped to 0..1 and at full size; evaluating them stops the clock. Every run has a
process of its own.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product

import torch
from impasto_daemon.engine import recipes, stylize
from impasto_daemon.engine.canvas import Commission, Manner
from impasto_daemon.engine.levels import levels
from impasto_daemon.engine.rasters import resize
from impasto_daemon.engine.recipe import Recipe
from torch import Tensor

from . import plain
from .measure import Curve, Findings, Ratio, Stopwatch, Table
from .setting import Setting, alone, as_the_worker_does, network

SIZES = (256, 512)
EACH_ALONE = 256
"""Up to this side every way is run, beyond it those that join the others: plain's minutes are long enough there."""
NEAR = 1.05
"""Of the plain method's last loss."""
LONGEST = 1.5
"""Of the plain method's evaluations at full size: a way that has not come near by then has not."""
DENSITY = 1.04
"""From one evaluation whose loss is looked at to the next, beyond the first ones."""
MEAN, NOISE = (0.485, 0.456, 0.406), 0.2
"""White noise to start from: its mean colour and deviation."""


@dataclass(frozen=True)
class Way:
    """How to reach the objective's minimum: what the engine is told beyond the objective."""

    says: str
    settings: Mapping[str, str | float] = field(default_factory=dict)
    precision: str = "fp32"
    coarse: int = 0
    """Evaluations at each coarser size; 0 for a single size."""
    joins: bool = False
    """Whether it joins the others."""


_ONE_SIZE: Mapping[str, str | float] = {
    "optimiser": "lbfgs",
    "history": 100,
    "coarsest": 0,
    # As for the plain method: its optimiser needs losses of this size.
    "content_weight": plain.ALPHA * plain.UNIT,
    "style_weight": plain.UNIT,
    "range_weight": plain.UNIT,
}
_BOUNDED: Mapping[str, str | float] = {"optimiser": "bounded-lbfgs", "history": 12, "coarsest": 0}
_PYRAMID: Mapping[str, str | float] = {"coarsest": 128, "factor": 2.0}

WAYS: Mapping[str, Way] = {
    "memory kept": Way("the plain method in a process that keeps its memory, as the worker does"),
    "engine": Way("the engine with PyTorch's L-BFGS: channels last, activations overwritten", _ONE_SIZE),
    "+ bounded": Way("and with bounded L-BFGS of 12 steps", _BOUNDED),
    "+ pyramid": Way("and with PyTorch's L-BFGS, from coarse to fine", {**_ONE_SIZE, **_PYRAMID}, coarse=25),
    "+ bf16": Way("and with PyTorch's L-BFGS, convolutions in bfloat16", _ONE_SIZE, precision="bf16"),
    "all": Way("bounded L-BFGS and bfloat16 at one size", _BOUNDED, precision="bf16", joins=True),
    "all + pyramid": Way("and from coarse to fine", {**_BOUNDED, **_PYRAMID}, precision="bf16", coarse=25, joins=True),
}
"""By name, each beside the plain method itself. The first has plain's own code."""
PLAIN = "plain"


@dataclass(frozen=True)
class Case:
    """What is painted from where: the pictures' numbers, a side in pixels, a seed."""

    side: int
    start: str
    content: int = 0
    style: int = 0
    seed: int = 0

    @property
    def title(self) -> str:
        return f"{self.side}×{self.side} from {'the content' if self.start == 'content' else 'white noise'}"


@dataclass(frozen=True)
class Look:
    """After so many evaluations at all sizes and so many seconds (on the wall, of the processor), the loss."""

    evaluations: int
    wall: float
    processor: float
    loss: float


@dataclass(frozen=True)
class Course:
    """How a run went: the looks taken, the last one at the end of its budget or where it came near."""

    looks: tuple[Look, ...]

    @property
    def end(self) -> Look:
        return self.looks[-1]

    @property
    def loss(self) -> float:
        """The lowest: the last look may be at a trial of a line search."""
        return min(look.loss for look in self.looks)

    def near(self, loss: float) -> Look | None:
        """The first look within NEAR of this loss."""
        return next((look for look in self.looks if look.loss <= NEAR * loss), None)


class Watch:
    """Looks at the pictures of a run now and then, with the clock stopped."""

    def __init__(self, objective: Callable[[Tensor], Tensor], side: int, enough: float = 0.0) -> None:
        self._objective, self._side, self._enough = objective, side, enough
        self.clock, self.looks, self._evaluations, self._next = Stopwatch(), list[Look](), 0, 1.0
        self.near = False

    def see(self, picture: Callable[[], Tensor], last: bool = False) -> None:
        """The picture of one more evaluation."""
        self._evaluations += 1
        if self._evaluations < self._next and not last:
            return
        self._next = max(self._evaluations + 1, self._evaluations * DENSITY)
        wall, processor = self.clock.seconds
        with self.clock.paused(), torch.no_grad():
            shown = resize(picture().clamp(0, 1), self._side, self._side)
            loss = float(self._objective(shown))
        self.looks.append(Look(self._evaluations, wall, processor, loss))
        self.near = loss <= self._enough

    @property
    def course(self) -> Course:
        return Course(tuple(self.looks))


def start(case: Case, content: Tensor) -> Tensor:
    """The picture to begin with, (1, 3, h, w)."""
    if case.start == "content":
        return content
    noise = torch.randn(content.shape, generator=torch.Generator().manual_seed(case.seed))
    return (torch.tensor(MEAN).view(1, 3, 1, 1) + NOISE * noise).clamp(0, 1)


def run_plain(setting: Setting, case: Case, keeps_memory: bool = False) -> Course:
    """The plain method, in this process."""
    if keeps_memory:
        as_the_worker_does()
    content, style = setting.content(case.side, case.content), setting.style(case.side, case.style)
    features = plain.network(setting.state())
    judge = plain.Objective(features, content, style)
    Watch(judge, case.side).see(lambda: start(case, content))  # what is set up once in a process takes no time below
    watch = Watch(judge, case.side)
    objective = plain.Objective(features, content, style)
    seen, count = 0, setting.evaluations

    def see(picture: Tensor) -> None:
        nonlocal seen
        seen += 1
        watch.see(lambda: picture, last=seen == count)

    plain.paint(objective, start(case, content), count, see)
    return watch.course


def run_way(setting: Setting, case: Case, way: Way, loss: float) -> Course:
    """The engine in this way, in this process, until it comes near this loss."""
    as_the_worker_does()
    content, style = setting.content(case.side, case.content), setting.style(case.side, case.style)
    recipe = recipe_of(way, case, setting.evaluations)
    state = setting.state()
    features, judge = network(state, recipe, way.precision), plain.Objective(plain.network(state), content, style)
    Watch(judge, case.side).see(lambda: start(case, content))  # as for the plain method
    watch = Watch(judge, case.side, NEAR * loss)
    for step in stylize.paint(Commission(content, (Manner(style),), seed=case.seed), features, recipe):
        watch.see(step.picture, last=step.step == step.steps)
        if watch.near:
            break
    return watch.course


def recipe_of(way: Way, case: Case, evaluations: int) -> Recipe:
    """The recipe of the plain objective, painted in this way."""
    begin = {"init": case.start, "noise": NOISE if case.start == "noise" else 0.0}
    recipe = recipes.override(recipes.find("impasto"), {**plain.SETTINGS, **begin, **way.settings})
    coarser = len(levels(case.side, case.side, recipe)) - 1
    return replace(recipe, steps=(*[way.coarse] * coarser, round(LONGEST * evaluations)))


def run(setting: Setting, case: Case) -> dict[str, Course]:
    """The plain method and the ways for this size, each in a process of its own, one after the other."""
    found = {PLAIN: alone(run_plain, setting, case)}
    loss = found[PLAIN].loss
    for name, way in WAYS.items():
        if case.side > EACH_ALONE and not way.joins:
            continue
        job = partial(run_way, way=way, loss=loss) if way.settings else partial(run_plain, keeps_memory=True)
        found[name] = alone(job, setting, case)
    return found


def measure(setting: Setting) -> Findings:
    """By size and start: a ratio and a row for each way."""
    found = Findings()
    for side, begin in product(setting.sizes or SIZES, setting.starts):
        cases = [
            Case(side, begin, content, style, seed)
            for content in range(len(setting.contents))
            for style in range(len(setting.styles))
            for seed in range(setting.repeat)
        ]
        more = of_cases(cases[0].title, [run(setting, case) for case in cases])
        found = Findings(found.ratios + more.ratios, found.tables + more.tables, found.curves + more.curves)
    return found


def of_cases(title: str, runs: Sequence[Mapping[str, Course]]) -> Findings:
    """What runs of the same size and start have in common."""
    ratios, rows = [], []
    for name in runs[0]:
        pairs = [(each[PLAIN].end, each[name].near(each[PLAIN].loss)) for each in runs]
        came = [(end, near) for end, near in pairs if near]
        told = f"{len(came)} of {len(pairs)}"
        if not came:
            lowest = statistics.median(each[name].loss / each[PLAIN].loss for each in runs)
            rows.append((name, told, "", "", f"ended at {lowest:.2f}×", ""))
            continue
        by_wall = Ratio.of(
            f"plain L-BFGS's whole budget at {title}",
            f"of “{name}” to come within {NEAR - 1:.0%} of its loss",
            [(end.wall, near.wall) for end, near in came],
            "s",
        )
        by_processor = statistics.median(end.processor / near.processor for end, near in came)
        ratios.append(by_wall)
        rows.append((
            name,
            told,
            f"{statistics.median(near.evaluations for _, near in came):.0f}",
            f"{by_wall.against_value:.1f}",
            f"{by_wall.median:.2f} ({by_wall.low:.2f} to {by_wall.high:.2f})",
            f"{by_processor:.2f}",
        ))  # fmt: skip
    columns = ("way", "came near", "evaluations", "seconds", "times faster", "in processor time")
    loss = statistics.median(each[PLAIN].loss for each in runs)
    heading = f"{title}: the plain method ends with {loss:.5f}"
    return Findings(tuple(ratios), (Table(heading, columns, tuple(rows)),), tuple(_curves(title, runs[0])))


def _curves(title: str, courses: Mapping[str, Course]) -> list[Curve]:
    plot, y = f"Convergence at {title}", "loss, float32"
    return [
        Curve(plot, "seconds", y, name, tuple((look.wall, look.loss) for look in course.looks))
        for name, course in courses.items()
    ]
