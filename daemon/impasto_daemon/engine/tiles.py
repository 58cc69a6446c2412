"""Sums over a picture's activations, in one piece or tile by tile: the same numbers and the same gradients.

Losses of pictures of any size are functions of sums over positions (moments, squared errors). Such a sum can be taken
tile by tile, keeping no activations; and once the losses are known, and how they change with each sum, every tile is
seen a second time for the gradient of its own summands. That is no approximation and there is nothing to blend: each
activation is computed from all the pixels that it depends on, since a tile is seen with a halo of them, and only a
tile's own activations are summed. The gradients of overlapping tiles add up.

Source: this is checkpointing (Chen et al. 2016) over space; for Gram matrices see Galerne et al., Scaling Painting
Style Transfer, 2024, who crop the gradients instead and need a halo of 256 for what is exact here from 80 on.

Knows no networks, no losses and no recipes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

Key = TypeVar("Key", bound=Hashable)
Look = Callable[[Tensor, "Tensor | None"], Mapping[str, Tensor]]


STRIP = 2**22
"""Samples of a strip (see `by_rows`): on a GPU enough to be busy with, 16 MB."""


@dataclass(frozen=True)
class Layer:
    """Where activations lie: pixels from one to the next, and how many there are down and across the whole picture."""

    stride: int
    height: int
    width: int


@dataclass(frozen=True)
class Scale:
    """A picture at one size, and the layers that a network has of it.

    pixels: (1, 3, h, w), differentiable in the picture that it was made from.
    layers: those wanted; look: makes them, of the whole (second argument None), or of a part with its halo, and facts.
    halo: pixels around its own that a part needs on every side where the picture goes on. grid: what begins of parts
    are multiples of, and the halo too; every stride divides it.
    wrap: the picture goes on at the opposite border.
    facts: what a part has to know of the whole, differentiable and small; called where there are parts.
    """

    pixels: Tensor
    layers: Mapping[str, Layer]
    look: Look
    halo: int
    grid: int
    wrap: bool = False
    facts: Callable[[], Tensor] | None = None

    @property
    def divisible(self) -> bool:
        """Whether there can be tiles. Where the picture goes on at its opposite border, poolings have to meet there."""
        return not self.wrap or all(side % self.grid == 0 for side in self.pixels.shape[-2:])


@dataclass(frozen=True)
class Part:
    """Activations by layer, (1, C, h, w), and where they lie in the whole layer: rows and columns."""

    layers: Mapping[str, Tensor]
    places: Mapping[str, tuple[slice, slice]]


@dataclass(frozen=True)
class Span:
    """A tile along one axis: its own pixels from `begin` to `end`, seen from `first` to `last`."""

    begin: int
    end: int
    first: int
    last: int


@dataclass(frozen=True)
class Tile:
    """Rows and columns."""

    down: Span
    across: Span


def spans(length: int, side: int, scale: Scale) -> list[Span]:
    """An axis in tiles of about equal length, `side` at most but at least one cell of the grid.

    Where the picture ends, tiles see more of it on the other side: nearly all of them have one size then, and what
    libraries prepare and keep for each size (oneDNN: compiled code, in all hundreds of megabytes) is that of few.
    """
    count = math.ceil(length / max(side, scale.grid))
    own = math.ceil(length / count / scale.grid) * scale.grid
    seen = own + 2 * scale.halo
    latest = math.ceil(max(0, length - seen) / scale.grid) * scale.grid
    found = []
    for begin in range(0, length, own):
        end = min(length, begin + own)
        if scale.wrap:
            found.append(Span(begin, end, begin - scale.halo, end + scale.halo))
        else:
            first = min(max(0, begin - scale.halo), latest)
            found.append(Span(begin, end, first, min(length, first + seen)))
    return found


def tiles(scale: Scale, side: int) -> list[Tile]:
    """A scale in tiles of at most side × side own pixels (0: of any size); an empty list for one piece."""
    height, width = scale.pixels.shape[-2:]
    if not side or max(height, width) <= side or not scale.divisible:
        return []
    return [Tile(down, across) for down in spans(height, side, scale) for across in spans(width, side, scale)]


def total(scale: Scale, side: int, summed: Callable[[Part], Mapping[Key, Tensor]]) -> dict[Key, Tensor]:
    """Σ over tiles of what `summed` makes of each: tensors under the same keys for all of them.

    Differentiable in the scale's pixels; `summed` is called again for each tile when the gradient is wanted.
    side: of the tiles in pixels, 0 for one piece.
    """
    pieces = tiles(scale, side)
    if not pieces:
        return dict(summed(_whole(scale)))
    keys: list[Key] = []
    sums: tuple[Tensor, ...] = _Tiled.apply(scale.pixels, _facts(scale), scale, pieces, summed, keys)
    return dict(zip(keys, sums))


def by_rows(picture: Tensor, summed: Callable[[Tensor], Tensor], overlap: int = 0) -> Tensor:
    """Σ of `summed` over strips of (1, C, H, W) of some rows each: a scalar that takes no memory to speak of.

    summed: a sum over positions; called again for each strip when the gradient is wanted. overlap: rows that a strip
    has of the next one, for what lies between two rows.
    """
    rows = max(1, STRIP // max(1, picture.shape[1] * picture.shape[3]))
    if rows >= picture.shape[2]:
        return summed(picture)
    found: Tensor = _ByRows.apply(picture, summed, rows, overlap)
    return found


class Whole:
    """Whole layers of a scale, (1, C, h, w), put together from the parts that are added."""

    def __init__(self, scale: Scale) -> None:
        self._scale, self.layers = scale, dict[str, Tensor]()

    def add(self, part: Part) -> None:
        """Keep this part's activations."""
        for name, own in part.layers.items():
            layer = self._scale.layers[name]
            if own.shape[-2:] == (layer.height, layer.width):
                self.layers[name] = own
                continue
            if name not in self.layers:
                # Channels last, as they come: parts of it can be compared without another copy.
                self.layers[name] = own.new_empty(1, layer.height, layer.width, own.shape[1]).permute(0, 3, 1, 2)
            self.layers[name][(..., *part.places[name])] = own

    def at(self, name: str, place: tuple[slice, slice]) -> Tensor:
        """A layer's activations at a place."""
        return self.layers[name][(..., *place)]


class _Tiled(torch.autograd.Function):
    """Forward: the sums. Backward: every tile again, its summands' gradients added up where its pixels lie."""

    @staticmethod
    def forward(
        ctx: Any, pixels: Tensor, facts: Tensor, scale: Scale, pieces: list[Tile], summed: Any, keys: list[Any]
    ) -> Any:
        ctx.save_for_backward(pixels, facts)
        ctx.scale, ctx.pieces, ctx.summed = scale, pieces, summed
        sums: dict[Any, Tensor] = {}
        for tile in pieces:
            for key, value in summed(_part(scale, tile, _crop(pixels, tile), facts)).items():
                sums[key] = sums[key].add_(value) if key in sums else value.clone()
        keys.extend(sums)
        return tuple(sums.values())

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        pixels, facts = ctx.saved_tensors
        slope, facts_slope = torch.zeros_like(pixels), torch.zeros_like(facts)
        for tile in ctx.pieces:
            crop, known = _crop(pixels, tile).requires_grad_(), facts.detach().requires_grad_()
            with torch.enable_grad():
                parts = ctx.summed(_part(ctx.scale, tile, crop, known)).values()
            used = [(part, weight) for part, weight in zip(parts, upstream) if part.requires_grad]
            crop_slope, known_slope = torch.autograd.grad(
                [part for part, _ in used], [crop, known], [weight for _, weight in used], allow_unused=True
            )
            _add(slope, tile, crop_slope)
            if known_slope is not None:
                facts_slope += known_slope
        return slope, facts_slope, None, None, None, None


class _ByRows(torch.autograd.Function):
    """Strips, as `_Tiled` has tiles."""

    @staticmethod
    def forward(ctx: Any, picture: Tensor, summed: Any, rows: int, overlap: int) -> Tensor:
        ctx.save_for_backward(picture)
        ctx.summed, ctx.rows, ctx.overlap = summed, rows, overlap
        return torch.stack([summed(picture[:, :, strip]) for strip in _strips(picture, rows, overlap)]).sum()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        (picture,) = ctx.saved_tensors
        slope = torch.zeros_like(picture)
        for strip in _strips(picture, ctx.rows, ctx.overlap):
            part = picture[:, :, strip].detach().requires_grad_()
            with torch.enable_grad():
                whole = ctx.summed(part)
            slope[:, :, strip] += torch.autograd.grad(whole, part, upstream[0])[0]
        return slope, None, None, None


def _strips(picture: Tensor, rows: int, overlap: int) -> list[slice]:
    return [slice(top, top + rows + overlap) for top in range(0, picture.shape[2] - overlap, rows)]


def _facts(scale: Scale) -> Tensor:
    return scale.pixels.new_zeros(0) if scale.facts is None else scale.facts()


def _whole(scale: Scale) -> Part:
    everything = (slice(None), slice(None))
    return Part(scale.look(scale.pixels, None), dict.fromkeys(scale.layers, everything))


class _Cut(torch.autograd.Function):
    """Some rows and columns of a layer. The gradient of PyTorch's own slices forgets that channels lie last: adding it
    to others then takes longer than the convolutions."""

    @staticmethod
    def forward(ctx: Any, layer: Tensor, rows: slice, columns: slice) -> Tensor:
        ctx.shape, ctx.place = layer.shape, (slice(None), slice(None), rows, columns)
        return layer[ctx.place]

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        like = upstream[0]
        slope = torch.empty(ctx.shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last).zero_()
        slope[ctx.place] = like
        return slope, None, None


def _part(scale: Scale, tile: Tile, crop: Tensor, facts: Tensor) -> Part:
    """A tile's own activations."""
    seen = scale.look(crop, facts)
    layers, places = {}, {}
    height, width = scale.pixels.shape[-2:]
    for name, layer in scale.layers.items():
        rows, columns = _own(tile.down, layer.stride, height), _own(tile.across, layer.stride, width)
        layers[name] = _Cut.apply(seen[name], rows[0], columns[0])
        places[name] = (rows[1], columns[1])
    return Part(layers, places)


def _own(span: Span, stride: int, length: int) -> tuple[slice, slice]:
    """Where a tile's own activations lie along an axis: in what was seen, and in the whole layer. At the picture's end
    it is for the layer to say how many there are (poolings round down, wavelets up)."""
    skipped, begin = (span.begin - span.first) // stride, span.begin // stride
    if span.end == length == span.last:
        return slice(skipped, None), slice(begin, None)
    count = (span.end - span.begin) // stride
    return slice(skipped, skipped + count), slice(begin, begin + count)


def _crop(pixels: Tensor, tile: Tile) -> Tensor:
    """What is seen of a tile: a copy."""
    rows, columns = _indices(tile, pixels)
    if rows is None or columns is None:
        return pixels.detach()[..., tile.down.first : tile.down.last, tile.across.first : tile.across.last].clone()
    return pixels.detach()[..., rows[:, None], columns]


def _add(slope: Tensor, tile: Tile, part: Tensor) -> None:
    """Add the gradient of a tile's pixels to that of all."""
    rows, columns = _indices(tile, slope)
    if rows is None or columns is None:
        slope[..., tile.down.first : tile.down.last, tile.across.first : tile.across.last] += part
    else:
        for channel, own in zip(slope[0], part[0]):
            channel.index_put_((rows[:, None], columns), own, accumulate=True)


def _indices(tile: Tile, pixels: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Rows and columns of a tile that reaches around a border; None, None for one that does not."""
    height, width = pixels.shape[-2:]
    if tile.down.first >= 0 and tile.across.first >= 0 and tile.down.last <= height and tile.across.last <= width:
        return None, None
    rows = torch.arange(tile.down.first, tile.down.last, device=pixels.device) % height
    return rows, torch.arange(tile.across.first, tile.across.last, device=pixels.device) % width
