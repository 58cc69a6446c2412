"""The real painter: a request in, iterates out, a picture and its record at the end.

It joins the rooms: `networks` has the features, the `engine` paints, `tensors` turns pictures into tensors and back,
all of it on one `device`; `checkpoints` keep how jobs ended, for others to go on from (`resuming`). Networks stay
between jobs, and what was found of styles. It knows no sockets, and of a job's own name nothing until the painting is
done.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache, partial
from pathlib import Path

import torch
from impasto_protocol.errors import Code
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request
from torch import Tensor

from . import device as devices
from . import resuming
from .checkpoints import Checkpoint, Checkpoints
from .engine import host_memory, memory, recipes, stylize
from .engine.canvas import Commission, Manner
from .engine.idle import idle
from .engine.plan import Means, Plan, fits, fitting, plans, uses_half
from .engine.recipe import NETWORK_S_OWN, Recipe
from .engine.stylize import Painting, Step
from .engine.summaries import Summaries
from .generators import Returning
from .networks import Networks
from .painting import KEEP_SECONDS, Iterate, Painted, PaintEvent, Preparing, ProcessSpent, forget
from .planning import task_of
from .records import Told
from .tensors import to_picture, to_preview, to_tensor

WHOLE_BYTES = 128
"""Bytes of this machine's memory a pixel of the content, without which no whole iterate is made. Measured at 12
megapixels, the most that one took was 96."""

log = logging.getLogger(__name__)

Description = Callable[[], Mapping[str, object]]


def open_painter(device: str = "auto", weights: str | None = None, offline: bool = False) -> Painter:
    """The painter of this process. device: `auto`, `cpu`, `cuda`, `cuda:1`, …; weights: a file to use and no other;
    offline: fetch nothing. Raises ImpastoError for a device that is not here, or of no use."""
    memory.keep_memory()
    name = devices.chosen(device)
    try:
        with devices.watched(name):
            return Painter(name, Path(weights) if weights else None, offline)
    except RuntimeError as reason:
        if not memory.lacks_memory(reason):
            raise
        raise devices.filled(name) from reason


class Painter:
    """See painting.Painter. Not for more than one job at a time."""

    def __init__(self, device: str, weights: Path | None, offline: bool) -> None:
        self.device = device
        self._networks = Networks(device, weights, offline)
        self._summaries = Summaries()
        self._checkpoints = Checkpoints()
        self._kept = threading.Event()  # the last job's state
        self._kept.set()
        self._painting = ""
        self._plan: Plan | None = None  # of the job at hand, the leanest
        self._means = self._looked_around(*_speeds(device))

    def about(self) -> Mapping[str, object]:
        return {
            **asdict(self._means),
            "torch": torch.__version__,
            **self._networks.about(),
            "painting": self._painting,
        }

    def _looked_around(self, flops: float, half: float) -> Means:
        """What the device can do now."""
        device, host = devices.described(self.device), host_memory.free()
        return Means(device, memory.free(self.device), host, flops, half)

    def rest(self) -> None:
        """See painting.Painter. Networks stay, and what is known of styles."""
        with devices.watched(self._means.device):
            memory.release_memory()
            self._means = self._looked_around(self._means.flops, self._means.half)

    def paint(self, request: Request) -> Generator[PaintEvent, None, None]:
        self._plan = None
        try:
            with devices.watched(self._means.device):
                yield from self._paint(request)
            return
        except (RuntimeError, MemoryError) as reason:
            if not memory.lacks_memory(reason):
                raise
            log.warning("Out of memory: %s", reason)
        finally:
            self._painting = ""
        # Out here no traceback holds the job's tensors any more.
        with devices.watched(self._means.device):
            memory.release_memory()
        raise _out_of_memory(request, self._plan, self._means)

    def _preview(self, picture: Callable[[], Tensor], longest: int) -> Picture:
        return self._seen(picture, lambda rgb: to_preview(rgb, longest))

    def _whole(self, picture: Callable[[], Tensor], content: Picture) -> Picture:
        free = host_memory.free()
        if free is not None and free < WHOLE_BYTES * content.width * content.height:
            raise MemoryError("the painting itself needs what is left")
        return self._seen(picture, lambda painting: to_picture(painting, content))

    def _seen(self, picture: Callable[[], Tensor], made: Callable[[Tensor], Picture]) -> Picture:
        try:
            with devices.watched(self._means.device):
                return made(picture())
        except RuntimeError as reason:
            if not memory.lacks_memory(reason):
                raise
            raise MemoryError(str(reason)) from reason

    def _paint(self, request: Request) -> Generator[PaintEvent, None, None]:
        began, told = time.monotonic(), Told()
        self._means = self._looked_around(self._means.flops, self._means.half)
        asked = recipes.override(recipes.find(request.recipe), request.settings)
        commission, describe = _commission(request), cache(request.describe)  # reads every sample: not at the start
        if request.strength == 0:
            resuming.kept(self._checkpoints, request, self.device)
            told.notes.append("Strength 0 leaves the picture as it is: nothing was optimised.")
            end = _End(request.content, asked)
        else:
            end = yield from self._optimised(commission, asked, request, describe, told)
        record = {
            "request": describe(),
            **end.describe(),
            "device": devices.described(self.device),
            "torch": torch.__version__,
            **told.describe(),
            "stand_in": end.recipe.name if end.recipe.name != asked.name else "",
            "seconds": round(time.monotonic() - began, 2),
        }
        self._painting = ""
        yield Painted(end.picture, record, end.keep)

    def _optimised(
        self, commission: Commission, asked: Recipe, request: Request, describe: Description, told: Told
    ) -> Generator[PaintEvent, None, _End]:
        self._painting = asked.name
        found = yield from self._networks.choose(asked, request, uses_half(asked, self._means))
        recipe = found.recipe
        if found.note:
            self._painting = f"{recipe.name}, which stands in for {asked.name}"
            told.warn(found.note)
            yield Preparing(found.note, warning=True, stand_in=recipe.name)
        devices.allow_tf32(recipe.precision == "tf32")
        half, ways = uses_half(recipe, self._means), self._ways(request, recipe)

        def mark() -> str:
            return resuming.fingerprint(describe(), recipe, found.weights, self.device, half)

        told.plan, self._plan = {**asdict(ways[0]), "device": self._means.device}, ways[-1]
        before = resuming.earlier(self._checkpoints, request, self.device, mark, ways[0])
        told.resumed, told.notes = before.about, [*told.notes, *before.notes, *_idle(request, recipe)]
        walk = stylize.paint(
            commission,
            found.features,
            recipe,
            self.device,
            resume=before.state,
            before=before.picture,
            ways=ways,
            summaries=self._summaries,
        )
        del before  # large, and the walk's by now
        painting = yield from self._told(walk, told, request.content)
        told.stopped = painting.stopped
        keep: Callable[[str], None] = forget
        if painting.last is not None and painting.way:
            told.plan = {**asdict(painting.way), "device": self._means.device}
            way = resuming.way_of(painting.way)
            keep = self._keeping(Checkpoint(mark(), painting.last, painting.state, way))
        picture, features = to_picture(painting.picture, request.content), recipe.features if told.course else ""
        return _End(picture, recipe, features, self._precision(recipe), found.weights, keep)

    def _told(
        self, walk: Generator[Step, None, Painting], told: Told, content: Picture
    ) -> Generator[Iterate, None, Painting]:
        """The engine's steps as events, and in the record."""
        steps = Returning(walk)
        for step in steps:
            losses = {name: value for name, value in step.losses.items() if math.isfinite(value)}
            told.step(step.step, losses)
            if step.note:
                told.warn(step.note)
            if step.remark:
                told.remark(step.remark)
            preview = partial(self._preview, step.picture)
            whole = partial(self._whole, step.whole, content)
            yield Iterate(step.step, step.steps, step.done, losses, preview, whole, step.enough)
        return steps.value

    def _precision(self, recipe: Recipe) -> str:
        """Of activations."""
        if uses_half(recipe, self._means):
            return "bfloat16"
        return "tf32" if recipe.precision == "tf32" and self.device.startswith("cuda") else "float32"

    def _ways(self, request: Request, recipe: Recipe) -> Sequence[Plan]:
        """The plans from the first that fits on, the others for when memory runs out all the same. Raises
        ImpastoError(OUT_OF_MEMORY) with the figures where none fits."""
        task = task_of(request.outline)
        if not fits(plans(task, recipe, self._means)[0], self._means):
            # What earlier jobs have left is free and does not look so, when the last one's state is on the disk.
            self._kept.wait(KEEP_SECONDS)
            memory.release_memory()
            self._means = self._looked_around(self._means.flops, self._means.half)
        return fitting(task, recipe, self._means)

    def _keeping(self, checkpoint: Checkpoint) -> Callable[[str], None]:
        """What keeps how a painting ended, when the job's name is known. Until then what is to be kept takes memory."""
        fitting = self._checkpoints.fitting(checkpoint)
        self._kept.clear()
        return partial(self._keep, fitting)

    def _keep(self, checkpoint: Checkpoint | None, job: str) -> None:
        try:
            self._checkpoints.save(job, checkpoint)
        finally:
            self._kept.set()


@dataclass(frozen=True)
class _End:
    """A painting at its end: the picture, what it was painted with, and what is to be kept."""

    picture: Picture
    recipe: Recipe
    features: str = ""
    precision: str = "float32"
    weights: Mapping[str, str] = field(default_factory=dict)
    keep: Callable[[str], None] = forget

    def describe(self) -> dict[str, object]:
        """As a part of the record."""
        return {
            "recipe": self.recipe.describe(),
            "features": self.features,
            "precision": self.precision,
            "weights": dict(self.weights),
        }


def _speeds(device: str) -> tuple[float, float]:
    """Of convolutions in full and in half precision."""
    full = devices.speed(device)
    return full, devices.half_speed(device, full)


def _commission(request: Request) -> Commission:
    """The request in tensors. Raises ImpastoError(BAD_REQUEST) where samples are no numbers."""
    manners = [
        Manner(
            to_tensor(style.picture, "A style picture"),
            style.weight,
            None if style.mask is None else to_tensor(style.mask, "The mask of a style"),
        )
        for style in request.styles
    ]
    mask = None if request.content_mask is None else to_tensor(request.content_mask, "The content mask")
    content = to_tensor(request.content, "The layer")
    start = None if request.start is None else to_tensor(request.start, "The start")
    return Commission(content, manners, request.strength, request.max_size, request.seed, mask, start)


def _idle(request: Request, recipe: Recipe) -> list[str]:
    """A sentence for each setting that the user gave and that does nothing here."""
    resumed = bool(request.resume) or request.start is not None
    given = [name for name in request.settings if recipe.name == request.recipe or name not in NETWORK_S_OWN]
    found = idle(given, recipe, resumed)
    if resumed and request.seed:
        found["seed"] = "it begins with a painting, at the last size"
    return [f"The setting {name} does nothing here: {why}." for name, why in found.items()]


def _out_of_memory(request: Request, plan: Plan | None, means: Means) -> ProcessSpent:
    """The sentence with a remedy for memory that ran out in the last plan. What this process had taken is in pieces by
    then, and may fit no job any more."""
    longest = max(request.content.width, request.content.height)
    size = min(longest, request.max_size or longest)
    smaller = max(64, size * 2 // 3)
    reckoned = f", which was reckoned to take {plan.bytes / 1e9:.1f} GB" if plan else ""
    free = f" of the {means.memory / 1e9:.1f} GB that were free" if means.memory else ""
    return ProcessSpent(
        Code.OUT_OF_MEMORY,
        f"{means.device} ran out of memory while painting at {size} pixels{reckoned}{free}. Choose a smaller max-size, "
        f"for example {smaller}, or close programs that use this memory; the result has the layer's "
        "full size all the same.",
        max_size=smaller,
    )
