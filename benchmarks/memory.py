"""Peak memory of painting on the CPU, in bytes a pixel, untiled and tiled, beside what the engine predicts.

Each size is painted in a process of its own. What is counted is the process's peak beyond what it holds when the
network is loaded. Every size of the pyramid but the last has one evaluation; the last has
one more than L-BFGS remembers where that is quick, and elsewhere one gradient step. Linux alone tells the peak.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from impasto_daemon.engine import host_memory, recipes, stylize
from impasto_daemon.engine.canvas import Commission, Manner
from impasto_daemon.engine.levels import levels
from impasto_daemon.engine.plan import SPARE, Means, Plan, Task, plans
from impasto_daemon.engine.recipe import Recipe

from .measure import Curve, Findings, Ratio, Table, timed
from .setting import Setting, alone, as_the_worker_does, network, quicker

SIZES = (256, 512, 1024, 2048)
TILES = (0, 512, 1024)
"""Sides of tiles in pixels, 0 for the whole picture in one piece."""
QUICK = 512
"""Up to this side L-BFGS's history is filled."""
PAGE = 4096
"""Bytes that are the least a process can take."""
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Configuration:
    """What is painted: a square's side, the tiles' side, the precision of convolutions, evaluations at the last size;
    and a recipe's name."""

    side: int
    tile: int = 0
    precision: str = "fp32"
    evaluations: int = 2
    recipe: str = "impasto"

    @property
    def pixels(self) -> int:
        return self.side**2

    @property
    def painted(self) -> Recipe:
        """L-BFGS remembers no more pairs than it makes: the memory of the others is never touched."""
        recipe, history = recipes.find(self.recipe), max(1, self.evaluations - 1)
        recipe = recipes.override(recipe, {"history": min(history, recipe.history)})
        coarser = len(levels(self.side, self.side, recipe)) - 1
        return replace(recipe, steps=(*[1] * coarser, self.evaluations))


@dataclass(frozen=True)
class Used:
    """Peak bytes beyond those before, what the engine predicted (None: it does not), and seconds."""

    peak: float
    predicted: float | None
    seconds: float


def resident(what: str) -> int:
    """Bytes of this process: `VmRSS` now, `VmHWM` at most since `forget_peak`."""
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith(f"{what}:"))
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    """The peak is what is held now. (getrusage's would be that of the process this one was made from.)"""
    CLEAR.write_text("5")


def use(setting: Setting, each: Configuration) -> Used:
    """Paint in this process."""
    as_the_worker_does()
    recipe, forecast = each.painted, predicted(each)
    features = network(setting.state(), recipe, each.precision)
    forget_peak()
    before = resident("VmRSS")
    generator = torch.Generator().manual_seed(0)
    content, style = (torch.rand(1, 3, each.side, each.side, generator=generator) for _ in range(2))
    way = Plan(tile=each.tile, history=recipe.history)

    def paint() -> None:
        for _ in stylize.paint(Commission(content, [Manner(style)]), features, recipe, ways=[way]):
            pass

    seconds = timed(paint)
    return Used(max(resident("VmHWM") - before, PAGE), forecast, seconds)


def predicted(each: Configuration) -> float | None:
    """Bytes that the engine says this takes; None where it would not do it in this way."""
    means = Means("cpu", None, None, 1.0, 2.0 if each.precision == "bf16" else 0.0)
    ways = plans(Task(each.side, each.side, styles=[(each.side, each.side)]), each.painted, means)
    return next((float(way.bytes) for way in ways if way.tile == each.tile), None)


def configurations(sizes: Sequence[int]) -> list[Configuration]:
    """Every size whole and in tiles smaller than itself, where the memory suffices, in the precision that the worker
    would choose."""
    history, precision, free = recipes.find("impasto").history, quicker(), host_memory.free() or math.inf
    every = [
        Configuration(side, tile, precision, evaluations=history + 1 if side <= QUICK else 2)
        for side in sizes
        for tile in TILES
        if tile < side
    ]
    return [each for each in every if (predicted(each) or 0) <= SPARE * free]


def measure(setting: Setting, chosen: Sequence[Configuration] = ()) -> Findings:
    """A row for each configuration, and what tiles save where both were painted."""
    found = [(each, alone(use, setting, each)) for each in chosen or configurations(setting.sizes or SIZES)]
    rows = [
        (
            f"{each.side}×{each.side}",
            f"{each.tile or 'whole'}",
            each.precision,
            f"{each.evaluations}",
            f"{used.peak / 1e6:.0f}",
            f"{used.peak / each.pixels:.0f}",
            f"{used.predicted / used.peak:.2f}" if used.predicted else "",
            f"{used.seconds:.1f}",
        )
        for each, used in found
    ]
    columns = ("size", "tiles", "precision", "evaluations", "peak, MB", "bytes a pixel", "predicted / measured", "s")
    table = Table("Peak memory beyond the loaded network", columns, tuple(rows))
    return Findings(tuple(_saved(found)), (table,), tuple(_curves(found)))


def _saved(found: Sequence[tuple[Configuration, Used]]) -> list[Ratio]:
    whole = {(each.side, each.precision): used for each, used in found if not each.tile}
    return [
        Ratio.of(
            f"peak memory at {each.side}×{each.side} in one piece",
            f"that in tiles of {each.tile}",
            [(whole[each.side, each.precision].peak / each.pixels, used.peak / each.pixels)],
            "B/px",
        )
        for each, used in found
        if each.tile and (each.side, each.precision) in whole
    ]


def _curves(found: Sequence[tuple[Configuration, Used]]) -> list[Curve]:
    curves = []
    for tile in dict.fromkeys(each.tile for each, _ in found):
        name = f"tiles of {tile}" if tile else "whole"
        points = [(each.pixels / 1e6, used) for each, used in found if each.tile == tile]
        each = tuple((one.pixels / 1e6, used.seconds / one.evaluations) for one, used in found if one.tile == tile)
        measured = tuple((x, used.peak / 1e6) for x, used in points)
        predicted = tuple((x, used.predicted / 1e6 if used.predicted else math.nan) for x, used in points)
        curves.append(Curve("Peak memory", "megapixels", "MB beyond the loaded network", name, measured))
        if any(used.predicted for _, used in points):
            curves.append(Curve("Peak memory", "megapixels", curves[-1].y, f"{name}, predicted", predicted))
        curves.append(Curve("Time", "megapixels", "seconds an evaluation", name, each))
    return curves
