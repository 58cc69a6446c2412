"""Small operations on pictures as tensors (1, C, H, W): resizing, padding, filling what alpha hides, making a tile.

Knows neither styles nor networks.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

FAINT = 1 / 16
"""Alpha below which a colour is not taken at its word: programs that keep colours times alpha have rounded it."""


def resize(picture: Tensor, height: int, width: int, wrap: bool = False) -> Tensor:
    """Bicubic, without aliasing when it shrinks; samples stay within 0 to 1.

    wrap: the picture goes on at the opposite border, so that a tile stays a tile.
    """
    if picture.shape[-2:] == (height, width):
        return picture
    if wrap:
        return _resize_wrapped(_resize_wrapped(picture, 2, height), 3, width).clamp_(0, 1)
    return _bicubic(picture, height, width).clamp_(0, 1)


def _bicubic(picture: Tensor, height: int, width: int) -> Tensor:
    if width == 1 < height:  # where PyTorch gives a whole column its first pixel's value; a row is right
        return _bicubic(picture.mT.contiguous(), width, height).mT.contiguous()
    return F.interpolate(picture, (height, width), mode="bicubic", align_corners=False, antialias=True)


def _resize_wrapped(picture: Tensor, axis: int, length: int) -> Tensor:
    """One axis of (1, C, H, W), which goes on at both ends as far as the kernel reaches. It is continued by so many
    pixels that a whole number of them comes out: old and new ones then lie as without."""
    old = picture.shape[axis]
    if old == length:
        return picture
    reach = 2 * max(1.0, old / length) + 1
    unit = old // math.gcd(old, length)
    before = unit * math.ceil(reach / unit)
    after = before * length // old
    height, width = picture.shape[-2:]
    longer = length + 2 * after
    size = (longer, width) if axis == 2 else (height, longer)
    around = _bicubic(_repeated(picture, axis, -before, old + before), *size)
    return around.narrow(axis, after, length)


def _repeated(picture: Tensor, axis: int, begin: int, end: int) -> Tensor:
    """What a picture that is repeated for ever shows from `begin` to `end` along an axis."""
    places = torch.arange(begin, end, device=picture.device) % picture.shape[axis]
    return picture.index_select(axis, places)


def halved(picture: Tensor, wrap: bool = False) -> Tensor:
    """At half the size, rounded down, by the binomial 1, 3, 3, 1 along either axis, borders repeated; differentiable,
    and nothing is kept for that. wrap: it goes on at the opposite border; half the size is rounded up then."""
    found: Tensor = _Halved.apply(picture, wrap)
    return found


class _Halved(torch.autograd.Function):
    """One axis after the other. It is linear: the gradient goes back by the transposed of it."""

    @staticmethod
    def forward(ctx: Any, picture: Tensor, wrap: bool) -> Tensor:
        ctx.sides, ctx.wrap = picture.shape[-2:], wrap
        return _halved_along(_halved_along(picture, 2, wrap), 3, wrap)

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        height, width = ctx.sides
        return _spread_along(_spread_along(upstream[0], 3, width, ctx.wrap), 2, height, ctx.wrap), None


def _halved_along(x: Tensor, axis: int, wrap: bool) -> Tensor:
    if wrap and x.shape[axis] % 2:
        x = torch.cat([x, x.narrow(axis, 0, 1)], axis)
    even, odd, rest = _pairs(x, axis)
    found = (even + odd).mul_(3 / 8)
    _inner(found, axis, 1).add_(_inner(odd, axis, 0), alpha=1 / 8)
    _inner(found, axis, 0).add_(_inner(even, axis, 1), alpha=1 / 8)
    _end(found, axis, 0).add_(_end(odd, axis, -1) if wrap else _end(even, axis, 0), alpha=1 / 8)
    _end(found, axis, -1).add_(_end(even, axis, 0) if wrap else _end(rest, axis, -1), alpha=1 / 8)
    return found


def _spread_along(slope: Tensor, axis: int, length: int, wrap: bool) -> Tensor:
    """The transposed of `_halved_along` from this length."""
    sides = list(slope.shape)
    sides[axis] = length + (wrap and length % 2)
    found = slope.new_zeros(sides)
    even, odd, rest = _pairs(found, axis)
    even.add_(slope, alpha=3 / 8)
    odd.add_(slope, alpha=3 / 8)
    _inner(odd, axis, 0).add_(_inner(slope, axis, 1), alpha=1 / 8)
    _inner(even, axis, 1).add_(_inner(slope, axis, 0), alpha=1 / 8)
    (_end(odd, axis, -1) if wrap else _end(even, axis, 0)).add_(_end(slope, axis, 0), alpha=1 / 8)
    (_end(even, axis, 0) if wrap else _end(rest, axis, -1)).add_(_end(slope, axis, -1), alpha=1 / 8)
    if sides[axis] > length:
        _end(found, axis, 0).add_(_end(found, axis, -1))
    return found.narrow(axis, 0, length)


def _pairs(x: Tensor, axis: int) -> tuple[Tensor, Tensor, Tensor]:
    """Every other row or column from the first, and from the second, as many of either; and from the last of these
    pairs on. Views."""
    count = x.shape[axis] // 2
    even, odd = (x[(slice(None),) * axis + (slice(begin, 2 * count, 2),)] for begin in (0, 1))
    return even, odd, x.narrow(axis, 2 * count - 1, x.shape[axis] % 2 + 1)


def _inner(x: Tensor, axis: int, begin: int) -> Tensor:
    """All but one, from the one of this number."""
    return x.narrow(axis, begin, x.shape[axis] - 1)


def _end(x: Tensor, axis: int, which: int) -> Tensor:
    return x.narrow(axis, which % x.shape[axis], 1)


def coverage(mask: Tensor, height: int, width: int) -> Tensor:
    """A mask (1, 1, h, w) of 0 to 1 at another size: how much of each new pixel it covers. Averages over areas along an
    axis that shrinks, linear along one that grows; values stay within 0 to 1."""
    smaller = min(height, mask.shape[-2]), min(width, mask.shape[-1])
    if smaller != mask.shape[-2:]:
        mask = F.adaptive_avg_pool2d(mask, smaller)
    if smaller != (height, width):
        mask = F.interpolate(mask, (height, width), mode="bilinear", align_corners=False)
    return mask.clamp(0, 1)


def product(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """Of two maps of one size, where None is 1 everywhere."""
    if one is None or other is None:
        return other if one is None else one
    return one * other


def periodic(picture: Tensor) -> Tensor:
    """The periodic part of a picture (1, C, H, W), clipped to 0 to 1: the same but for a very smooth part, without the
    jumps from each border to the opposite one.

    Periodic plus smooth decomposition: Moisan, J. Math. Imaging Vis. 39 (2011), 161-179. The smooth part s has the
    Laplacian v, which is the jumps at the borders and 0 inside, and mean 0: ŝ = v̂ / (2·cos 2πq/H + 2·cos 2πr/W − 4).
    """
    height, width = picture.shape[-2:]
    jumps = torch.zeros_like(picture)
    rows, columns = picture[:, :, -1] - picture[:, :, 0], picture[..., -1] - picture[..., 0]
    jumps[:, :, 0] += rows
    jumps[:, :, -1] -= rows
    jumps[..., 0] += columns
    jumps[..., -1] -= columns
    spectrum = torch.fft.rfft2(jumps)
    laplacian = _eigenvalues(height, picture)[:, None] + _eigenvalues(width, picture)[: width // 2 + 1]
    laplacian[0, 0] = 1.0
    spectrum = spectrum / laplacian
    spectrum[..., 0, 0] = 0
    smooth: Tensor = torch.fft.irfft2(spectrum, s=(height, width))
    return (picture - smooth).clamp_(0, 1)


def _eigenvalues(length: int, like: Tensor) -> Tensor:
    """Of the circular Laplacian along one axis, in the order of the Fourier transform: (length,)."""
    turns = torch.arange(length, dtype=torch.float64) / length
    return (2 * torch.cos(2 * math.pi * turns) - 2).to(like)


def pad_to(picture: Tensor, least: int, wrap: bool = False) -> Tensor:
    """At least `least` pixels on either side: the border's colour is repeated to the right and below.

    wrap: the whole picture is repeated instead, a whole number of times, so that a tile stays a tile.
    """
    height, width = picture.shape[-2:]
    if wrap:
        return picture.repeat(1, 1, *(max(1, math.ceil(least / side)) for side in (height, width)))
    extra = max(0, least - height), max(0, least - width)
    return F.pad(picture, (0, extra[1], 0, extra[0]), "replicate") if any(extra) else picture


def fill_hidden(picture: Tensor) -> Tensor:
    """RGB (1, 3, H, W) of an RGBA picture (1, 4, H, W) with what alpha hides painted over by its surroundings.

    Where alpha is 0 the stored colour is meaningless (often black), and must not bleed into the painting; below FAINT
    it is rough. Colours from there up stay as they are: one can look through them, but they are the picture's. They are
    averaged into ever coarser pictures, by how far they can be trusted, and fill the holes from there (pull-push,
    Gortler et al. 1996). At least one pixel must be visible.
    """
    rgb, alpha = picture[:, :3], picture[:, 3:]
    if bool((alpha >= FAINT).all()):
        return rgb
    trust = (alpha / min(FAINT, float(alpha.max()))).clamp(max=1)
    return torch.where(trust == 1, rgb, _pull_push(rgb * trust, trust))


def _pull_push(weighted: Tensor, weight: Tensor) -> Tensor:
    own = weighted / weight.clamp(min=1e-12)
    height, width = weight.shape[-2:]
    if height == width == 1:
        return own
    half = ((height + 1) // 2, (width + 1) // 2)
    coarse = _pull_push(F.adaptive_avg_pool2d(weighted, half), F.adaptive_avg_pool2d(weight, half))
    below = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
    return own * weight + below * (1 - weight)
