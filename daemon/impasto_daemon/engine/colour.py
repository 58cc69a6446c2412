"""Keep my colours: what happens to the colours of content and styles before painting, and of the painting after it.

Each way is a row of `COLOURS`. Pictures are RGB (1, 3, H, W), encoded as sRGB, 0 to 1; float32 or float64. Statistics
leave out what alpha hides: `visible` is (1, 1, H, W), 0 to 1, None where everything is. Nothing here is differentiated.
Knows neither networks nor sizes: painting and content have one size when they meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

STEP = 1 / 255
"""A step of 8 bits. A style is taken to spread at least this much (standard deviation) in every direction of colour:
what spreads less is rounding, and would be magnified into colours that the style does not have."""
ALMOST_NONE = 1e-6
"""The least spread of a content in a direction of colour, where a formula cannot do with none."""
CHUNK = 1 << 20
"""Pixels at a time that statistics are taken of in float64."""
BISECTIONS = 20
"""Halvings of the interval in which a colour's chroma meets the border of sRGB."""
ROUNDING = 1e-6
"""Light beyond 0 to 1 with which a colour counts as one that sRGB has: encoded, less than a step of 16 bits."""


@dataclass(frozen=True)
class Moments:
    """Mean (C,) and covariance (C, C) of a picture's visible samples, float64."""

    mean: Tensor
    covariance: Tensor


@dataclass(frozen=True)
class Colour:
    """A way with colours; summary: in a few words, for people.

    Painted from and painted like is shown(seen(picture)): seen takes from RGB (1, 3, H, W) what is looked at alone
    (1, C, H, W), and shown makes RGB of that. A style's seen samples are first mapped by x ↦ T·(x − μ_s) + μ_c, clipped
    to 0 to 1, so that they have the content's moments: match makes T (C, C) of the covariances of the style and of the
    content (None: no mapping). finish makes the result of the painting and of the content as it came, of one size.
    """

    summary: str
    seen: Callable[[Tensor], Tensor]
    match: Callable[[Tensor, Tensor], Tensor] | None
    shown: Callable[[Tensor], Tensor]
    finish: Callable[[Tensor, Tensor], Tensor]


def prepare(
    kind: str,
    content: Tensor,
    styles: Sequence[Tensor],
    content_visible: Tensor | None = None,
    styles_visible: Sequence[Tensor | None] | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """Content and styles, each (1, 3, H, W) of any size, as they are painted from; once, before any resizing.

    kind: a key of `COLOURS`. Each style is matched to the content on its own. At least one pixel of each picture must
    be visible.
    """
    way = COLOURS[kind]
    seen = way.seen(content)
    if way.match is None:
        return way.shown(seen), [way.shown(way.seen(style)) for style in styles]
    target = moments(seen, content_visible)
    prepared = []
    for style, visible in zip(styles, styles_visible or [None] * len(styles), strict=True):
        samples = way.seen(style)
        own = moments(samples, visible)
        matrix = way.match(own.covariance, target.covariance)
        prepared.append(way.shown(_mapped(matrix, samples, target.mean - matrix @ own.mean).clamp_(0, 1)))
    return way.shown(seen), prepared


def finish(kind: str, painting: Tensor, content: Tensor) -> Tensor:
    """The result of a painting (1, 3, H, W), 0 to 1, and the content as it came, of the same size: 0 to 1."""
    return COLOURS[kind].finish(painting, content)


def moments(picture: Tensor, visible: Tensor | None = None) -> Moments:
    """Of the samples of (1, C, H, W), each pixel counted by how visible it is (population covariance)."""
    samples = picture.flatten(2)[0]
    weights = samples.new_ones(1, samples.shape[1]) if visible is None else visible.flatten(2)[0]
    channels = samples.shape[0]
    sums = torch.zeros(channels + 1, channels + 1, dtype=torch.float64, device=picture.device)
    parts = -(-samples.shape[1] // CHUNK)
    for some, weight in zip(samples.chunk(parts, 1), weights.chunk(parts, 1)):
        x = torch.cat([some, torch.ones_like(weight)]).double()
        sums += (x * weight) @ x.T
    sums /= sums[-1, -1].clone()
    mean = sums[-1, :-1]
    return Moments(mean, sums[:-1, :-1] - torch.outer(mean, mean))


def _mapped(matrix: Tensor, picture: Tensor, offset: Tensor | None = None) -> Tensor:
    """Each pixel x of (1, C, H, W) as matrix·x + offset."""
    mapped: Tensor = torch.einsum("ij,bjhw->bihw", matrix.to(picture), picture)
    return mapped if offset is None else mapped.add_(offset.to(picture).view(1, -1, 1, 1))


# Colours matched: the style takes the content's mean and covariance of colour.
# Gatys, Bethge, Hertzmann & Shechtman: Preserving Color in Neural Artistic Style Transfer, 2016.


def by_cholesky(style: Tensor, content: Tensor) -> Tensor:
    """T = L_c·L_s⁻¹, where Σ = L·Lᵀ: what brings covariance Σ_s (C, C) to Σ_c. For single numbers T is σ_c / σ_s."""
    ours = torch.linalg.cholesky(_root(content, ALMOST_NONE, 2.0))
    theirs = torch.linalg.cholesky(_root(style, STEP, 2.0))
    matrix: Tensor = torch.linalg.solve_triangular(theirs, ours, upper=False, left=False)
    return matrix


def by_pca(style: Tensor, content: Tensor) -> Tensor:
    """T = Σ_c^½·Σ_s^-½, with symmetric roots (as in Image Analogies, Hertzmann et al. 2001)."""
    return _root(content, 0.0, 1.0) @ _root(style, STEP, -1.0)


def _root(covariance: Tensor, least: float, power: float) -> Tensor:
    """Σ^(power/2), with standard deviations of at least `least` along its axes."""
    variances: Tensor
    axes: Tensor
    variances, axes = torch.linalg.eigh(covariance)
    return (axes * variances.clamp(min=least**2) ** (power / 2)) @ axes.T


# Lightness alone: content and style are painted as greys, and the painting takes the content's chroma.

LUMA = torch.tensor([[0.299, 0.587, 0.114]], dtype=torch.float64)
"""Y of YIQ (Rec. 601)."""


def luma(rgb: Tensor) -> Tensor:
    """(1, 1, H, W), 0 to 1."""
    return _mapped(LUMA, rgb).clamp_(0, 1)


def _grey(light: Tensor) -> Tensor:
    """RGB of one channel."""
    return light.repeat(1, 3, 1, 1)


def _chroma_of_yiq(painting: Tensor, content: Tensor) -> Tensor:
    """The painting's Y, the content's I and Q. Where that leaves 0 to 1, I and Q shrink together until it does not."""
    light = luma(painting)
    chroma = content - luma(content)  # as RGB: the same for all Y, as YIQ is linear
    room = torch.where(chroma > 0, 1 - light, light)
    share = (room / chroma.abs().clamp(min=torch.finfo(chroma.dtype).tiny)).amin(1, keepdim=True).clamp(max=1)
    return (light + share * chroma).clamp_(0, 1)


# OKLab: Björn Ottosson, A perceptual color space for image processing, 2020 (matrices as revised in January 2021).

TO_LMS = torch.tensor(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    dtype=torch.float64,
)
"""From linear sRGB."""
TO_LAB = torch.tensor(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    dtype=torch.float64,
)
"""From the cube roots of LMS."""
FROM_LMS, FROM_LAB = TO_LMS.inverse(), TO_LAB.inverse()


def linear(encoded: Tensor) -> Tensor:
    """From sRGB's encoding to light (IEC 61966-2-1), 0 to 1."""
    return torch.where(encoded <= 0.04045, encoded / 12.92, ((encoded.clamp(min=0) + 0.055) / 1.055) ** 2.4)


def encoded(light: Tensor) -> Tensor:
    """From light to sRGB's encoding, 0 to 1."""
    return torch.where(light <= 0.0031308, light * 12.92, 1.055 * light.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def to_oklab(rgb: Tensor) -> Tensor:
    """(1, 3, H, W): L, 0 to 1; a, green to red; b, blue to yellow."""
    lms = _mapped(TO_LMS, linear(rgb))
    return _mapped(TO_LAB, lms.clamp(min=0) ** (1 / 3))


def from_oklab(lab: Tensor) -> Tensor:
    """sRGB, clipped to 0 to 1; a colour that sRGB lacks keeps L and hue (b to a) and loses chroma."""
    return encoded(_light(_in_gamut(lab)).clamp(0, 1))


def _light(lab: Tensor) -> Tensor:
    """Linear sRGB, beyond 0 to 1 for colours that sRGB lacks."""
    roots = _mapped(FROM_LAB, lab)
    return _mapped(FROM_LMS, roots**3)


def _in_gamut(lab: Tensor) -> Tensor:
    """The same lightness and hue, with as much of the chroma as sRGB has."""
    lab = torch.cat([lab[:, :1].clamp(0, 1), lab[:, 1:]], 1)
    outside = ~_has(lab)[:, 0]
    if not bool(outside.any()):
        return lab
    far = lab.movedim(1, -1)[outside].T[None, :, :, None]  # (1, 3, N, 1)
    least, most = torch.zeros_like(far[:, :1]), torch.ones_like(far[:, :1])
    for _ in range(BISECTIONS):
        middle = (least + most) / 2
        inside = _has(_paler(far, middle))
        least, most = torch.where(inside, middle, least), torch.where(inside, most, middle)
    result = lab.movedim(1, -1).clone()
    result[outside] = _paler(far, least)[0, :, :, 0].T
    return result.movedim(-1, 1)


def _has(lab: Tensor) -> Tensor:
    """Whether sRGB has these colours, but for rounding: (1, 1, H, W)."""
    light = _light(lab)
    return ((light >= -ROUNDING) & (light <= 1 + ROUNDING)).all(1, keepdim=True)


def _paler(lab: Tensor, share: Tensor) -> Tensor:
    return torch.cat([lab[:, :1], share * lab[:, 1:]], 1)


def _lightness(rgb: Tensor) -> Tensor:
    return to_oklab(rgb)[:, :1].clamp(0, 1)


def _grey_of_lightness(lightness: Tensor) -> Tensor:
    """sRGB's greys (1, 3, H, W) of this L (1, 1, H, W)."""
    return _grey(encoded(lightness**3))


def _chroma_of_oklab(painting: Tensor, content: Tensor) -> Tensor:
    """The painting's L, the content's a and b."""
    return from_oklab(torch.cat([_lightness(painting), to_oklab(content)[:, 1:]], 1))


# The table.


def _as_it_is(picture: Tensor) -> Tensor:
    return picture


def _painting(painting: Tensor, content: Tensor) -> Tensor:
    return painting


COLOURS: Mapping[str, Colour] = {
    "style": Colour("the style's colours", _as_it_is, None, _as_it_is, _painting),
    "luminance": Colour("the content's colours, the painting's light (YIQ)", luma, by_cholesky, _grey, _chroma_of_yiq),
    "oklab": Colour(
        "the content's colours, the painting's lightness as the eye sees it (OKLab)",
        _lightness,
        by_cholesky,
        _grey_of_lightness,
        _chroma_of_oklab,
    ),
    "cholesky": Colour(
        "the style recoloured like the content, channel after channel (Cholesky)",
        _as_it_is,
        by_cholesky,
        _as_it_is,
        _painting,
    ),
    "pca": Colour(
        "the style recoloured like the content, along its axes of colour (PCA)",
        _as_it_is,
        by_pca,
        _as_it_is,
        _painting,
    ),
}
"""The ways there are, by name. For a single channel both matches are the same, σ_c / σ_s."""
