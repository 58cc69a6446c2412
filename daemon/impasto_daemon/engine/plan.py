"""How a painting will be done with the memory that there is, and what it will take: reckoned before it starts.

A plan is a way to the same picture: in one piece or in tiles, with a longer or shorter memory of L-BFGS. No torch here.
The figures follow the structure of the networks; what cannot be derived was measured (`make bench`), and says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from impasto_protocol.errors import Code, ImpastoError

from .architectures import ARCHITECTURES, SMALLER, halo
from .levels import Level, levels, style_side
from .recipes import Recipe

TILES = (2048, 1024, 512, 256)
"""Sides of tiles in pixels, the fastest first."""
SHORT = 4
"""Pairs of L-BFGS's history where memory is dear: its steps are hardly worse."""
SPARE = 0.9
"""Share of the free memory that a plan may take: other programs want some too."""

FIXED = 180e6
"""Bytes that PyTorch's libraries take for working, beside pictures. Measured."""
PICTURES = 8
"""Values for each pixel at the level that is painted: the content, the start, smaller pictures and their gradients.
Measured at 24 megapixels."""
WORKING = 2.0
"""Activations of the largest layer for which there is room during the backward pass, beside those that are kept."""
SCATTERED = {2: 1.6, 4: 1.1}
"""On a CPU, bytes that the process has for each byte of activations, by the bytes of a sample: what is freed lies
scattered between what is not. Measured; from run to run it differs by a fifth."""
WAVELET_BYTES = 2600
WAVELET_FLOPS = 500_000
"""Of the wavelets, for each pixel: bytes of all that one evaluation keeps, and what its time is worth in operations of
3×3 convolutions in float32. Measured."""
OVERHEAD = 2.2
"""Time of an evaluation over that of its convolutions at the speed of the trial, which has small pictures. Measured."""


@dataclass(frozen=True)
class Means:
    """What a device can do.

    device: for people. memory: bytes that may still be taken there, 0 where nobody knows; host: in the machine's own
    memory, on the CPU the same. flops: operations a second in 3×3 convolutions of float32, 0 where nobody knows.
    half: of bfloat16, 0 where that is no quicker.
    """

    device: str
    memory: int
    host: int
    flops: float
    half: float


@dataclass(frozen=True)
class Plan:
    """One way to paint.

    tile: side of the tiles in pixels, 0 for one piece; tiles: how many the last level has; history: pairs of L-BFGS;
    half: whether those are kept in half precision. bytes: at most, on the device; constant: those of them that painting
    smaller would take as well; host: what a GPU's work takes in the machine's own memory (0 on a CPU, where that is the
    device's). seconds: None where nobody knows.
    width, height, evaluations: of the last level.
    """

    tile: int = 0
    tiles: int = 1
    history: int = 100
    half: bool = False
    bytes: int = 0
    seconds: float | None = None
    width: int = 0
    height: int = 0
    evaluations: int = 0
    constant: int = 0
    host: int = 0


@dataclass(frozen=True)
class Cost:
    """Of one evaluation, for each pixel: bytes of activations that are kept, of the largest layer, and of the content's
    layers; operations of a forward pass; and what a byte of activations takes."""

    kept: float
    largest: float
    content: float
    flops: float
    scattered: float


def plans(
    height: int,
    width: int,
    recipe: Recipe,
    means: Means,
    *,
    max_size: int = 0,
    styles: Sequence[tuple[int, int]] = (),
    channels: int = 3,
    masks: int = 0,
) -> tuple[Plan, ...]:
    """The ways to paint a content of height × width, the best first, each taking less memory than the one before."""
    sizes = levels(height, width, recipe, max_size)
    halves, on_cpu = uses_half(recipe, means), means.device.startswith("cpu")
    last, cost, rate = sizes[-1], _cost(recipe, 2 if halves else 4, on_cpu), means.half if halves else means.flops
    pictures = 5 * channels * height * width + sum(15 * h * w for h, w in styles) + 5 * masks * height * width
    on_device, on_host = (pictures, 0) if on_cpu else (0, pictures)
    style = style_side(last.height, last.width, (height, width), recipe)
    shorter = min(recipe.history, SHORT)
    sides = [side for side in TILES if side < max(last.height, last.width) and _tiles(last, recipe)]
    ways = [(0, recipe.history, False), *((side, recipe.history, False) for side in sides)]
    if sides and "lbfgs" in recipe.optimiser:
        ways += [(sides[-1], recipe.history, True), (sides[-1], shorter, True)]
    found: list[Plan] = []
    for side, history, half in ways:
        size = max(_bytes(each, recipe, cost, side, history, half, style) for each in sizes) + on_device
        if not found or size < found[-1].bytes:
            count = math.ceil(last.height / side) * math.ceil(last.width / side) if side else 1
            seconds = _seconds(sizes, recipe, cost, side, rate)
            rest = on_device + _bytes(replace(last, height=side or 1, width=side or 1), recipe, cost, 0, 0, half)
            at_last = (last.width, last.height, last.steps)
            found.append(Plan(side, count, history, half, size, seconds, *at_last, constant=rest, host=on_host))
    return tuple(found)


def fits(plan: Plan, means: Means) -> bool:
    """Whether the free memory suffices, or nobody knows how much that is."""
    return _within(plan.bytes, means.memory) and _within(plan.host, means.host)


def _within(needed: int, free: int) -> bool:
    return not free or needed <= free * SPARE


def chosen(found: Sequence[Plan], means: Means) -> Plan:
    """The first that the free memory suffices for. Raises ImpastoError(OUT_OF_MEMORY), with a remedy, for none."""
    for plan in found:
        if fits(plan, means):
            return plan
    least = found[-1]
    if not _within(least.host, means.host):
        raise ImpastoError(
            Code.OUT_OF_MEMORY,
            f"The pictures alone take {least.host / 1e9:.1f} GB of the machine's own memory, beside the GPU's, and "
            f"{means.host / 1e9:.1f} GB are free. Close programs that use it, or paint a smaller layer.",
            needed=least.host,
            free=means.host,
        )
    longest = max(least.width, least.height)
    share = max(means.memory * SPARE - least.constant, 0) / max(least.bytes - least.constant, 1)
    size = max(64, int(longest * math.sqrt(min(share, 1))) // 16 * 16)
    raise ImpastoError(
        Code.OUT_OF_MEMORY,
        f"Painting {least.width}×{least.height} takes {least.bytes / 1e9:.1f} GB, and {means.device} has "
        f"{means.memory / 1e9:.1f} GB free. Choose a max-size of about {min(size, longest)}, close programs that use "
        "this memory, or paint on a larger device.",
        needed=least.bytes,
        free=means.memory,
        max_size=min(size, longest),
    )


def uses_half(recipe: Recipe, means: Means) -> bool:
    """Whether activations are of half precision."""
    return recipe.precision == "fast" and recipe.features != "wavelets" and means.half > 0


def _tiles(level: Level, recipe: Recipe) -> bool:
    """Whether tiles are of use: where the picture has no borders, poolings have to divide it."""
    return not recipe.seamless or (level.height % 64 == 0 and level.width % 64 == 0)


def _bytes(level: Level, recipe: Recipe, cost: Cost, side: int, history: int, half: bool, style: float = 0.0) -> int:
    """The most that a level takes. style: side of the style at it, in pixels: it is looked at once, before the start,
    and no activation of it is kept."""
    pixels, looked_at = level.height * level.width, style**2
    seen = float(pixels)
    if side:
        around = 2 * _halo(recipe)
        looked_at = min(looked_at, (side + around) ** 2)
        if _tiles(level, recipe):
            seen = min(seen, (min(side, level.height) + around) * (min(side, level.width) + around))
    values = 5 + bool(recipe.average)
    if "lbfgs" in recipe.optimiser:
        values += history * (1 if half else 2)
    whole = 4 * (3 * values + PICTURES) + cost.content
    working = max(seen * (cost.kept + WORKING * cost.largest), looked_at * WORKING * cost.largest)
    return int(FIXED + pixels * whole + cost.scattered * working)


def _seconds(sizes: Sequence[Level], recipe: Recipe, cost: Cost, side: int, rate: float) -> float | None:
    """Forward and backward; tiles are seen a second time, and their halos by several."""
    if not rate:
        return None
    total = 0.0
    for level in sizes:
        tiled = side and max(level.height, level.width) > side and _tiles(level, recipe)
        passes = 3 * (1 + 2 * 32 / side) ** 2 if tiled else 2
        total += level.steps * level.work * cost.flops * passes
    return total * OVERHEAD / rate


def _cost(recipe: Recipe, sample: int, on_cpu: bool) -> Cost:
    scattered = SCATTERED[sample] if on_cpu else 1.0
    if recipe.features == "wavelets":
        shapes = (name[-1] for name in recipe.content_layers if name.startswith("shape") and name[-1].isdigit())
        content = 4.0 * sum(36 / 4 ** (int(number) - 1) for number in shapes)
        return Cost(WAVELET_BYTES, 36 * 4 * 4, content, WAVELET_FLOPS / 2, scattered)
    kept, largest, flops, content = 0.0, 0.0, 0.0, 0.0
    for power, suffix in enumerate(("", *SMALLER)):
        for each in ARCHITECTURES[recipe.features].down_to(_at(recipe, suffix)):
            share = 1 / 4**power / each.stride**2
            kept += share * each.outputs * sample
            if each.pooled:
                kept += share * each.inputs * (sample + (8 if recipe.pooling == "max" else 0))
            largest = max(largest, share * each.outputs * max(sample, 4))
            flops += share * 2 * 9 * each.outputs * each.inputs
            if each.name in recipe.content_layers and not suffix:
                content += share * each.outputs * sample
    return Cost(kept, largest, content, flops, scattered)


def _at(recipe: Recipe, suffix: str) -> list[str]:
    """The layers that are seen at a size, by the size's suffix."""
    names = (*recipe.content_layers, *recipe.style_layers)
    return [name for name in names if (name.endswith(suffix) if suffix else not name.endswith(SMALLER))]


def _halo(recipe: Recipe) -> int:
    if recipe.features == "wavelets":
        return 40
    return halo(ARCHITECTURES[recipe.features].down_to((*recipe.content_layers, *recipe.style_layers)))
