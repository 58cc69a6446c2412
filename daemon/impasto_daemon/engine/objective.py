"""What one recipe minimises at one size: targets from content and styles, then a picture to its losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from . import losses
from .canvas import Region, View
from .features import Features
from .losses import Kept, Moments, StyleLoss
from .rasters import coverage, product
from .recipes import Recipe

GRAIN = 0.02
"""Standard deviation of the faint noise that says what is nothing to a content layer: five grey levels of 255."""


@dataclass(frozen=True)
class _Target:
    """One region's targets: by layer what its moments are scaled by, and the loss of scaled moments."""

    where: Weights
    share: float
    scales: Mapping[str, Tensor]
    losses: Mapping[str, StyleLoss]


class Weights:
    """A map of weights brought to the sizes of layers, each once."""

    def __init__(self, full: Tensor | None) -> None:
        self._full, self._sized = full, dict[torch.Size, Tensor]()

    def at(self, activations: Tensor) -> Tensor | None:
        """For these activations (1, C, h, w): (1, 1, h, w), or None where everything counts fully."""
        if self._full is None:
            return None
        size = activations.shape[-2:]
        if size not in self._sized:
            self._sized[size] = coverage(self._full, *size)
        return self._sized[size]


class RecipeObjective:
    """From rgb (1, 3, H, W) to the losses `total`, `content`, `style`: scalars, differentiable.

    content: the picture to keep, and what is visible of it. regions: which styles rule where; a region's targets are
    the weighted mean of its styles' moments. hold: by what the recipe's content weight is multiplied, a number or one
    for each position (1, 1, H, W); the number 0 leaves the content out altogether.
    """

    def __init__(
        self,
        recipe: Recipe,
        features: Features,
        content: View,
        regions: Sequence[Region],
        hold: Tensor | float = 1.0,
    ) -> None:
        self.recipe, self.features = recipe, features
        matters = isinstance(hold, Tensor) or hold > 0
        self.content_layers = recipe.content_layers if recipe.content_weight and matters else ()
        self.content_factor = float(hold.max()) if isinstance(hold, Tensor) else hold
        held = hold / max(self.content_factor, 1e-12) if isinstance(hold, Tensor) else None  # 0 to 1, as all weights
        self.content_weights = Weights(product(content.counts, held))
        self.layer_weights = recipe.layer_weights
        self.wanted = frozenset((*self.content_layers, *self.layer_weights))
        with torch.no_grad():
            ours = features(content.rgb, self.wanted) if self.content_layers else {}
            # A style is no tile: where its borders met there would be seams, and the painting would get them.
            found = self._styles(regions, features.unwrapped())
            ground = [self._summary(ours, Weights(content.counts))] if ours else []
            self.layer_scales = self._layer_scales([*ground, *found.values()])
            self.targets = [self._target(region, found, ground) for region in regions]
            self.kept = self._kept(content, ours) if ours else {}

    def __call__(self, rgb: Tensor) -> dict[str, Tensor]:
        recipe, found = self.recipe, self.features(rgb, self.wanted)
        content, style = self._content(found), self._style(found)
        total = recipe.content_weight * content + recipe.style_weight * style
        if recipe.tv_weight:
            whole = F.pad(rgb, (0, 1, 0, 1), "circular") if recipe.seamless else rgb
            total = total + recipe.tv_weight * losses.VARIATIONS[recipe.tv_loss](whole * recipe.unit)
        if recipe.range_weight:
            total = total + recipe.range_weight * losses.out_of_range(rgb)
        return {"total": total, "content": content, "style": style}

    def _content(self, found: Mapping[str, Tensor]) -> Tensor:
        formula, whole = losses.CONTENT_LOSSES[self.recipe.content_loss], next(iter(found.values())).new_zeros(())
        for name, kept in self.kept.items():
            error = losses.squared_error(found[name], kept.activations, self.content_weights.at(found[name]))
            whole = whole + formula(error * self.layer_scales[name].square().squeeze(), kept)
        if self.recipe.content_loss in losses.MEANS_OVER_LAYERS:
            whole = whole / max(len(self.kept), 1)
        return whole * self.content_factor

    def _style(self, found: Mapping[str, Tensor]) -> Tensor:
        whole = next(iter(found.values())).new_zeros(())
        for target in self.targets:
            for name, weight in self.layer_weights.items():
                ours = losses.moments(found[name], target.where.at(found[name])).scaled(target.scales[name])
                whole = whole + target.share * weight * target.losses[name](ours)
        if self.recipe.style_loss in losses.MEANS_OVER_LAYERS:
            whole = whole / max(sum(self.layer_weights.values()), 1e-12)
        return whole

    # Targets ------------------------------------------------------------------------------------------------

    def _styles(self, regions: Sequence[Region], features: Features) -> dict[int, _Summary]:
        """Each style's summary, by its view's identity; one picture's layers at a time."""
        views = {id(view): view for region in regions for view, _ in region.styles}
        wanted = self.wanted if self.recipe.activation_mean else frozenset(self.layer_weights)
        return {key: self._summary(features(view.rgb, wanted), Weights(view.counts)) for key, view in views.items()}

    def _summary(self, layers: Mapping[str, Tensor], counts: Weights) -> _Summary:
        return _Summary(
            {name: losses.moments(layers[name], counts.at(layers[name])) for name in self.layer_weights},
            {name: _mean_size(layer, counts) for name, layer in layers.items()},
        )

    def _layer_scales(self, found: Sequence[_Summary]) -> dict[str, Tensor]:
        """By what whole layers are multiplied: tensors of one element each.

        The mean is that of absolute values: `.linear` layers have both signs, and their plain mean may be nothing.
        """
        mean, gain = self.recipe.activation_mean, self.recipe.pixel_deviation / self.features.pixel_deviation
        if not mean:
            like = next(iter(found[0].sizes.values()))
            return {name: torch.full_like(like, gain) for name in self.wanted}
        sizes = {name: torch.stack([each.sizes[name] for each in found]).mean(0) for name in self.wanted}
        return {name: mean / size.clamp(min=1e-9) for name, size in sizes.items()}

    def _target(self, region: Region, found: Mapping[int, _Summary], ground: Sequence[_Summary]) -> _Target:
        scales, formulae = {}, {}
        for name in self.layer_weights:
            styles = [(found[id(view)].moments[name], share) for view, share in region.styles]
            scales[name] = self._scale(name, styles, ground)
            mixture = losses.mixed([(style.scaled(scales[name]), share) for style, share in styles])
            formulae[name] = losses.STYLE_LOSSES[self.recipe.style_loss](mixture)
        return _Target(Weights(region.where), region.share, scales, formulae)

    def _scale(self, name: str, styles: Sequence[tuple[Moments, float]], ground: Sequence[_Summary]) -> Tensor:
        """By what a style layer is multiplied: (C,) where a loss wants channels at equal power (in which the
        layer's own would cancel), and else as whole layers are.

        Where the styles are silent (a solid colour has no texture), a channel counts as HUSHED of the content's: what
        the content has there is then dear, but not so dear that nothing else counts.
        """
        if self.recipe.style_loss not in losses.AT_EQUAL_POWER:
            return self.layer_scales[name]
        rms = torch.stack([losses.channel_rms(style) * share for style, share in styles]).sum(0)
        for content in ground:
            rms = rms.maximum(losses.HUSHED * losses.channel_rms(content.moments[name]))
        return 1 / rms

    def _kept(self, content: View, ours: Mapping[str, Tensor]) -> dict[str, Kept]:
        """The content's layers. ‖P‖² counts for no less than what faint noise on the content changes in a layer: a flat
        content, which has nothing to be relative to, must not forbid every stroke."""
        generator = torch.Generator("cpu").manual_seed(0)
        grain = torch.randn(content.rgb.shape, generator=generator, dtype=torch.float32).to(content.rgb) * GRAIN
        stirred = self.features(content.rgb + grain, frozenset(self.content_layers))
        kept, visible = {}, Weights(content.counts)
        for name in self.content_layers:
            layer, counts = ours[name], visible.at(ours[name])
            least = losses.squared_error(stirred[name], layer, counts)
            energy = losses.squared_error(layer, torch.zeros_like(layer), counts).maximum(least) + 1e-12
            positions = layer.new_tensor(layer[0, 0].numel()) if counts is None else counts.sum().clamp(min=1e-9)
            scale = self.layer_scales[name]
            kept[name] = Kept(layer, energy * scale.square().squeeze(), layer.shape[1] * positions)
        return kept


@dataclass(frozen=True)
class _Summary:
    """What targets need of a picture's layers: moments, and mean absolute activations, (1,)."""

    moments: Mapping[str, Moments]
    sizes: Mapping[str, Tensor]


def _mean_size(layer: Tensor, weights: Weights) -> Tensor:
    size, counts = layer.abs(), weights.at(layer)
    return (size.mean() if counts is None else (size * counts).mean() / counts.mean().clamp(min=1e-9)).view(1)
