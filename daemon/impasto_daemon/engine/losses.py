"""The losses: how far a picture's activations are from their targets. One formula a function, no state.

Activations F are (1, C, h, w); N = h·w is the number of positions. What is compared of a style are moments, which are
means over positions: pictures of unequal size can be compared, and where the sizes are equal the losses are the
published ones. Positions may have weights, 0 for one that counts for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .kernels import energy, exactly, gram
from .tiles import by_rows

SILENT = 1e-2
"""A channel's least root mean square for `balanced`, as a share of its layer's largest; in paintings it is more."""
HUSHED = 0.1
"""The same, as a share of what the content has in that channel."""
CALM = 0.1
"""What `correlation` takes for no texture: a deviation below this where a root mean square is 1."""
RIDGE = 1e-4
"""Added to the diagonal of covariances (style-transfer-pytorch's): they have roots then."""
ROUNDING = 64.0
"""Units in the last place of the largest second moment by which a sum over a picture's positions may be off."""
ROOT_STEPS = 12
"""Newton–Schulz iterations for a root (style-transfer-pytorch's)."""


# What is compared of a style --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Moments:
    """Mean (C,) and second moment (C, C) of a layer's activations over its positions; the latter is the Gram matrix
    divided by N."""

    mean: Tensor
    second: Tensor

    def over(self, count: Tensor | float) -> Moments:
        """Both divided by it: moments of sums."""
        return Moments(self.mean / count, self.second / count)

    def scaled(self, scale: Tensor) -> Moments:
        """Those of the activations times scale, (1,) or (C,)."""
        scale = scale.expand(self.mean.shape[0])
        return Moments(self.mean * scale, self.second * torch.outer(scale, scale))


def mixed(parts: list[tuple[Moments, float]]) -> Moments:
    """The moments of a mixture: means weighted by the shares, which sum to 1."""
    return Moments(
        torch.stack([part.mean * share for part, share in parts]).sum(0),
        torch.stack([part.second * share for part, share in parts]).sum(0),
    )


def sums(activations: Tensor, weights: Tensor | None = None, means: bool = True) -> Moments:
    """Σ_k w_k·F_ik and Σ_k w_k·F_ik·F_jk of (1, C, h, w): moments, not yet divided; those of parts add up.

    weights: (1, 1, h, w), 0 or more; None for equal ones, and then the second is the Gram matrix of Gatys, Ecker,
    Bethge 2016, equation 3. With weights it is their guided Gram matrix (Gatys et al. 2017, Controlling Perceptual
    Factors, equation 3) for T² = w. means: whether the first are wanted; NaN where they are not. In float32 at least.
    """
    second = gram(activations, weights)
    if not means:
        return Moments(second.new_full(second.shape[:1], torch.nan), second)
    exact = exactly(activations)
    return Moments((exact if weights is None else exact * weights).sum((2, 3))[0], second)


def mass(weights: Tensor) -> Tensor:
    """How many positions there are in all, by their weights; not nothing."""
    return weights.sum().clamp(min=1e-9)


StyleLoss = Callable[[Moments], Tensor]
"""From a picture's moments in one layer to a scalar; made for one target."""


def gatys_style(target: Moments) -> StyleLoss:
    """E = Σ_ij (G_ij − A_ij)² / (4·C²·N²) for undivided Gram matrices of N positions each.

    The moments are divided by their own N, hence Σ(G/N − A/N)² / (4·C²): the same number.
    Source: Gatys, Ecker, Bethge 2016, equation 4.
    """
    channels = target.second.shape[0]
    return lambda ours: (ours.second - target.second).square().sum() / (4 * channels**2)


def mean_style(target: Moments) -> StyleLoss:
    """mean (G/N − A/N)², the mean squared error of Gram matrices over N; 4·E. Source: Gatys' notebook; TensorFlow."""
    return lambda ours: (ours.second - target.second).square().mean()


def mean_by_channels_style(target: Moments) -> StyleLoss:
    """mean (G/(C·N) − A/(C·N))²; 4·E/C². Source: neural-style (Torch); PyTorch's tutorial."""
    channels = target.second.shape[0]
    return lambda ours: (ours.second - target.second).square().mean() / channels**2


def relative_style(target: Moments) -> StyleLoss:
    """‖G − A‖² / ‖A‖² (Frobenius): 0 for the style itself, 1 for a black picture, whatever the network's units."""
    size = target.second.square().sum() + 1e-12
    return lambda ours: (ours.second - target.second).square().sum() / size


def correlation_style(target: Moments) -> StyleLoss:
    """‖D·(Σ − Σ*)·D‖² / ‖D·Σ*·D‖² + ‖μ − μ*‖² / ‖μ*‖² for covariances Σ and means μ, D = diag(1/σ*).

    Gram matrices of activations that are never negative are for the most part means. Apart from those, and as
    correlations, what goes with what counts as much. Deviations σ* of the target count as CALM at least, where
    channels have a root mean square of 1. A target that is calm as a whole (‖Σ*‖ at most CALM of its Gram matrix: a
    solid style) has no correlations, and is compared as `relative`.
    """
    wanted = target.second - torch.outer(target.mean, target.mean)
    if float(torch.linalg.matrix_norm(wanted)) <= CALM * float(torch.linalg.matrix_norm(target.second)):
        return relative_style(target)
    spread = wanted.diagonal().clamp(min=CALM**2).sqrt()
    scale = 1 / torch.outer(spread, spread)
    size, light = (wanted * scale).square().sum(), target.mean.square().sum()

    def loss(ours: Moments) -> Tensor:
        found = ours.second - torch.outer(ours.mean, ours.mean)
        together = ((found - wanted) * scale).square().sum() / size
        return together + (ours.mean - target.mean).square().sum() / light

    return loss


def wasserstein_style(target: Moments) -> StyleLoss:
    """mean (μ−μ*)² + tr(Σ* + Σ − 2·(Σ*^½·Σ·Σ*^½)^½) / C, for covariances with RIDGE on their diagonals: the squared
    Wasserstein-2 distance of Gaussians (Dowson & Landau 1982) over C. Source: style-transfer-pytorch."""
    wanted = covariance(target)
    half = root(wanted)

    def loss(ours: Moments) -> Tensor:
        found = covariance(ours)
        bridge = root(half @ found @ half)
        return (ours.mean - target.mean).square().mean() + (wanted + found - 2 * bridge).diagonal().mean()

    return loss


def covariance(of: Moments) -> Tensor:
    """(C, C), with RIDGE on the diagonal, and with what the difference may lack by rounding: of a solid style nothing
    else is left, and a negative variance has no root."""
    finest = torch.finfo(of.mean.dtype).eps
    ridge = RIDGE + ROUNDING * finest * of.second.diagonal().max().detach()
    one = torch.eye(len(of.mean), dtype=of.mean.dtype, device=of.mean.device)
    return of.second - torch.outer(of.mean, of.mean) + ridge * one


class _Root(torch.autograd.Function):
    """By ROOT_STEPS coupled Newton–Schulz iterations (Higham 2008, equation 6.35). The gradient X for an upstream G
    solves R·X + X·R = G for the root R (Lyapunov's equation), by as many iterations of Newton–Schulz for the sign of
    [[R, G], [0, −R]] (Roberts 1980), on its blocks."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        size, one = torch.linalg.matrix_norm(matrix), torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
        y, z = matrix / size, one
        for _ in range(ROOT_STEPS):
            step = (3 * one - z @ y) / 2
            y, z = y @ step, step @ z
        found: Tensor = y * size.sqrt()
        ctx.save_for_backward(found)
        return found

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Tensor:
        (found,) = ctx.saved_tensors
        size, one = torch.linalg.matrix_norm(found), torch.eye(len(found), dtype=found.dtype, device=found.device)
        a, slope = found / size, upstream[0] / size
        for _ in range(ROOT_STEPS):
            step = 3 * one - a @ a
            slope = (slope @ step - a.T @ (a.T @ slope - slope @ a)) / 2
            a = a @ step / 2
        solved: Tensor = slope / 2
        return solved


def root(matrix: Tensor) -> Tensor:
    """The square root of a positive definite (C, C), and its gradient, as style-transfer-pytorch has them; where its
    iterations do not suffice (eigenvalues far below the largest), that is the formula all the same."""
    found: Tensor = _Root.apply(matrix)
    return found


STYLE_LOSSES: Mapping[str, Callable[[Moments], StyleLoss]] = {
    "gatys": gatys_style,
    "mean": mean_style,
    "mean-by-channels": mean_by_channels_style,
    "relative": relative_style,
    "balanced": relative_style,
    "correlation": correlation_style,
    "wasserstein": wasserstein_style,
}
"""By the recipe's `style_loss`."""

AT_EQUAL_POWER = ("balanced", "correlation")
"""The style losses that first divide channels by `channel_rms`."""

WITH_MEANS = ("correlation", "wasserstein")
"""Those that look at first moments; the others look at second ones alone."""

MEANS_OVER_LAYERS = ("relative", *AT_EQUAL_POWER)
"""The style and content losses that are averaged over layers; the others are summed, as published."""


def channel_rms(of: Moments) -> Tensor:
    """Root mean square of each channel, as (C,); at least SILENT of the largest.

    A flat picture has channels of nothing but rounding; divided by that, a painting's would be astronomic.
    """
    rms = of.second.diagonal().sqrt()
    return torch.clamp(rms, min=float(rms.max()) * SILENT + 1e-9)


# What is compared of the content ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Kept:
    """The content in one layer: activations P (1, C, h, w) as the features give them, ‖P‖² in the recipe's units over
    what counts of them (at least what is next to nothing in that layer), and the number of samples that count."""

    activations: Tensor
    energy: Tensor
    count: Tensor | float


def squared_error(ours: Tensor, target: Tensor, weights: Tensor | None) -> Tensor:
    """Σ w·(F − P)² over all channels and positions; weights (1, 1, h, w), None for 1. In float32 at least, of
    differences in the activations' precision."""
    return squares(ours - target, weights)


def squares(activations: Tensor, weights: Tensor | None) -> Tensor:
    """Σ w·F² over all channels and positions; weights as for `squared_error`. In float32 at least."""
    return energy(activations if weights is None else activations * weights.sqrt())


CONTENT_LOSSES: Mapping[str, Callable[[Tensor, Kept], Tensor]] = {
    "gatys": lambda error, kept: error / 2,
    "sum": lambda error, kept: error,
    "mean": lambda error, kept: error / kept.count,
    "quarter-mean": lambda error, kept: error / (4 * kept.count),
    "relative": lambda error, kept: error / kept.energy,
}
"""By the recipe's `content_loss`, from Σ(F−P)²: ½Σ (Gatys, Ecker, Bethge 2016, equation 1), Σ (the articles with
VGG16), the mean (PyTorch's and TensorFlow's tutorials, neural-style), a quarter of it (deeplearning.ai), and over ‖P‖²:
0 for the content itself, about 1 for a picture that has nothing to do with it."""


# What a picture should not have -----------------------------------------------------------------------------


def mean_variation(rgb: Tensor) -> Tensor:
    """Squared differences between neighbours, across and down, of (1, 3, H, W): their sum over its 3·H·W samples."""
    return (by_rows(rgb, _squares_down, 1) + by_rows(rgb, _squares_across)) / rgb.numel()


def half_sum_variation(rgb: Tensor) -> Tensor:
    """½·Σ of squared differences to the right and lower neighbours, for pixels that have both. Its gradient is what
    neural-style adds (its TVLoss)."""
    return (by_rows(rgb[..., :-1], _squares_down, 1) + by_rows(rgb[..., :-1, :], _squares_across)) / 2


def absolute_variation(rgb: Tensor) -> Tensor:
    """Σ of absolute differences, across and down. Source: tf.image.total_variation."""
    return by_rows(rgb, lambda rows: _down(rows).abs().sum(), 1) + by_rows(rgb, lambda rows: _across(rows).abs().sum())


def nine_point_variation(rgb: Tensor) -> Tensor:
    """2·(⅓·mean across² + ⅓·mean down² + 1/12·mean of both diagonals²), borders repeated.
    Source: style-transfer-pytorch's TVLoss, a nine-point stencil."""
    framed = F.pad(rgb, (1, 1, 1, 1), "replicate")
    straight = by_rows(framed[..., 1:-1, 1:], _squares_across) + by_rows(framed[..., 1:, 1:-1], _squares_down, 1)
    slanting = by_rows(framed, _squares_aslant, 1)
    corners = rgb.shape[1] * (rgb.shape[2] + 1) * (rgb.shape[3] + 1)
    return 2 * (straight / (3 * rgb.numel()) + slanting / (12 * corners))


def _squares_down(rgb: Tensor) -> Tensor:
    return _down(rgb).square().sum()


def _squares_across(rgb: Tensor) -> Tensor:
    return _across(rgb).square().sum()


def _squares_aslant(rgb: Tensor) -> Tensor:
    falling, rising = rgb[..., 1:, 1:] - rgb[..., :-1, :-1], rgb[..., 1:, :-1] - rgb[..., :-1, 1:]
    return falling.square().sum() + rising.square().sum()


def _down(rgb: Tensor) -> Tensor:
    return rgb[..., 1:, :] - rgb[..., :-1, :]


def _across(rgb: Tensor) -> Tensor:
    return rgb[..., :, 1:] - rgb[..., :, :-1]


VARIATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "mean": mean_variation,
    "half-sum": half_sum_variation,
    "absolute": absolute_variation,
    "nine-point": nine_point_variation,
}
"""By the recipe's `tv_loss`, of the picture in the recipe's `unit`."""


def out_of_range(rgb: Tensor) -> Tensor:
    """Mean square of what lies outside 0 to 1: nothing for a picture that can be shown."""
    return by_rows(rgb, lambda rows: (rows - rows.clamp(0, 1)).square().sum()) / rgb.numel()
