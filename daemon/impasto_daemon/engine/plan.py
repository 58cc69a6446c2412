"""How a painting will be done with the memory that there is, and what it will take: reckoned before it starts.

A plan is a way to the same picture: in one piece or in tiles, with a longer or shorter memory of L-BFGS. No torch here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from impasto_protocol.errors import Code, ImpastoError

from .cost import APART, FIXED, OVERHEAD, PICTURES, cost, held, reach
from .levels import Level, levels, style_side
from .recipe import Recipe

TILES = (2048, 1024, 512, 256)
"""Sides of tiles in pixels, the fastest first."""
SHORT = 4
"""Pairs of L-BFGS's history where memory is dear: its steps are hardly worse."""
SPARE, ADVISED = 0.9, 0.8
"""Shares of the free memory: that a plan may take, for other programs want some too, and that a size which is advised
would take, for it is a little less when that is tried."""
LEAST_SIZE, GRAIN = 64, 16
"""Pixels: the smallest size that is ever advised, and what such sizes are multiples of."""
REGION, MASKED = 6, 10
"""Bytes a pixel of a region's map, with its smaller copies for the layers; and of what masks make of the content."""
VIEW = 16
"""Bytes a pixel of a style, with what counts of it."""
END = 24
"""Bytes for each pixel of the content that the end takes beside the result: the painting at that size, and once more
with its colours finished."""


@dataclass(frozen=True)
class Means:
    """What a device can do.

    device: for people. memory: bytes that may still be taken there, None where nobody knows; host: in the machine's own
    memory, on the CPU the same. flops: operations a second in 3×3 convolutions of float32, 0 where nobody knows.
    half: of bfloat16, 0 where that is no quicker.
    """

    device: str
    memory: int | None
    host: int | None
    flops: float
    half: float


@dataclass(frozen=True)
class Task:
    """What is to be painted, as far as it costs anything.

    height, width, channels: of the content; sample: bytes of its samples as they come. styles: heights and widths.
    masks: how many; regions: how many parts of the content have statistics of their own. max_size: as in a request.
    resumed: whether it goes on from a painting, with the smaller sizes behind it; start: whether one is given to begin
    with, where no walk has been either.
    """

    height: int
    width: int
    channels: int = 3
    sample: int = 1
    styles: Sequence[tuple[int, int]] = ()
    masks: int = 0
    regions: int = 1
    max_size: int = 0
    resumed: bool = False
    start: bool = False


@dataclass(frozen=True)
class Plan:
    """One way to paint.

    tile: side of the tiles in pixels, 0 for one piece; tiles: how many the last level has; history: pairs of L-BFGS;
    half_pairs: whether those are kept in half precision. bytes: at most, on the device; host: in the machine's own
    memory (on a CPU 0: it is the device's). seconds: None where nobody knows.
    width, height, evaluations: of the last level.
    """

    tile: int = 0
    tiles: int = 1
    history: int = 100
    half_pairs: bool = False
    bytes: int = 0
    seconds: float | None = None
    width: int = 0
    height: int = 0
    evaluations: int = 0
    host: int = 0


def plans(task: Task, recipe: Recipe, means: Means) -> tuple[Plan, ...]:
    """The ways to paint, the best first, each taking less memory than the one before."""
    job, found = _Job(task, recipe, means), list[Plan]()
    sides = [side for side in TILES if side < max(job.last.height, job.last.width) and _divides(job.last, recipe)]
    ways = [(side, recipe.history, False) for side in (0, *sides)]
    if sides and "lbfgs" in recipe.optimiser:
        ways += [(sides[-1], recipe.history, True), (sides[-1], min(recipe.history, SHORT), True)]
    for way in ways:
        plan = job.plan(*way)
        if not found or plan.bytes < found[-1].bytes:
            found.append(plan)
    return tuple(found)


def fits(plan: Plan, means: Means) -> bool:
    """Whether the free memory suffices, or nobody knows how much that is."""
    return holds(plan, means) and _within(plan.host, means.host)


def holds(plan: Plan, means: Means) -> bool:
    """Whether the device's own does."""
    return _within(plan.bytes, means.memory)


def fitting(task: Task, recipe: Recipe, means: Means) -> tuple[Plan, ...]:
    """The plans from the first on that the free memory suffices for. Raises ImpastoError(OUT_OF_MEMORY), with a remedy,
    for none."""
    found = plans(task, recipe, means)
    for number, plan in enumerate(found):
        if fits(plan, means):
            return found[number:]
    least = found[-1]
    if not _within(least.host, means.host):
        raise ImpastoError(
            Code.OUT_OF_MEMORY,
            f"The pictures alone take {least.host / 1e9:.1f} GB of the machine's own memory, beside {means.device}, "
            f"and {(means.host or 0) / 1e9:.1f} GB are free. Close programs that use it, or paint a smaller layer.",
            needed=least.host,
            free=means.host,
        )
    size = largest(task, recipe, means)
    advice = f"Choose a max-size of {size}" if size else "Paint a smaller layer"
    raise ImpastoError(
        Code.OUT_OF_MEMORY,
        f"Painting {least.width}×{least.height} takes {least.bytes / 1e9:.1f} GB, and {means.device} has "
        f"{(means.memory or 0) / 1e9:.1f} GB free. {advice}, close programs that use this memory, or paint "
        "on a larger device.",
        needed=least.bytes,
        free=means.memory,
        **({"max_size": size} if size else {}),
    )


def largest(task: Task, recipe: Recipe, means: Means) -> int:
    """The largest max-size that can be advised with so much free memory, 0 where none can."""
    means = replace(means, memory=_advised(means.memory), host=_advised(means.host))
    low, high = LEAST_SIZE // GRAIN, max(task.height, task.width) // GRAIN

    def fitted(size: int) -> bool:
        return fits(plans(replace(task, max_size=size * GRAIN), recipe, means)[-1], means)

    if low > high or not fitted(low):
        return 0
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fitted(middle) else (low, middle - 1)
    return low * GRAIN


def uses_half(recipe: Recipe, means: Means) -> bool:
    """Whether activations are of half precision."""
    return recipe.precision == "fast" and recipe.features != "wavelets" and means.half > 0


class _Job:
    """What all ways to paint a task have in common."""

    def __init__(self, task: Task, recipe: Recipe, means: Means) -> None:
        self._apart = APART if means.device.startswith("cpu") else 1.0
        sizes, bf16 = levels(task.height, task.width, recipe, task.max_size), uses_half(recipe, means)
        self._task, self._recipe, self._on_cpu = task, recipe, means.device.startswith("cpu")
        self._levels = sizes[-1:] if task.resumed or task.start else sizes
        self._cost = cost(recipe, 2 if bf16 else 4, self._on_cpu)
        self._rate = means.half if bf16 else means.flops
        self.last = sizes[-1]

    def plan(self, tile: int, history: int, half_pairs: bool) -> Plan:
        """One way."""
        last = self.last
        tiles = math.ceil(last.height / tile) * math.ceil(last.width / tile) if tile else 1
        peak = max(self._bytes(level, tile, history, half_pairs) for level in self._levels)
        inputs, end = self._machine_s()
        if self._on_cpu:
            peak, host = inputs + max(peak, self._left(history, half_pairs) + end), 0.0
        else:
            host = inputs + end
        return Plan(
            tile=tile,
            tiles=tiles,
            history=history,
            half_pairs=half_pairs,
            bytes=int(peak),
            seconds=self._seconds(tile),
            width=last.width,
            height=last.height,
            evaluations=last.steps,
            host=int(host),
        )

    def _machine_s(self) -> tuple[float, float]:
        """Bytes of the machine's own memory: for all that comes in, while it is painted; and more at the end."""
        task = self._task
        pixels, each = task.height * task.width, task.sample + 4
        filled = 12 if task.channels == 4 else 0  # what alpha hides is filled from its surroundings
        maps = 4 * (task.masks + task.regions) if task.masks else 0
        styles = sum(height * width for height, width in task.styles)
        pictures = each * task.channels * (2 if task.start else 1)
        return pixels * (pictures + filled + maps) + 15 * styles, pixels * (END + each * task.channels)

    def _bytes(self, level: Level, tile: int, history: int, half_pairs: bool) -> float:
        """The most that a level takes on the device: while styles are looked at, once, or while it is painted."""
        seen, looked_at = float(level.height * level.width), max(self._styles(level), default=0.0)
        if tile:
            around = tile + 2 * reach(self._recipe)
            looked_at = min(looked_at, around**2)
            seen = min(seen, around**2) if _divides(level, self._recipe) else seen
        working = max(seen * self._cost.painting, looked_at * self._cost.looking)
        return self._staying(level, history, half_pairs) + working

    def _staying(self, level: Level, history: int, half_pairs: bool) -> float:
        """Bytes on the device while a level is painted, without the activations of what is seen at once."""
        task, values = self._task, self._values(level, history, half_pairs)
        maps = REGION * task.regions + MASKED if task.masks else 0
        each = 4 * (3 * values + PICTURES) + self._cost.content + maps
        return FIXED + self._apart * (level.height * level.width * each + VIEW * sum(self._styles(level)))

    def _left(self, history: int, half_pairs: bool) -> float:
        """Bytes on the device when the last level is done: the walk's state, without the gradient and a direction."""
        samples = 3 * self.last.height * self.last.width
        return FIXED + self._apart * 4 * samples * (self._values(self.last, history, half_pairs) - 1)

    def _values(self, level: Level, history: int, half_pairs: bool) -> float:
        """Values for each sample that the walk holds."""
        recipe = self._recipe
        steps = recipe.history + 1 if self._task.resumed else level.steps  # an earlier job's pairs are there
        return held(recipe.optimiser, history, steps, half_pairs, bool(recipe.average))

    def _styles(self, level: Level) -> list[float]:
        """Pixels of each style at a level: styles are only enlarged where their size was asked for in pixels."""
        task, recipe = self._task, self._recipe
        area = style_side(level.height, level.width, (task.height, task.width), recipe) ** 2
        return [area if recipe.style_size else min(area, height * width) for height, width in task.styles]

    def _seconds(self, tile: int) -> float | None:
        """Forward and backward; tiles are seen a second time, and their halos by several."""
        if not self._rate:
            return None
        total = 0.0
        for level in self._levels:
            tiled = tile and max(level.height, level.width) > tile and _divides(level, self._recipe)
            passes = 3 * (1 + 2 * 32 / tile) ** 2 if tiled else 2
            total += level.steps * level.work * self._cost.flops * passes
        return total * OVERHEAD / self._rate


def _divides(level: Level, recipe: Recipe) -> bool:
    """Whether there can be tiles: where the picture has no borders, poolings have to divide it."""
    return not recipe.seamless or (level.height % 64 == 0 and level.width % 64 == 0)


def _advised(free: int | None) -> int | None:
    return None if free is None else int(free * ADVISED / SPARE)


def _within(needed: float, free: int | None) -> bool:
    return free is None or needed <= free * SPARE
