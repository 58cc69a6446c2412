"""What a recipe minimises towards at one size: targets, made of the content and the styles.

Pictures are looked at tile by tile where they are large (see `tiles`). Knows no picture that is being painted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from . import losses
from .canvas import Region, View
from .features import Features
from .losses import Kept, Moments, StyleLoss
from .positions import Weights
from .recipe import Recipe
from .summaries import Summaries, Summary
from .tiles import Part, Scale, Whole, total


@dataclass(frozen=True)
class StyleTarget:
    """One region's targets: by layer what its moments are scaled by, and the loss of scaled moments."""

    where: Weights
    share: float
    scales: Mapping[str, Tensor]
    losses: Mapping[str, StyleLoss]


@dataclass(frozen=True)
class Targets:
    """Of a content and its regions' styles.

    content: by layer, where it is kept at all. layer_scales: by what whole layers are multiplied, tensors of one
    element each.
    """

    content: Mapping[str, Kept]
    styles: Sequence[StyleTarget]
    layer_scales: Mapping[str, Tensor]


def targets(
    recipe: Recipe,
    features: Features,
    content: View,
    regions: Sequence[Region],
    keeps: bool,
    tile: int,
    summaries: Summaries,
) -> Targets:
    """keeps: whether the content counts; tile: side of the tiles in pixels that pictures are looked at by, 0 for whole
    ones; summaries: where those of earlier paintings are. Raises ImpastoError as the features do."""
    with torch.no_grad():
        # A style is no tile: where its borders met there would be seams, and the painting would get them.
        found = _styles(recipe, features.unwrapped(), regions, tile, summaries)
        ground = [summaries.of(features, content, *_compared(recipe), tile)] if keeps and _needs_ground(recipe) else []
        scales = _layer_scales(recipe, features, content, [*ground, *found.values()])
        return Targets(
            content=_kept(recipe, features, content, scales, tile, summaries) if keeps else {},
            styles=[_style_target(recipe, region, found, ground, scales) for region in regions],
            layer_scales=scales,
        )


def _compared(recipe: Recipe) -> tuple[Collection[str], Collection[str]]:
    """Of which layers moments are wanted, and of which mean activations."""
    return recipe.layer_weights, _wanted(recipe) if recipe.activation_mean else ()


def _wanted(recipe: Recipe) -> frozenset[str]:
    return frozenset((*(recipe.content_layers if recipe.content_weight else ()), *recipe.layer_weights))


def _needs_ground(recipe: Recipe) -> bool:
    """Whether the content's own moments or mean activations count for anything."""
    return bool(recipe.activation_mean) or recipe.style_loss in losses.AT_EQUAL_POWER


def _styles(
    recipe: Recipe, features: Features, regions: Sequence[Region], tile: int, summaries: Summaries
) -> dict[int, Summary]:
    """Each style's summary, by its view's identity; one picture at a time."""
    views = {id(view): view for region in regions for view, _ in region.styles}
    return {key: summaries.of(features, view, *_compared(recipe), tile) for key, view in views.items()}


def _layer_scales(recipe: Recipe, features: Features, like: View, found: Sequence[Summary]) -> dict[str, Tensor]:
    """By what whole layers are multiplied: tensors of one element each."""
    mean, gain = recipe.activation_mean, recipe.pixel_deviation / features.pixel_deviation
    if not mean:
        return {name: like.rgb.new_full((1,), gain) for name in _wanted(recipe)}
    sizes = {name: torch.stack([each.sizes[name] for each in found]).mean(0) for name in found[0].sizes}
    return {name: mean / size.clamp(min=1e-9) for name, size in sizes.items()}


def _style_target(
    recipe: Recipe,
    region: Region,
    found: Mapping[int, Summary],
    ground: Sequence[Summary],
    layer_scales: Mapping[str, Tensor],
) -> StyleTarget:
    scales, formulae = {}, {}
    for name in recipe.layer_weights:
        styles = [(found[id(view)].moments[name], share) for view, share in region.styles]
        at_equal_power = recipe.style_loss in losses.AT_EQUAL_POWER
        scales[name] = _equal_power(name, styles, ground) if at_equal_power else layer_scales[name]
        mixture = losses.mixed([(style.scaled(scales[name]), share) for style, share in styles])
        formulae[name] = losses.STYLE_LOSSES[recipe.style_loss](mixture)
    return StyleTarget(Weights(region.where), region.share, scales, formulae)


def _equal_power(name: str, styles: Sequence[tuple[Moments, float]], ground: Sequence[Summary]) -> Tensor:
    """By what each channel of a style layer is multiplied, (C,), for losses that want channels at equal power (in which
    the whole layer's scale would cancel).

    Where the styles are silent (a solid colour has no texture), a channel counts as HUSHED of the content's: what
    the content has there is then dear, but not so dear that nothing else counts.
    """
    rms = torch.stack([losses.channel_rms(style) * share for style, share in styles]).sum(0)
    for content in ground:
        rms = rms.maximum(losses.HUSHED * losses.channel_rms(content.moments[name]))
    return 1 / rms


def _kept(
    recipe: Recipe, features: Features, content: View, scales: Mapping[str, Tensor], tile: int, summaries: Summaries
) -> dict[str, Kept]:
    """The content's layers. ‖P‖² counts for no less than what faint noise on grey changes in a layer: a flat content,
    which has nothing to be relative to, must not forbid every stroke."""
    counts, names, kept = Weights(content.counts), frozenset(recipe.content_layers), dict[str, Kept]()
    grain = summaries.grain(features, names, content.rgb)
    for scale in features.scales(content.rgb, names):
        for name, (layer, energy) in _kept_at(scale, counts, tile).items():
            unit, mass = scales[name].square().squeeze(), counts.mass(scale.layers[name])
            kept[name] = Kept(layer, (energy.maximum(grain[name] * mass) + 1e-12) * unit, layer.shape[1] * mass)
    return kept


def _kept_at(scale: Scale, counts: Weights, tile: int) -> dict[str, tuple[Tensor, Tensor]]:
    """The layers of one scale, and ‖P‖² of each."""
    whole = Whole(scale)

    def own(part: Part) -> dict[str, Tensor]:
        whole.add(part)
        return {n: losses.squares(f, counts.at(scale.layers[n], part.places[n])) for n, f in part.layers.items()}

    energies = total(scale, tile, own)
    return {name: (whole.layers[name], energies[name]) for name in scale.layers}
