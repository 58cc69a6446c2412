"""What can be measured of a painting without downloading anything: one figure a function, no state.

Pictures are (1, 3, H, W), RGB, 0 to 1; activations (1, C, h, w). It knows neither recipes nor networks: who wants a
distance in a network's activations hands them in.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Of red, green and blue (Rec. ITU-R BT.709), taken of the encoded samples."""
DIRECTIONS = 96
"""Random projections in a sliced distance."""
QUANTILES = 1024
"""Points at which the two distributions along a projection are compared."""
PATCH = 7
"""Side of the patches of `patch_quantiles`, in pixels."""
SQUARE = 4
"""Side of the squares of `grid`, in pixels: two poolings."""
BORDER = 8
"""Width of the frame that `border_energy` looks at, in pixels."""
GRAIN = 0.75
"""Share of the Nyquist frequency above which `grain` counts."""
SPECKLE = 0.5
"""The same for `speckle`."""


def luminance(rgb: Tensor) -> Tensor:
    """Luma (1, 1, H, W) of a picture."""
    return (rgb * rgb.new_tensor(LUMINANCE).view(1, 3, 1, 1)).sum(1, keepdim=True)


# Distances between distributions ---------------------------------------------------------------------------


def quantiles(samples: Tensor, count: int = QUANTILES) -> Tensor:
    """Of each row of samples (K, N), `count` values in rising order: (K, count).

    They are the quantile function at (i + ½)/count, between the sorted samples linearly: rows of different lengths
    can be compared with each other.
    """
    rising = samples.sort(1).values
    n = rising.shape[1]
    position = ((torch.arange(count, dtype=torch.float64) + 0.5) * n / count - 0.5).clamp(0, n - 1)
    below = position.floor().long()
    above = (below + 1).clamp(max=n - 1)
    return rising[:, below].lerp(rising[:, above], (position - below).to(rising))


def sliced_quantiles(activations: Tensor, directions: int = DIRECTIONS, seed: int = 0) -> Tensor:
    """Quantiles of activations (1, C, h, w) along random unit vectors of C dimensions: (directions, QUANTILES).

    The vectors depend on C and the seed alone. `wasserstein` of two such tables is the sliced Wasserstein distance
    (Rabin et al. 2011; between activations of VGG: Heitz et al. 2021).
    """
    return quantiles(_unit_vectors(directions, activations.shape[1], seed) @ activations[0].flatten(1))


def patch_quantiles(rgb: Tensor, levels: int = 4, directions: int = DIRECTIONS, seed: int = 0) -> list[Tensor]:
    """Quantiles of 7×7 patches of a picture's Laplacian pyramid along random unit vectors, a table a level.

    No network is in it. After Karras et al. 2018 (progressive growing, section 5), but with the patches as they are,
    so that contrast and colour count; the last level is the low-pass picture itself.
    """
    kernels = _unit_vectors(directions, 3 * PATCH * PATCH, seed).view(directions, 3, PATCH, PATCH)
    found = []
    for band in _laplacian(rgb, levels):
        found.append(quantiles(F.conv2d(band, kernels)[0].flatten(1)))
    return found


def wasserstein(ours: Tensor, theirs: Tensor) -> float:
    """Mean absolute difference of two tables of quantiles: the Wasserstein-1 distance, averaged over the rows."""
    return float((ours - theirs).abs().mean())


def colour_distance(ours: Tensor, theirs: Tensor) -> float:
    """Wasserstein-1 distance of the histograms of red, of green and of blue, averaged: 0 (same) to 1 (black, white)."""
    return wasserstein(quantiles(ours[0].flatten(1)), quantiles(theirs[0].flatten(1)))


def gram_distance(ours: Tensor, theirs: Tensor) -> float:
    """‖G − A‖² (Frobenius) of the two Gram matrices of activations, each divided by its own number of positions.

    Gatys et al. 2016, equations 3 and 4, without the constant. A recipe that minimises it has seen it.
    """
    first, second = (_gram(each) for each in (ours, theirs))
    return float((first - second).square().sum())


def _gram(activations: Tensor) -> Tensor:
    flat = activations[0].flatten(1).double()
    return flat @ flat.T / flat.shape[1]


def _unit_vectors(count: int, dimensions: int, seed: int) -> Tensor:
    generator = torch.Generator("cpu").manual_seed(seed)
    return F.normalize(torch.randn(count, dimensions, generator=generator), dim=1)


def _laplacian(rgb: Tensor, levels: int) -> list[Tensor]:
    """Bands from fine to coarse, then what remains; fewer than `levels` where no patch would fit any more."""
    bands: list[Tensor] = []
    while len(bands) < levels - 1 and min(rgb.shape[-2:]) >= 4 * PATCH:
        smaller = F.interpolate(rgb, scale_factor=0.5, mode="bicubic", antialias=True)
        bands.append(rgb - F.interpolate(smaller, rgb.shape[-2:], mode="bicubic", align_corners=False))
        rgb = smaller
    return [*bands, rgb]


# Likeness to the content -----------------------------------------------------------------------------------


def ssim(ours: Tensor, theirs: Tensor) -> float:
    """Structural similarity of the luma of two pictures of one size, both at least 11 pixels a side: −1 to 1, 1 for
    the same.

    Wang et al. 2004, equation 13, with the paper's window (Gaussian, σ 1.5, 11 pixels, whole windows only) and
    constants (0.01 and 0.03).
    """
    reach = torch.arange(11, dtype=torch.float32) - 5
    bell = torch.exp(-(reach**2) / (2 * 1.5**2))
    window = torch.outer(bell, bell)[None, None] / bell.sum() ** 2
    x, y = luminance(ours), luminance(theirs)
    mean_x, mean_y, xx, yy, xy = (F.conv2d(each, window) for each in (x, y, x * x, y * y, x * y))
    low, contrast = 0.01**2, 0.03**2
    likeness = (2 * mean_x * mean_y + low) * (2 * (xy - mean_x * mean_y) + contrast)
    size = (mean_x**2 + mean_y**2 + low) * (xx - mean_x**2 + yy - mean_y**2 + contrast)
    return float((likeness / size).mean())


def correlation(ours: Tensor, theirs: Tensor) -> float:
    """Pearson's correlation of two tensors of one shape over all their elements: −1 to 1; 0 if one is constant."""
    x, y = (each.double() - each.double().mean() for each in (ours, theirs))
    size = float(x.norm() * y.norm())
    return float((x * y).sum()) / size if size else 0.0


# Faults ----------------------------------------------------------------------------------------------------


def grain(rgb: Tensor) -> float:
    """Share of the luma's spectral energy (mean removed) above ¾ of the Nyquist frequency, radially: 0 to 1.

    White noise has 1 − π·(¾)²/4 = 0.56.
    """
    return _share_above(GRAIN, luminance(rgb))


def speckle(rgb: Tensor) -> float:
    """Share of the colour differences' spectral energy (red − green and blue − yellow, means removed) above half the
    Nyquist frequency, radially: 0 to 1. Noise of many colours that the luma does not show."""
    red, green, blue = rgb.unbind(1)
    return _share_above(SPECKLE, torch.stack([red - green, blue - (red + green) / 2], 1))


def _share_above(share: float, channels: Tensor) -> float:
    power, down, across = _spectrum(channels)
    high = (down.square() + across.square()).sqrt() > share * 0.5
    return float(power[high].sum() / power.sum().clamp(min=1e-30))


def grid(rgb: Tensor) -> float:
    """How far a picture's sharpness depends on where a pixel lies in squares of 4×4: standard deviation over mean of
    the mean squared differences between neighbours, across by column modulo 4 and down by row modulo 4, averaged.

    0 is none; pictures have some hundredths. A network with poolings, whose gradient paints, leaves more.
    """
    found = []
    for picture in (rgb, rgb.transpose(2, 3)):
        slopes = (picture[..., 1:] - picture[..., :-1]).square().mean((0, 1, 2))
        folded = slopes[: len(slopes) // SQUARE * SQUARE].view(-1, SQUARE).mean(0)
        found.append(float(folded.std() / folded.mean().clamp(min=1e-12)))
    return sum(found) / 2


def _spectrum(channels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Power (H, W) of (1, C, H, W) under a Hann window, summed over channels whose means are removed, and |frequency|
    down (H, 1) and across (1, W) in cycles a pixel."""
    height, width = channels.shape[-2:]
    window = torch.outer(torch.hann_window(height, dtype=torch.float64), torch.hann_window(width, dtype=torch.float64))
    centred = channels[0].double() - channels[0].double().mean((1, 2), keepdim=True)
    power = torch.fft.fft2(centred * window).abs().square().sum(0)
    down, across = (torch.fft.fftfreq(n, dtype=torch.float64).abs() for n in (height, width))
    return power, down[:, None], across[None]


def border_energy(rgb: Tensor) -> float:
    """Mean squared gradient of the luma in the outermost 8 pixels over that inside: about 1 where the frame is like
    the rest. To be compared with the content's own."""
    grey = luminance(rgb)[0, 0]
    slope = (grey[1:, :-1] - grey[:-1, :-1]).square() + (grey[:-1, 1:] - grey[:-1, :-1]).square()
    inside = torch.zeros_like(slope, dtype=torch.bool)
    inside[BORDER:-BORDER, BORDER:-BORDER] = True
    within = slope[inside].mean() if bool(inside.any()) else slope.mean()
    return float(slope[~inside].mean() / within.clamp(min=1e-12))


def variation(pictures: list[Tensor]) -> float:
    """Mean absolute difference between every two of these pictures of one size: 0 to 1, nan for fewer than two."""
    pairs = [(a, b) for i, a in enumerate(pictures) for b in pictures[:i]]
    return math.fsum(float((a - b).abs().mean()) for a, b in pairs) / len(pairs) if pairs else math.nan
