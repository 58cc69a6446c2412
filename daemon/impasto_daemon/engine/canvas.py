"""What is painted, where, and how strongly: a commission's pictures and masks as the engine works with them.

Here masks, alpha and the choice of colours get their meaning; what comes out is data of the content's size, which
`at` brings to the size of a level. Knows no losses, no networks and no optimiser.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from impasto_protocol.errors import bad_request
from torch import Tensor

from . import colour
from .levels import fitted, style_side
from .rasters import coverage, fill_hidden, pad_to, periodic, product, resize
from .recipe import Recipe

STRENGTH_POWER = 2.0
"""Content weight goes with ((100−strength)/strength) to this power."""
MOST_ODDS = 1e4
"""Where (100−strength)/strength stops growing, just above strength 0: no sample changes long before that."""
MOST_HOLD = 100.0
"""How many times more than elsewhere the content may count where a mask wants it lightly painted: enough to hold it,
and not so much that the optimiser sees nothing else."""
LEAST_STYLE = 48
"""Pixels a side. Shrunk with a tiny picture, a style would have no manner left."""
FRAME = 12
"""Pixels at a style's borders that do not count for a tile, where that is no more than an eighth of its sides."""
BANDS = (0.25, 0.5, 0.75, 1.0)
"""Values of a content mask around which pixels share their statistics."""
BLACK = 1 / 512
"""Masks below this are black."""


@dataclass(frozen=True)
class Manner:
    """A style picture (1, 3 or 4, h, w), its share among several, and where in the content it goes (1, 1, ·, ·)."""

    picture: Tensor
    weight: float = 1.0
    mask: Tensor | None = None


@dataclass(frozen=True)
class Commission:
    """What to paint: all that a result depends on beside recipe, features and device.

    content: (1, 3, H, W) RGB or (1, 4, H, W) RGBA with straight alpha, samples 0 to 1, float32, H and W from 1 up, on
    the CPU, as the styles are. strength: 0 (the content) to 100 (the content term left out), 50 for the recipe's own
    balance. max_size: longest side to paint at, 0 for the content's own. content_mask (1, 1, ·, ·): the local strength
    is strength times this; black stays the content. start (1, 3 or 4, ·, ·): a finished picture to begin with, such as
    the painting of an animation's frame before; where it is transparent, the content is begun with. Masks and the start
    may have any size: they are stretched over the content.
    """

    content: Tensor
    manners: Sequence[Manner]
    strength: float = 50.0
    max_size: int = 0
    seed: int = 0
    content_mask: Tensor | None = None
    start: Tensor | None = None


@dataclass(frozen=True)
class View:
    """A picture rgb (1, 3, H, W) and how much each pixel counts, (1, 1, H, W) from 0 to 1 (None: all fully)."""

    rgb: Tensor
    counts: Tensor | None = None


@dataclass(frozen=True)
class Region:
    """Where the statistics of some styles rule: (1, 1, H, W) from 0 to 1 (None: everywhere), the region's share, and
    the styles, their shares summing to 1. The shares of all regions sum to that of the picture which is painted."""

    where: Tensor | None
    share: float
    styles: Sequence[tuple[View, float]]


@dataclass(frozen=True)
class Canvas:
    """A commission as it is painted.

    content: what is kept of the motif, and what is visible. original: its colours before they were prepared
    (both without jumps at the borders where the result is a tile). start: what is begun with, in the prepared colours.
    strength: 0 to 100. effort: by what it is multiplied at each pixel, (1, 1, H, W) from 0 to 1 (None: 1 everywhere).
    """

    content: View
    original: Tensor
    regions: Sequence[Region]
    strength: float
    effort: Tensor | None
    start: View | None = None

    @property
    def hold(self) -> Tensor | float:
        """By what the recipe's content weight is multiplied: a number, or one for each pixel (1, 1, H, W)."""
        return content_factor(self.strength) if self.effort is None else _hold(self.strength, self.effort)

    @property
    def free(self) -> Tensor | None:
        """Where the picture may change at all, (1, 1, H, W) of bool (None: everywhere)."""
        return None if self.effort is None else self.effort > BLACK

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.original.shape[2], self.original.shape[3]


def canvas(commission: Commission, recipe: Recipe) -> Canvas:
    """The commission at the content's size.

    Raises ImpastoError(BAD_REQUEST) where nothing is visible in a picture, a mask leaves nothing to do, or the weights
    are no weights.
    """
    shares = _shares([manner.weight for manner in commission.manners])
    used = [(number, share) for number, share in enumerate(shares) if share]
    manners = [commission.manners[number] for number, _ in used]
    content = _view(commission.content, "The layer")
    size = content.rgb.shape[-2:]
    masks = [_mask(manner.mask, f"The mask of style {number + 1}", size) for manner, (number, _) in zip(manners, used)]
    painted = _mask(commission.content_mask, "The content mask", size)
    views = [_view(_trimmed(manner.picture), "A style picture") for manner in manners]
    rgb, seen = colour.prepare(
        recipe.colour, content.rgb, [view.rgb for view in views], content.counts, [view.counts for view in views]
    )
    styles = [replace(view, rgb=style) for view, style in zip(views, seen)]
    tile = periodic if recipe.seamless else lambda picture: picture
    motif = View(tile(rgb), content.counts)
    original = motif.rgb if rgb is content.rgb else tile(content.rgb)
    weighted = [(style, share) for style, (_, share) in zip(styles, used)]
    bands = [product(product(painted, content.counts), band) for band in _bands(painted)]
    regions = _regions(weighted, masks, bands, _area(content.counts))
    effort = _unless_white(product(painted, _covered(masks)))
    start = None if commission.start is None else _prepared(_view(commission.start, "The start"), recipe)
    return Canvas(motif, original, regions, commission.strength, effort, start)


def _prepared(start: View, recipe: Recipe) -> View:
    """A finished picture in the colours that are painted in."""
    return replace(start, rgb=colour.prepare(recipe.colour, start.rgb, [])[0])


def content_factor(strength: float) -> float:
    """By what strength (above 0, to 100) multiplies the content weight: 1 at 50, 0 at 100, MOST_ODDS² next to 0."""
    return float(min((100 - strength) / strength, MOST_ODDS) ** STRENGTH_POWER)


def at(whole: Canvas, height: int, width: int, recipe: Recipe, least: int, device: str) -> Canvas:
    """The canvas at one size, padded to at least `least` pixels a side, on the device."""

    def sized(rgb: Tensor) -> Tensor:
        return pad_to(resize(rgb, height, width, recipe.seamless), least, recipe.seamless).to(device)

    def mapped(mask: Tensor) -> Tensor:
        return pad_to(coverage(mask, height, width), least, recipe.seamless).to(device)

    def style(view: View) -> View:
        size = _style_size(view.rgb, height, width, whole.size, recipe)
        counts = None if view.counts is None else coverage(view.counts, *size)
        inside = product(counts, _frameless(*size)) if recipe.seamless else None
        counts = inside if inside is not None and bool(inside.any()) else counts
        counts = None if counts is None else pad_to(counts, least).to(device)
        return View(pad_to(resize(view.rgb, *size), least).to(device), counts)

    views = {id(view): view for one in whole.regions for view, _ in one.styles}
    styles = {key: style(view) for key, view in views.items()}

    def region(one: Region) -> Region:
        where = None if one.where is None else mapped(one.where)
        return Region(where, one.share, [(styles[id(view)], share) for view, share in one.styles])

    counts, rgb = whole.content.counts, sized(whole.content.rgb)
    return Canvas(
        content=View(rgb, None if counts is None else mapped(counts)),
        original=rgb if whole.original is whole.content.rgb else sized(whole.original),
        regions=[region(one) for one in whole.regions],
        strength=whole.strength,
        effort=None if whole.effort is None else mapped(whole.effort),
    )


def _style_size(style: Tensor, height: int, width: int, whole: tuple[int, int], recipe: Recipe) -> tuple[int, int]:
    """Height and width of the style. It is never enlarged unless its size was asked for in pixels."""
    own = math.sqrt(style.shape[-2] * style.shape[-1])
    least = LEAST_STYLE * (1.0 if recipe.style_size else recipe.style_scale)
    scale = max(style_side(height, width, whole, recipe), least) / own
    return fitted(style.shape[-2], style.shape[-1], scale if recipe.style_size else min(1.0, scale))


def _frameless(height: int, width: int) -> Tensor:
    """(1, 1, height, width): 0 along the borders, 1 inside. Networks see a border as a frame, which a tile has not."""
    frame = min(FRAME, height // 8, width // 8)
    inside = torch.zeros(1, 1, height, width)
    inside[..., frame : height - frame, frame : width - frame] = 1
    return inside


def _shares(weights: Sequence[float]) -> list[float]:
    whole = sum(weights)
    if not weights or not math.isfinite(whole) or whole <= 0 or min(weights) < 0:
        raise bad_request("The weights of the styles must be 0 or more, one of them above 0.")
    return [weight / whole for weight in weights]


def _trimmed(picture: Tensor) -> Tensor:
    """Without the transparent rows and columns around what is visible: they are no part of a style's size."""
    visible = picture[0, -1] > 0
    if picture.shape[1] == 3 or not bool(visible.any()):
        return picture
    (rows,), (columns,) = (visible.any(dim).nonzero(as_tuple=True) for dim in (1, 0))
    return picture[..., int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1]


def _view(picture: Tensor, whose: str) -> View:
    """RGB with what alpha hides filled from its surroundings, and alpha as what counts."""
    if picture.shape[1] == 3:
        return View(picture)
    alpha = picture[:, 3:]
    if not bool((alpha > 0).any()):
        raise bad_request(f"{whose} is fully transparent: there is nothing to see. Choose one with something on it.")
    return View(fill_hidden(picture), None if bool((alpha == 1).all()) else alpha)


def _mask(mask: Tensor | None, whose: str, size: torch.Size) -> Tensor | None:
    """The mask over the content."""
    if mask is None:
        return None
    if not bool((mask > BLACK).any()):
        raise bad_request(f"{whose} is black everywhere: nothing would be painted with it. White is where to paint.")
    mask = coverage(mask, *size)
    return mask * (mask > BLACK)


def _unless_white(mask: Tensor | None) -> Tensor | None:
    """None for a mask that is white everywhere."""
    return None if mask is None or bool((mask > 1 - BLACK).all()) else mask


def _covered(masks: Sequence[Tensor | None]) -> Tensor | None:
    """Where there is a style at all, 0 to 1; None where everywhere is."""
    if any(mask is None for mask in masks):
        return None
    return torch.stack([mask for mask in masks if mask is not None]).sum(0).clamp(max=1)


def _bands(painted: Tensor | None) -> list[Tensor | None]:
    """A content mask's parts of about equal effort, which sum to 1: each has statistics of its own. Otherwise what is
    fully painted would give the style all it asks for, and leave to the greys only what their content does not see."""
    if painted is None or bool(((painted <= BLACK) | (painted >= 1 - BLACK)).all()):
        return [None]
    at = painted.clamp(BANDS[0], BANDS[-1])
    return [(1 - (at - middle).abs() / (BANDS[1] - BANDS[0])).clamp(min=0) for middle in BANDS]


def _regions(
    styles: Sequence[tuple[View, float]],
    masks: Sequence[Tensor | None],
    bands: Sequence[Tensor | None],
    visible: float,
) -> list[Region]:
    """One region for each style with a mask; styles without one share what the masks leave over. Masks that overlap
    share the place. Each of these falls into `bands`.

    bands: how much each pixel counts in them, whatever its style; visible: the share of the content that is. A region's
    share goes with the area it has and the weight of its styles; all of them have the share of the visible that is
    painted, so that a place is painted as strongly as if the rest were painted too.
    """
    drawn = torch.stack([mask for mask in masks if mask is not None] or [torch.zeros(1, 1, 1, 1)]).sum(0)
    own: list[tuple[Tensor | None, list[tuple[View, float]]]] = []
    own += [(mask / drawn.clamp(min=1), [style]) for style, mask in zip(styles, masks) if mask is not None]
    rest = [style for style, mask in zip(styles, masks) if mask is None]
    if rest:
        left = (1 - drawn).clamp(min=0) if own else None
        if left is not None and not bool((left > BLACK).any()):
            sentence = "The masks leave no place for the styles that have none: give those a mask, or none at all."
            raise bad_request(sentence)
        own.append((left, rest))
    placed = [[(_unless_white(product(mask, band)), members) for band in bands] for mask, members in own]
    if any(all(_area(where) <= 0 for where, _ in row) for row in placed):
        raise bad_request("The masks leave a style nothing but transparent or black pixels: it would be nowhere.")
    places = [(where, members) for row in placed for where, members in row if _area(where) > 0]
    areas = [_area(where) for where, _ in places]
    sizes = [area * sum(weight for _, weight in members) for area, (_, members) in zip(areas, places)]
    painted = sum(areas) / visible / sum(sizes)
    return [
        Region(where, size * painted, [(view, weight / sum(w for _, w in members)) for view, weight in members])
        for (where, members), size in zip(places, sizes)
    ]


def _hold(strength: float, effort: Tensor) -> Tensor:
    """By what the content weight is multiplied at each pixel, for styles that have `effort` of their weight there: the
    balance is that of the strength times effort. At most MOST_HOLD times that of mask white, or MOST_HOLD."""
    effort = effort.clamp(min=BLACK)
    local = strength * effort
    odds = ((100 - local) / local).clamp(max=MOST_ODDS)
    return (effort * odds**STRENGTH_POWER).clamp(max=MOST_HOLD * max(content_factor(strength), 1.0))


def _area(where: Tensor | None) -> float:
    return 1.0 if where is None else float(where.mean(dtype=torch.float64))
