"""What one recipe minimises at one size: targets from content and styles, then a picture to its losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from . import losses
from .features import Features
from .recipes import Recipe

Manner = tuple[Mapping[str, Tensor], float]
"""A style's activations and its share."""


class RecipeObjective:
    """From rgb (1, 3, H, W) to the losses `total`, `content`, `style`: scalars, differentiable.

    content (1, 3, H, W); styles: pictures (1, 3, ·, ·) of any sizes with their shares, which sum to 1: the targets
    are the shares' weighted mean of the styles' Gram matrices. content_factor multiplies the recipe's content
    weight; 0 leaves the content out altogether.
    """

    def __init__(
        self,
        recipe: Recipe,
        features: Features,
        content: Tensor,
        styles: Sequence[tuple[Tensor, float]],
        content_factor: float = 1.0,
    ) -> None:
        self.recipe, self.features = recipe, features
        self.content_weight = recipe.content_weight * content_factor
        self.content_layers = recipe.content_layers if self.content_weight else ()
        self.layer_weights = recipe.layer_weights
        self.wanted = frozenset((*self.content_layers, *self.layer_weights))
        self.content_loss = losses.CONTENT_LOSSES[recipe.content_loss]
        self.style_loss = losses.STYLE_LOSSES[recipe.style_loss]
        with torch.no_grad():
            kept = features(content, self.wanted)
            manners = [(features(style, self.wanted), share) for style, share in styles]
            self.layer_scales = self._layer_scales(kept, manners)
            self.gram_scales = self._gram_scales(kept, manners)
            self.least = self._least(content, kept)
            self.kept = {name: self._scaled(name, kept[name]) for name in self.content_layers}
            self.grams = {
                name: torch.stack([self._gram(name, found[name]) * share for found, share in manners]).sum(0)
                for name in self.layer_weights
            }

    def __call__(self, rgb: Tensor) -> dict[str, Tensor]:
        recipe, found = self.recipe, self.features(rgb, self.wanted)
        content = style = rgb.new_zeros(())
        for name in self.content_layers:
            content = content + self.content_loss(self._scaled(name, found[name]), self.kept[name], self.least[name])
        for name, weight in self.layer_weights.items():
            style = style + weight * self.style_loss(self._gram(name, found[name]), self.grams[name])
        if recipe.content_loss != "gatys":  # a mean over layers and not a sum
            content = content / max(len(self.content_layers), 1)
        if recipe.style_loss != "gatys":
            style = style / max(sum(self.layer_weights.values()), 1e-12)
        total = self.content_weight * content + recipe.style_weight * style
        if recipe.tv_weight:
            total = total + recipe.tv_weight * losses.total_variation(rgb)
        if recipe.range_weight:
            total = total + recipe.range_weight * losses.out_of_range(rgb)
        return {"total": total, "content": content, "style": style}

    def _scaled(self, name: str, activations: Tensor) -> Tensor:
        """A content layer as the recipe's `activation_mean` wants it. (Relative losses do not see a scale.)"""
        return activations * self.layer_scales[name] if self.layer_scales else activations

    def _gram(self, name: str, activations: Tensor) -> Tensor:
        """Gram matrix of the scaled activations, by scaling the matrix: that is far less work."""
        matrix, scale = losses.gram(activations), self.gram_scales.get(name)
        return matrix if scale is None else matrix * torch.outer(scale, scale)

    def _layer_scales(self, kept: Mapping[str, Tensor], manners: Sequence[Manner]) -> dict[str, Tensor]:
        """By what whole layers are multiplied: tensors of one element each.

        The mean is that of absolute values: `.linear` layers have both signs, and their plain mean may be nothing.
        """
        scales: dict[str, Tensor] = {}
        if self.recipe.activation_mean:
            for name in self.wanted:
                means = [found[name].abs().mean() for found in (kept, *(found for found, _ in manners))]
                scales[name] = self.recipe.activation_mean / torch.stack(means).mean(0, keepdim=True).clamp(min=1e-9)
        return scales

    def _gram_scales(self, kept: Mapping[str, Tensor], manners: Sequence[Manner]) -> Mapping[str, Tensor]:
        """By what style layers are multiplied, as (C,) where `balanced` wants a factor for each channel (in which
        `activation_mean` would cancel), and else as whole layers are.

        Where the styles are silent (a solid colour has no texture), a channel counts as HUSHED of the content's: what
        the content has there is then dear, but not so dear that nothing else counts.
        """
        if self.recipe.style_loss != "balanced":
            return self.layer_scales
        scales: dict[str, Tensor] = {}
        for name in self.layer_weights:
            rms = [losses.channel_rms(found[name]) * share for found, share in manners]
            scales[name] = 1 / torch.stack(rms).sum(0).maximum(losses.HUSHED * losses.channel_rms(kept[name]))
        return scales

    def _least(self, content: Tensor, kept: Mapping[str, Tensor]) -> Mapping[str, Tensor | float]:
        """What counts as nothing in each content layer: by how much faint noise on the content changes it, squared."""
        if not self.content_layers or self.recipe.content_loss != "relative":
            return dict.fromkeys(self.content_layers, 0.0)
        generator = torch.Generator("cpu").manual_seed(0)
        grain = torch.randn(content.shape, generator=generator, dtype=torch.float32).to(content) * losses.GRAIN
        found = self.features(content + grain, frozenset(self.content_layers))
        return {name: self._scaled(name, found[name] - kept[name]).square().sum() for name in self.content_layers}
