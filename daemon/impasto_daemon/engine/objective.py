"""What one recipe minimises at one size: from a picture to its losses.

Large pictures are looked at tile by tile: what the losses need of activations are sums over positions, see `tiles`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor

from . import losses
from .canvas import Region, View
from .features import Features
from .losses import Moments
from .positions import Weights
from .rasters import product
from .recipe import Recipe
from .summaries import Summaries
from .targets import targets
from .tiles import Layer, Part, Scale, total

Sums = Mapping[tuple[str, str, int], Tensor]
"""By layer, kind (`error` of the content; `first`, `second` moment) and number of the region (0 for the content)."""


class RecipeObjective:
    """From rgb (1, 3, H, W) to the losses `total`, `content`, `style`: scalars, differentiable.

    content: the picture to keep, and what is visible of it. regions: which styles rule where; a region's targets are
    the weighted mean of its styles' moments. hold: by what the recipe's content weight is multiplied, a number or one
    for each position (1, 1, H, W); the number 0 leaves the content out altogether. tile: side in pixels of the tiles
    that pictures are looked at by, 0 for whole ones: less memory, the same losses. summaries: where styles are looked
    up that were seen before.
    """

    def __init__(
        self,
        recipe: Recipe,
        features: Features,
        content: View,
        regions: Sequence[Region],
        hold: Tensor | float = 1.0,
        tile: int = 0,
        summaries: Summaries | None = None,
    ) -> None:
        self.recipe, self.features, self.tile = recipe, features, tile
        matters = isinstance(hold, Tensor) or hold > 0
        keeps = bool(recipe.content_weight and matters and recipe.content_layers)
        self.content_factor = float(hold.max()) if isinstance(hold, Tensor) else hold
        held = hold / max(self.content_factor, 1e-12) if isinstance(hold, Tensor) else None  # 0 to 1, as all weights
        self.content_weights = Weights(product(content.counts, held))
        self.layer_weights, self.needs_means = recipe.layer_weights, recipe.style_loss in losses.WITH_MEANS
        self.targets = targets(recipe, features, content, regions, keeps, tile, summaries or Summaries())
        self.wanted = frozenset((*self.targets.content, *self.layer_weights))

    def __call__(self, rgb: Tensor) -> dict[str, Tensor]:
        recipe, sums, layers = self.recipe, dict[tuple[str, str, int], Tensor](), dict[str, Layer]()
        for scale in self.features.scales(rgb, self.wanted):
            sums |= total(scale, self.tile, partial(self._sums, scale))
            layers |= scale.layers
        content, style = self._content(sums, rgb), self._style(sums, layers, rgb)
        whole = recipe.content_weight * content + recipe.style_weight * style
        if recipe.tv_weight:
            framed = F.pad(rgb, (0, 1, 0, 1), "circular") if recipe.seamless else rgb
            whole = whole + recipe.tv_weight * losses.VARIATIONS[recipe.tv_loss](framed * recipe.unit)
        if recipe.range_weight:
            whole = whole + recipe.range_weight * losses.out_of_range(rgb)
        return {"total": whole, "content": content, "style": style}

    def _sums(self, scale: Scale, part: Part) -> dict[tuple[str, str, int], Tensor]:
        """What the losses need of a part."""
        found: dict[tuple[str, str, int], Tensor] = {}
        for name, activations in part.layers.items():
            layer, place = scale.layers[name], part.places[name]
            if name in self.targets.content:
                kept = self.targets.content[name].activations[(..., *place)]
                found[name, "error", 0] = losses.squared_error(activations, kept, self.content_weights.at(layer, place))
            if name in self.layer_weights:
                for number, target in enumerate(self.targets.styles):
                    own = losses.sums(activations, target.where.at(layer, place), self.needs_means)
                    found[name, "first", number], found[name, "second", number] = own.mean, own.second
        return found

    def _content(self, sums: Sums, rgb: Tensor) -> Tensor:
        formula, whole = losses.CONTENT_LOSSES[self.recipe.content_loss], rgb.new_zeros(())
        for name, kept in self.targets.content.items():
            error = sums[name, "error", 0] * self.targets.layer_scales[name].square().squeeze()
            whole = whole + formula(error, kept)
        if self.recipe.content_loss in losses.MEANS_OVER_LAYERS:
            whole = whole / max(len(self.targets.content), 1)
        return whole * self.content_factor

    def _style(self, sums: Sums, layers: Mapping[str, Layer], rgb: Tensor) -> Tensor:
        whole = rgb.new_zeros(())
        for number, target in enumerate(self.targets.styles):
            for name, weight in self.layer_weights.items():
                own = Moments(sums[name, "first", number], sums[name, "second", number])
                ours = own.over(target.where.mass(layers[name])).scaled(target.scales[name])
                whole = whole + target.share * weight * target.losses[name](ours)
        if self.recipe.style_loss in losses.MEANS_OVER_LAYERS:
            whole = whole / max(sum(self.layer_weights.values()), 1e-12)
        return whole
