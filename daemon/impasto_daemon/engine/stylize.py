"""One commission to one picture: the facade of the engine.

`paint` works from coarse to fine: at each size the picture is optimised towards the content's activations and the
styles' moments, and what it has become is enlarged to be the start of the next size.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial

import torch
from torch import Tensor

from . import canvas as canvases
from . import colour, memory
from .canvas import Canvas, Commission, View
from .features import MEAN, Features
from .levels import Level, levels
from .objective import RecipeObjective
from .optimise import Iterate, Objective, State, Walk, descend
from .plan import Plan
from .rasters import coverage, pad_to, resize
from .recipe import Recipe
from .summaries import Summaries

READ_EVERY = 5
"""Evaluations from one reading of the losses to the next, on a device that is waited for whenever they are read."""


@dataclass(frozen=True)
class Step:
    """Evaluation number `step` of `steps`, with the share `done` (0 to 1) of all work behind us: its losses, a note if
    something unusual was done that an artist should know, a remark if it was one that nobody need know, the picture
    (1, 3, h, w) within 0 to 1 at the size being worked on.

    whole: the painting that this picture would be as the result, as `Painting.picture` is; takes as much memory on the
    CPU. enough: called before the next step is asked for, ends the painting with that picture.
    """

    step: int
    steps: int
    done: float
    losses: Mapping[str, float]
    note: str
    remark: str
    picture: Callable[[], Tensor]
    whole: Callable[[], Tensor]
    enough: Callable[[], None]


@dataclass(frozen=True)
class Painting:
    """The result, of exactly the content's shape, 0 to 1, on the CPU, with the content's own alpha.

    To go on from: the walk's state at the last size, and the picture (1, 3, h, w) at that size in the colours that are
    painted in, on the device (both None where nothing was optimised). way: how it was painted in the end. stopped:
    somebody had seen enough before it was done; then there is no state, and the picture may have an earlier size.
    """

    picture: Tensor
    state: State | None = None
    last: Tensor | None = None
    way: Plan | None = None
    stopped: bool = False


def paint(
    commission: Commission,
    features: Features,
    recipe: Recipe,
    device: str = "cpu",
    resume: State | None = None,
    before: Tensor | None = None,
    ways: Sequence[Plan] = (),
    summaries: Summaries | None = None,
) -> Generator[Step, None, Painting]:
    """Paint a commission; yields after every evaluation, returns the painting.

    device: where the features are. Pictures go there at the sizes they are painted at, never larger: its memory goes
    with `max_size` and not with the layer. A commission that says what to start with is painted at the last size alone:
    that is where the start has its strokes, which would come anew from smaller sizes.
    resume: the state of an earlier painting of the same commission: it goes on for the last size's steps, exactly as
    if it had not stopped. before: an earlier painting's `last` to go on from at the last size, where something has
    changed.
    ways: how to do it with the memory that there is; where that runs out, the next way goes on from the last iterate,
    and the first step after it says so in its note. None: in one piece, whatever it takes.
    summaries: those of styles that were seen before, to which new ones are added; they change no sample.
    On one machine's CPU equal arguments give equal samples.

    Raises ImpastoError: BAD_REQUEST as `canvas.canvas` says, and what the features and the optimiser raise.
    """
    content = commission.content
    if commission.strength == 0:
        return Painting(content)
    whole = canvases.canvas(commission, recipe)
    sizes = levels(*whole.size, recipe, commission.max_size)
    if resume or before is not None or whole.start is not None:
        sizes = sizes[-1:]
    ways = list(ways) or [Plan(history=recipe.history)]
    finish = partial(_finished, whole=whole, content=content, recipe=recipe)
    job = _Job(features, recipe, Summaries() if summaries is None else summaries, ways, _Tally(sizes), finish)
    painting, state = before, None
    for level in sizes:
        last = level is sizes[-1]
        if ways[0].tile:  # memory is dear: what smaller sizes have left is in pieces that no larger picture fits into
            memory.release_memory()
        sized = canvases.at(whole, level.height, level.width, recipe, features.least, device)
        painting = _start(whole, sized, level, recipe, commission.seed) if painting is None else painting
        walk = _at_level(job, level, painting, sized, resume, keeps=last)
        resume = None  # a state is large: whoever holds on to it keeps the walk from letting it go
        painting, state = yield from walk
        if job.tally.over:
            break
    assert painting is not None  # there is always a size
    return Painting(finish(painting), state, painting, ways[0], job.tally.over)


@dataclass(frozen=True)
class _Job:
    """What is the same at all levels; but ways are dropped that memory did not suffice for. finish: makes the result of
    what was painted at any level."""

    features: Features
    recipe: Recipe
    summaries: Summaries
    ways: list[Plan]
    tally: _Tally
    finish: Callable[[Tensor], Tensor]

    def finished(self, x: Tensor, level: Level) -> Tensor:
        """What an iterate at this level would be as the result."""
        return self.finish(_cropped(x, level))


def _at_level(
    job: _Job, level: Level, painting: Tensor, sized: Canvas, resume: State | None, keeps: bool
) -> Generator[Step, None, tuple[Tensor, State | None]]:
    """Paint at one level, in the first of the ways that the memory suffices for; the others before it are dropped.
    keeps: whether somebody may go on from the walk's state, which is large, and takes one more step of the walk."""
    done, note, last = 0, "", None
    while True:
        try:
            rest = replace(level, steps=level.steps - done)
            for iterate in _descend_at(job, rest, painting, sized, resume):
                done, resume, last = done + 1, None, iterate.x
                told = replace(iterate, note=" ".join(filter(None, (note, iterate.note))))
                note = ""
                picture = partial(_shown, iterate.x, level, sized, job.recipe)
                yield job.tally.step(level, told, picture, partial(job.finished, iterate.x, level))
                if job.tally.over:
                    return _cropped(iterate.x, level), None
            found, state = _cropped(iterate.result, level), iterate.state() if keeps else None
            job.tally.skip(level, level.steps - done)
            return found, state
        except (RuntimeError, MemoryError) as reason:
            if not memory.lacks_memory(reason) or len(job.ways) == 1:
                raise
        # Out here no traceback holds what the attempt took, and nothing may be made before that is given back.
        iterate = told = None  # type: ignore[assignment]
        memory.release_memory()
        painting, last = painting if last is None else _cropped(last, level), None
        job.ways.pop(0)
        way = _said(job.ways[0], job.recipe)
        note = f"Memory ran out: this goes on {way}, from the last iterate with a fresh optimiser."
        if done == level.steps:
            done -= 1  # one more evaluation, for a result
            job.tally.back(level)


def _said(way: Plan, recipe: Recipe) -> str:
    pieces = f"in tiles of {way.tile} pixels" if way.tile else "in one piece"
    return f"{pieces} with {way.history} pairs of L-BFGS's history" if "lbfgs" in recipe.optimiser else pieces


def _descend_at(
    job: _Job, level: Level, painting: Tensor, sized: Canvas, resume: State | None
) -> Generator[Iterate, None, None]:
    """The iterates at one level, padded to what the features need; from a painting of any size."""
    recipe, features, way, device = job.recipe, job.features, job.ways[0], sized.original.device
    objective = RecipeObjective(
        recipe, features, sized.content, sized.regions, sized.hold, tile=way.tile, summaries=job.summaries
    )
    start = pad_to(
        resize(painting.to(device), level.height, level.width, recipe.seamless),
        features.least,
        recipe.seamless,
    )
    fields_of_recipe = {each.name: getattr(recipe, each.name) for each in fields(Walk) if hasattr(recipe, each.name)}
    walk = replace(
        Walk(**fields_of_recipe),
        history=way.history,
        pairs="half" if way.half_pairs else "full",
        check=1 if device.type == "cpu" else READ_EVERY,
    )
    return descend(_pinned(objective, sized), start, level.steps, walk, resume)


def _pinned(objective: Objective, sized: Canvas) -> Objective:
    """The objective of a picture that is the content where it must not change."""
    free = sized.free
    return objective if free is None else lambda rgb: objective(torch.where(free, rgb, sized.content.rgb))


class _Tally:
    """How far the whole painting is, over all its levels. over: whoever watches has seen enough."""

    over = False

    def __init__(self, levels: Sequence[Level]) -> None:
        self._steps = sum(level.steps for level in levels)
        self._work = sum(level.steps * level.work for level in levels)
        self._done, self._worked = 0, 0.0

    def step(self, level: Level, iterate: Iterate, picture: Callable[[], Tensor], whole: Callable[[], Tensor]) -> Step:
        """The next one."""
        self._done += 1
        self._worked += level.work
        share = self._worked / self._work
        said = iterate.note, iterate.remark
        return Step(self._done, self._steps, share, iterate.losses, *said, picture, whole, self._enough)

    def _enough(self) -> None:
        self.over = True

    def back(self, level: Level) -> None:
        """An evaluation of this level has to be made once more."""
        self._done -= 1
        self._worked -= level.work

    def skip(self, level: Level, steps: int) -> None:
        """A level ended before its steps were done."""
        self._steps -= steps
        self._work -= steps * level.work


def _start(whole: Canvas, sized: Canvas, level: Level, recipe: Recipe, seed: int) -> Tensor:
    """The picture that was given to start with. Where none was: the content, or its blend with ImageNet's mean colour,
    with seeded noise on top; nearer to the content where it is to be lightly painted, since little there takes the
    noise away again.

    The noise is made on the CPU: the same for every device.
    """
    content = _cropped(sized.content.rgb, level)
    if whole.start is not None:
        return _given(whole.start, content, recipe)
    share = {"content": 1.0, "noise": 0.0, "blend": recipe.blend}[recipe.init]
    start = torch.lerp(content.new_tensor(MEAN).view(1, 3, 1, 1).expand_as(content), content, share)
    if recipe.noise:
        generator = torch.Generator("cpu").manual_seed(seed)
        noise = NOISES[recipe.noise_kind](start.shape, generator).to(start)
        start = (start + recipe.noise * noise).clamp(0, 1)
    if sized.effort is None:
        return start
    return torch.lerp(content, start, _cropped(sized.effort, level).square())


def _given(start: View, content: Tensor, recipe: Recipe) -> Tensor:
    """The start at the content's size, and the content where there is none of it."""
    size = content.shape[-2], content.shape[-1]
    rgb = resize(start.rgb, *size, recipe.seamless).to(content)
    return rgb if start.counts is None else torch.lerp(content, rgb, coverage(start.counts, *size).to(content))


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
