"""The losses: how far a picture's activations are from their targets. One formula a function, no state.

Activations F are (1, C, h, w); N = h·w is the number of positions. Gram matrices here are divided by their own N,
so that pictures of unequal size can be compared; where the sizes are equal, the losses are the published ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Union

import torch
from torch import Tensor

ContentLoss = Callable[[Tensor, Tensor, Union[Tensor, float]], Tensor]
StyleLoss = Callable[[Tensor, Tensor], Tensor]

SILENT = 1e-2
"""A channel's least root mean square for `balanced`, as a share of its layer's largest; in paintings it is more."""
HUSHED = 0.1
"""The same, as a share of what the content has in that channel."""
GRAIN = 0.02
"""Standard deviation of the faint noise that says what is nothing to a content layer: five grey levels of 255."""


class _Gram(torch.autograd.Function):
    """F·Fᵀ/N with one product in the backward pass; autograd, not knowing that both factors are one, makes two."""

    @staticmethod
    def forward(ctx: Any, activations: Tensor) -> Tensor:
        ctx.save_for_backward(activations)
        flat = activations[0].flatten(1)
        return flat @ flat.T / flat.shape[1]

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Tensor:
        (activations,) = ctx.saved_tensors
        flat = activations[0].flatten(1)
        both = (upstream[0] + upstream[0].T) / flat.shape[1]
        # Positions first, as they lie in memory with channels last.
        slope: Tensor = (flat.T @ both).T.reshape(activations.shape)
        return slope


def gram(activations: Tensor) -> Tensor:
    """Gram matrix of (1, C, h, w), divided by the number of positions: (C, C), G_ij = Σ_k F_ik·F_jk / N.

    Source: Gatys, Ecker, Bethge 2016, equation 3 (there without the division; see `gatys_style`).
    """
    matrix: Tensor = _Gram.apply(activations)
    return matrix


def gatys_style(ours: Tensor, target: Tensor) -> Tensor:
    """E = Σ_ij (G_ij − A_ij)² / (4·C²·N²) for undivided Gram matrices of N positions each.

    Takes Gram matrices that are divided by their own N, hence Σ(G/N − A/N)² / (4·C²): the same number.
    Source: Gatys, Ecker, Bethge 2016, equation 4.
    """
    return (ours - target).square().sum() / (4 * ours.shape[0] ** 2)


def relative_style(ours: Tensor, target: Tensor) -> Tensor:
    """‖G − A‖² / ‖A‖² (Frobenius): 0 for the style itself, 1 for a black picture, whatever the network's units."""
    return (ours - target).square().sum() / (target.square().sum() + 1e-12)


def gatys_content(ours: Tensor, target: Tensor, least: Tensor | float = 0.0) -> Tensor:
    """½·Σ (F − P)² over all channels and positions. Source: Gatys, Ecker, Bethge 2016, equation 1. (No `least`.)"""
    return (ours - target).square().sum() / 2


def relative_content(ours: Tensor, target: Tensor, least: Tensor | float = 0.0) -> Tensor:
    """‖F − P‖² / ‖P‖²: 0 for the content itself, about 1 for a picture that has nothing to do with it.

    least: ‖P‖² counts for no less, so that a flat content, which has nothing to be relative to, does not forbid every
    stroke (see `RecipeObjective`). For pictures with anything on them it changes nothing.
    """
    return (ours - target).square().sum() / (target.square().sum() + 1e-12).clamp(min=least)


def total_variation(rgb: Tensor) -> Tensor:
    """Squared differences between neighbours, across and down, of (1, 3, H, W): their sum over its 3·H·W samples."""
    down = (rgb[..., 1:, :] - rgb[..., :-1, :]).square().sum()
    across = (rgb[..., :, 1:] - rgb[..., :, :-1]).square().sum()
    return (down + across) / rgb.numel()


def out_of_range(rgb: Tensor) -> Tensor:
    """Mean square of what lies outside 0 to 1: nothing for a picture that can be shown."""
    return (rgb - rgb.clamp(0, 1)).square().mean()


CONTENT_LOSSES: Mapping[str, ContentLoss] = {"gatys": gatys_content, "relative": relative_content}
"""By the recipe's `content_loss`; they compare activations."""

STYLE_LOSSES: Mapping[str, StyleLoss] = {"gatys": gatys_style, "relative": relative_style, "balanced": relative_style}
"""By the recipe's `style_loss`; they compare Gram matrices. `balanced` first divides channels by `channel_rms`."""


def channel_rms(activations: Tensor) -> Tensor:
    """Root mean square of each channel of (1, C, h, w), as (C,); at least SILENT of the largest.

    A flat picture has channels of nothing but rounding; divided by that, a painting's would be astronomic.
    """
    rms = activations.square().mean((0, 2, 3)).sqrt()
    return torch.clamp(rms, min=float(rms.max()) * SILENT + 1e-9)
