"""Features that need no weights: a steerable pyramid behind the interface of `features.Features`.

The pyramid. Luminance and two opponent colours, halved from level to level (binomial blur, then every other sample). On
each colour at each level, six pairs of filters, even (a) and odd (b), with moduli m = √(a² + b²): `steerable_bank`.

- Steerable (Freeman & Adelson 1991, theorem 1): as functions of the angle the filters have no orders beyond the fifth,
  so what a pair of any other angle would see is a weighted sum of what these six see. No direction is preferred.
- In quadrature: Gabors (even: cosine, odd: sine, under one window), whence m tells how much there is and not where
  exactly.
- Covering (as Simoncelli & Freeman 1995 ask of a steerable pyramid): the power of all filters together, over all
  levels, is the same in all directions to 1 %, and at 0.02 to 0.3 cycles a pixel within 20 % of its mean. Finer grain
  is the residual's at level 1. Unlike theirs, the pyramid need not be inverted here, only compared.

What is measured on it is after Portilla & Simoncelli 2000 (joint statistics of moduli, within and across scales, and a
high-pass residual), Heeger & Bergen 1995 (histograms beside them; here of colour) and Brochard, Zhang & Mallat 2022
(covariances of rectified wavelet coefficients).

Layers, per level N from 1 (the finest). For the manner, with second moments in mind:

- `firstN`: the pairs, both signs rectified; blurred colour and a constant, so that a Gram matrix holds means as well;
  the soft histogram of colour (`palette`), so that it knows which colours there are and which strokes bear them; the
  moduli one level finer, halved; at level 1 the luminance residual (picture less blurred picture), both signs
  rectified, since the Gabors hardly see the finest grain.
- `secondN`, at half the size: the moduli; those of all colours together (root of the sum of their squares) filtered
  again, both signs rectified; blurred colour and a constant.

For the motif:

- `shapeN`: the pairs times m / (m + `EDGE`). Edges count in full, and faint strokes hardly: they are free to come.
- `lightN`: blurred luminance less its mean: where it is lighter and where darker.

Every activation belongs to a position: whoever wants to leave some out, or weigh them, can.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from .recipe import no_such_layer
from .tiles import Layer, Scale

LEVELS = 5
LAYERS = tuple(f"{kind}{level}" for level in range(1, LEVELS + 1) for kind in ("first", "second", "shape", "light"))

ORIENTATIONS = 6
SIZE = 7
"""Of the filters, in pixels; odd."""
FREQUENCY, SIGMA, LENGTH = 0.28, 1.1, 1.2
"""Of the Gabors: cycles a pixel; the window's deviation across an edge, in pixels; how much longer it is along it."""
TURNS = 64
"""Angles of a full turn at which Gabors are averaged."""
OPPONENT = ((0.577, 0.577, 0.577), (1.273, -1.273, 0.0), (0.734, 0.734, -1.469))
"""Rows: luminance, red against green, yellow against blue; the colour rows enlarged as pictures have less of them."""
EDGE = 0.4
"""The modulus at which `shapeN` counts a pair half: that of a step of a seventh in grey (0 to 1)."""
SHADES = 3
"""Bins of the histogram of colour along each of red, green and blue."""
RARE = 0.1
"""Added to every bin, so that one which the style leaves empty is dear but not infinitely so."""


def steerable_bank(orientations: int) -> Tensor:
    """Pairs (even, odd) at angles π·k/orientations, unit norm, even ones without mean: (2·orientations, 1, SIZE, SIZE).

    Gabors without their angular orders of `orientations` and above: Σ_m f_m(r)·e^{im·angle} with |m| < orientations,
    the even filter having the even m, the odd one the odd. Found as a mean over Gabors of all angles, weighted by the
    kernel of those orders (Dirichlet's); at every pixel exact, there is no resampling.
    """
    turns = 2 * math.pi * torch.arange(TURNS, dtype=torch.float64) / TURNS
    gabors = torch.stack([gabor(float(turn)) for turn in turns], 1)  # (2, TURNS, SIZE, SIZE)
    apart = math.pi * torch.arange(orientations, dtype=torch.float64)[:, None] / orientations - turns
    kernels = []
    for parity in (0, 1):
        shares = sum((2 if m else 1) * torch.cos(m * apart) for m in range(parity, orientations, 2))
        kernels.append(torch.tensordot(torch.as_tensor(shares), gabors[parity], 1))
    bank = torch.stack(kernels, 1).flatten(0, 1)[:, None]
    norms: Tensor = torch.linalg.vector_norm(bank, dim=(1, 2, 3), keepdim=True)
    return bank / norms


def gabor(turn: float) -> Tensor:
    """Even and odd Gabor across an edge whose normal is at angle `turn`, the even one without mean: (2, SIZE, SIZE)."""
    grid = torch.arange(SIZE, dtype=torch.float64) - SIZE // 2
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    across, along = x * math.cos(turn) + y * math.sin(turn), y * math.cos(turn) - x * math.sin(turn)
    window = torch.exp(-(across**2 + (along / LENGTH) ** 2) / (2 * SIGMA**2))
    even = window * torch.cos(2 * math.pi * FREQUENCY * across)
    even = even - window * (even.sum() / window.sum())
    return torch.stack([even, window * torch.sin(2 * math.pi * FREQUENCY * across)])


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
    """A steerable pyramid as `Features`. wrap: the picture goes on at the opposite border and not with the border's
    colour, so that a tile is seen as the endless pattern that it makes."""

    least = 32
    pixel_deviation = 1.0

    def __init__(self, device: str = "cpu", dtype: torch.dtype = torch.float32, wrap: bool = False) -> None:
        binomial = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=torch.float64) / 16
        self.bank = steerable_bank(ORIENTATIONS).to(device, dtype)
        self.binomial = torch.outer(binomial, binomial)[None, None].to(device, dtype)
        self.opponent = torch.tensor(OPPONENT, device=device, dtype=dtype)[:, :, None, None]
        self.wrap = wrap

    @property
    def key(self) -> Hashable:
        """See `features.Features`."""
        return ("wavelets", self.bank.device, self.bank.dtype, self.wrap)

    def with_options(self, wrap: bool = False) -> Wavelets:
        """The same filters with or without wrapping."""
        twin = Wavelets.__new__(Wavelets)
        twin.__dict__.update(self.__dict__, wrap=wrap)
        return twin

    def unwrapped(self) -> Wavelets:
        """The same filters for pictures that are no tiles."""
        return self.with_options()

    def __call__(self, rgb: Tensor, wanted: Collection[str]) -> dict[str, Tensor]:
        """See `features.seen`."""
        return self._look(frozenset(wanted), rgb, None)

    def scales(self, rgb: Tensor, wanted: Collection[str]) -> list[Scale]:
        """See `features.Features`."""
        self.check(wanted)
        layers = {name: _layer(name, *rgb.shape[-2:]) for name in LAYERS if name in wanted}
        grid = max(layer.stride for layer in layers.values())
        halo = math.ceil(max(_reach(name) for name in layers) / grid) * grid
        facts = partial(self._facts, rgb, list(layers))
        return [Scale(rgb, layers, partial(self._look, frozenset(wanted)), halo, grid, self.wrap, facts)]

    def _facts(self, rgb: Tensor, names: Collection[str]) -> Tensor:
        """Mean luminances, by level from 1 to the last one wanted: what `lightN` is less of."""
        means = []
        for level in range(1, max(int(name[-1]) for name in names) + 1):
            rgb = self._halve(rgb) if level > 1 else rgb
            means.append(self._blur(F.conv2d(rgb, self.opponent[:1])).mean())
        return torch.stack(means)

    def _look(self, wanted: Collection[str], rgb: Tensor, facts: Tensor | None) -> dict[str, Tensor]:
        """The layers of a whole picture (facts None) or of a part."""
        self.check(wanted)
        found: dict[str, Tensor] = {}
        finer: Tensor | None = None
        for level in range(1, max(int(name[-1]) for name in wanted) + 1):
            if level > 1:
                rgb = self._halve(rgb)
            finer = self._level(rgb, level, finer, wanted, found, None if facts is None else facts[level - 1])
        return found

    def check(self, wanted: Collection[str]) -> None:
        """Raise ImpastoError(BAD_REQUEST) for a layer that wavelets do not have."""
        for name in wanted:
            if name not in LAYERS:
                raise no_such_layer(f"Wavelets have no layer “{name}”.", name, LAYERS)

    def _level(
        self,
        rgb: Tensor,
        level: int,
        finer: Tensor | None,
        wanted: Collection[str],
        found: dict[str, Tensor],
        light: Tensor | None,
    ) -> Tensor | None:
        """Put the wanted layers of a level into `found`. Takes the halved moduli of the finer level, gives its own
        if anything needs them. light: the whole picture's mean luminance, None where this is the whole."""
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
            found[f"light{level}"] = colour[:, :1] - (colour[:, :1].mean() if light is None else light)
        if not {f"second{level}", f"first{level + 1}"} & set(wanted):
            return None
        halved = self._halve(moduli.flatten(1, 2))
        if f"second{level}" in wanted:
            together = halved.view(3, ORIENTATIONS, *halved.shape[-2:]).square().sum(0, keepdim=True).sqrt()
            beside = [halved, self._blur(self._halve(x)), torch.ones_like(halved[:, :1])]
            found[f"second{level}"] = torch.cat([*_rectified(self._filter(together)), *beside], 1)
        return halved

    def _filter(self, x: Tensor) -> Tensor:
        """All pairs on each channel: (1, C, h, w) to (1, C, 2·orientations, h, w)."""
        c, h, w = x.shape[1:]
        padded = self._padded(x, SIZE // 2)
        return F.conv2d(padded.reshape(c, 1, *padded.shape[2:]), self.bank).reshape(1, c, -1, h, w)

    def _blur(self, x: Tensor, stride: int = 1) -> Tensor:
        c = x.shape[1]
        return F.conv2d(self._padded(x, 2), self.binomial.expand(c, 1, 5, 5), groups=c, stride=stride)

    def _halve(self, x: Tensor) -> Tensor:
        """(1, C, h, w) to (1, C, ⌈h/2⌉, ⌈w/2⌉). Around a tile the samples lie at equal distances, from the last
        to the first too: where a side is odd, a little less than two pixels."""
        if not self.wrap or x.shape[2] % 2 == x.shape[3] % 2 == 0:
            return self._blur(x, stride=2)
        return _spread(_spread(self._blur(x), 2), 3)

    def _padded(self, x: Tensor, edge: int) -> Tensor:
        if not self.wrap:
            return F.pad(x, (edge, edge, edge, edge), "replicate")
        for axis in (2, 3):
            length = x.shape[axis]
            x = x.index_select(axis, torch.arange(-edge, length + edge, device=x.device) % length)
        return x


def _layer(name: str, height: int, width: int) -> Layer:
    """`secondN` is at half the size of the other layers of its level; halves are rounded up."""
    stride = 1 << int(name[-1]) - (not name.startswith("second"))
    return Layer(stride, math.ceil(height / stride), math.ceil(width / stride))


def _reach(name: str) -> int:
    """Pixels on either side that an activation depends on: those of the halvings (2 samples on either side each, the
    finest first) and of the filters (SIZE // 2)."""
    level = int(name[-1])
    unit, halvings = 1 << (level - 1), 2 * ((1 << (level - 1)) - 1)
    own = halvings + unit * (SIZE // 2)
    return own + 2 * unit + 2 * unit * (SIZE // 2) if name.startswith("second") else own


def _spread(x: Tensor, axis: int) -> Tensor:
    """⌈n/2⌉ samples at equal distances around an axis of n that goes on at its other end; linear between pixels."""
    length = x.shape[axis]
    halved = (length + 1) // 2
    places = torch.arange(halved, device=x.device) * length
    before = places // halved
    share = ((places % halved).to(x.dtype) / halved).view(-1, *[1] * (3 - axis))
    return x.index_select(axis, before) * (1 - share) + x.index_select(axis, (before + 1) % length) * share


def _rectified(pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Coefficients (1, C, 2·orientations, h, w) with either sign, as channels."""
    flat = pairs.flatten(1, 2)
    return F.relu(flat), F.relu(-flat)
