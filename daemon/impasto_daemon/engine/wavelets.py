"""Features that need no weights: steerable wavelets behind the interface of `features.Features`.

A pyramid, halved from level to level. On each opponent colour channel, quadrature pairs a (even), b (odd) of Gabor
filters in several orientations, with their moduli m = √(a² + b²). After Portilla & Simoncelli 2000 (joint statistics
of wavelet moduli, within and across scales, and a high-pass residual), Heeger & Bergen 1995 (histograms beside them;
here of colour) and Brochard, Zhang & Mallat 2022 (covariances of rectified wavelet coefficients).

Layers, per level N from 1 (the finest). For the manner, with a Gram matrix in mind:

- `firstN`: the pairs, both signs rectified; blurred colour and a constant, so that the matrix holds means as well;
  the soft histogram of colour (`palette`), so that it knows which colours there are and which strokes bear them; the
  moduli one level finer, halved; at level 1 the luminance residual (picture less blurred picture), both signs
  rectified, since the Gabors hardly see the finest grain.
- `secondN`, at half the size: the moduli; those of all colours together (root of the sum of their squares) filtered
  again, both signs rectified; blurred colour and a constant.

For the motif:

- `shapeN`: the pairs times m / (m + `EDGE`). Edges count in full, and faint strokes hardly: they are free to come.
- `lightN`: blurred luminance less its mean: where it is lighter and where darker.
"""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
import torch.nn.functional as F
from torch import Tensor

from .recipes import no_such_layer

LEVELS = 5
LAYERS = tuple(f"{kind}{level}" for level in range(1, LEVELS + 1) for kind in ("first", "second", "shape", "light"))

ORIENTATIONS = 6
SIZE = 7
"""Of the Gabors, in pixels."""
OPPONENT = ((0.577, 0.577, 0.577), (1.273, -1.273, 0.0), (0.734, 0.734, -1.469))
"""Rows: luminance, red against green, yellow against blue; the colour rows enlarged as pictures have less of them."""
EDGE = 0.4
"""The modulus at which `shapeN` counts a pair half: that of a step of a seventh in grey (0 to 1)."""
SHADES = 3
"""Bins of the histogram of colour along each of red, green and blue."""
RARE = 0.1
"""Added to every bin, so that one which the style leaves empty is dear but not infinitely so."""


def gabor_bank(orientations: int, size: int = SIZE, frequency: float = 0.28, sigma: float = 1.1) -> Tensor:
    """Quadrature pairs (even, odd), unit norm, even ones without mean: (2·orientations, 1, size, size).

    frequency: cycles a pixel; sigma: of the Gaussian window, in pixels.
    """
    grid = torch.arange(size, dtype=torch.float64) - size // 2
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    kernels = []
    for k in range(orientations):
        turn = math.pi * k / orientations
        along, across = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
        window = torch.exp(-(along**2 + (across / 1.2) ** 2) / (2 * sigma**2))
        even = window * torch.cos(2 * math.pi * frequency * along)
        even = even - window * (even.sum() / window.sum())
        odd = window * torch.sin(2 * math.pi * frequency * along)
        kernels += [even / even.norm(), odd / odd.norm()]
    return torch.stack(kernels)[:, None]


def palette(rgb: Tensor) -> Tensor:
    """How much each position of (1, 3, h, w) belongs to each bin of a soft histogram of colour: (1, SHADES³, h, w).

    Bins lie on a lattice in the cube of colours; shares are products of hat functions along red, green and blue
    (trilinear, they sum to 1), and each has RARE added.
    """
    centres = torch.linspace(0, 1, SHADES, device=rgb.device, dtype=rgb.dtype).view(1, SHADES, 1, 1)
    hats = [F.relu(1 - (channel - centres).abs() * (SHADES - 1)) for channel in rgb.clamp(0, 1).chunk(3, 1)]
    pairs = (hats[0][:, :, None] * hats[1][:, None]).flatten(1, 2)
    return (pairs[:, :, None] * hats[2][:, None]).flatten(1, 2) + RARE


class Wavelets:
    """Steerable wavelets as `Features`."""

    least = 32
    pixel_deviation = 1.0

    def __init__(self, device: str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        binomial = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=torch.float64) / 16
        self.gabors = gabor_bank(ORIENTATIONS).to(device, dtype)
        self.binomial = torch.outer(binomial, binomial)[None, None].to(device, dtype)
        self.opponent = torch.tensor(OPPONENT, device=device, dtype=dtype)[:, :, None, None]

    def __call__(self, rgb: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
        self.check(wanted)
        found: dict[str, Tensor] = {}
        finer: Tensor | None = None
        for level in range(1, max(int(name[-1]) for name in wanted) + 1):
            if level > 1:
                rgb = self._halve(rgb)
            finer = self._level(rgb, level, finer, wanted, found)
        return found

    def check(self, wanted: Collection[str]) -> None:
        """Raise ImpastoError(BAD_REQUEST) for a layer that wavelets do not have."""
        for name in wanted:
            if name not in LAYERS:
                raise no_such_layer(f"Wavelets have no layer “{name}”.", name, LAYERS)

    def _level(
        self, rgb: Tensor, level: int, finer: Tensor | None, wanted: Collection[str], found: dict[str, Tensor]
    ) -> Tensor | None:
        """Put the wanted layers of a level into `found`. Takes the halved moduli of the finer level, gives its own
        if anything needs them."""
        x = F.conv2d(rgb, self.opponent)
        colour, constant = self._blur(x), torch.ones_like(x[:, :1])
        pairs = self._filter(x)  # (1, 3, 2·orientations, h, w)
        moduli = (pairs[:, :, 0::2].square() + pairs[:, :, 1::2].square() + 1e-5).sqrt()
        if f"first{level}" in wanted:
            beside = [colour, constant, palette(rgb)]
            if finer is None:
                residual = x[:, :1] - colour[:, :1]
                beside += [F.relu(residual), F.relu(-residual)]
            else:
                beside.append(finer)
            found[f"first{level}"] = torch.cat([*_rectified(pairs), *beside], 1)
        if f"shape{level}" in wanted:
            found[f"shape{level}"] = (pairs * (moduli / (moduli + EDGE)).repeat_interleave(2, 2)).flatten(1, 2)
        if f"light{level}" in wanted:
            found[f"light{level}"] = colour[:, :1] - colour[:, :1].mean((2, 3), keepdim=True)
        if not {f"second{level}", f"first{level + 1}"} & set(wanted):
            return None
        halved = self._halve(moduli.flatten(1, 2))
        if f"second{level}" in wanted:
            together = halved.view(3, ORIENTATIONS, *halved.shape[-2:]).square().sum(0, keepdim=True).sqrt()
            beside = [halved, self._blur(self._halve(x)), torch.ones_like(halved[:, :1])]
            found[f"second{level}"] = torch.cat([*_rectified(self._filter(together)), *beside], 1)
        return halved

    def _filter(self, x: Tensor) -> Tensor:
        """All Gabors on each channel: (1, C, h, w) to (1, C, 2·orientations, h, w)."""
        (c, h, w), edge = x.shape[1:], SIZE // 2
        padded = F.pad(x, (edge, edge, edge, edge), "replicate").reshape(c, 1, h + 2 * edge, w + 2 * edge)
        return F.conv2d(padded, self.gabors).reshape(1, c, -1, h, w)

    def _blur(self, x: Tensor, stride: int = 1) -> Tensor:
        c = x.shape[1]
        padded = F.pad(x, (2, 2, 2, 2), "replicate")
        return F.conv2d(padded, self.binomial.expand(c, 1, 5, 5), groups=c, stride=stride)

    def _halve(self, x: Tensor) -> Tensor:
        return self._blur(x, stride=2)


def _rectified(pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients (1, C, 2·orientations, h, w) with either sign, as channels."""
    flat = pairs.flatten(1, 2)
    return F.relu(flat), F.relu(-flat)
