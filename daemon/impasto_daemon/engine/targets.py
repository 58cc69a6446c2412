"""What a recipe minimises towards at one size: targets, made of the content and the styles.

Pictures are looked at tile by tile where they are large (see `tiles`). Knows no picture that is being painted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from . import losses
from .canvas import Region, View
from .features import Features
from .losses import Kept, Moments, StyleLoss
from .rasters import coverage
from .recipes import Recipe
from .tiles import Layer, Part, Scale, Whole, total

GRAIN = 0.02
"""Standard deviation of the faint noise that says what is nothing to a content layer: five grey levels of 255."""

Place = tuple[slice, slice]


class Weights:
    """A map (1, 1, H, W) of how much each position counts, brought to the sizes of layers, each once."""

    def __init__(self, full: Tensor | None) -> None:
        self._full, self._sized = full, dict[tuple[int, int], Tensor]()

    def at(self, layer: Layer, place: Place = (slice(None), slice(None))) -> Tensor | None:
        """At a place of a layer: (1, 1, h, w), or None where everything counts fully."""
        if self._full is None:
            return None
        size = (layer.height, layer.width)
        if size not in self._sized:
            self._sized[size] = coverage(self._full, *size)
        return self._sized[size][:, :, place[0], place[1]]

    def mass(self, layer: Layer) -> Tensor | float:
        """Of all positions of a layer."""
        whole = self.at(layer)
        return float(layer.height * layer.width) if whole is None else losses.mass(whole)


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
    recipe: Recipe, features: Features, content: View, regions: Sequence[Region], keeps: bool, tile: int
) -> Targets:
    """keeps: whether the content counts; tile: side of the tiles in pixels that pictures are looked at by, 0 for whole
    ones. Raises ImpastoError as the features do."""
    with torch.no_grad():
        # A style is no tile: where its borders met there would be seams, and the painting would get them.
        found = _styles(recipe, features.unwrapped(), regions, tile)
        ground = [_summary(features, content, *_compared(recipe), tile)] if keeps and _needs_ground(recipe) else []
        scales = _layer_scales(recipe, features, content, [*ground, *found.values()])
        return Targets(
            content=_kept(recipe, features, content, scales, tile) if keeps else {},
            styles=[_style_target(recipe, region, found, ground, scales) for region in regions],
            layer_scales=scales,
        )


@dataclass(frozen=True)
class Summary:
    """What targets need of a picture's layers: moments, and mean absolute activations."""

    moments: Mapping[str, Moments]
    sizes: Mapping[str, Tensor]


def _compared(recipe: Recipe) -> tuple[Collection[str], Collection[str]]:
    """Of which layers moments are wanted, and of which mean activations."""
    return recipe.layer_weights, _wanted(recipe) if recipe.activation_mean else ()


def _wanted(recipe: Recipe) -> frozenset[str]:
    return frozenset((*(recipe.content_layers if recipe.content_weight else ()), *recipe.layer_weights))


def _needs_ground(recipe: Recipe) -> bool:
    """Whether the content's own moments or mean activations count for anything."""
    return bool(recipe.activation_mean) or recipe.style_loss in losses.AT_EQUAL_POWER


def _styles(recipe: Recipe, features: Features, regions: Sequence[Region], tile: int) -> dict[int, Summary]:
    """Each style's summary, by its view's identity; one picture at a time."""
    views = {id(view): view for region in regions for view, _ in region.styles}
    return {key: _summary(features, view, *_compared(recipe), tile) for key, view in views.items()}


def _summary(features: Features, view: View, moments: Collection[str], sizes: Collection[str], tile: int) -> Summary:
    counts, found, layers = Weights(view.counts), dict[tuple[str, str], Tensor](), dict[str, Layer]()

    def summed(scale: Scale, part: Part) -> dict[tuple[str, str], Tensor]:
        parts = {}
        for name, activations in part.layers.items():
            weights = counts.at(scale.layers[name], part.places[name])
            if name in moments:
                own = losses.sums(activations, weights)
                parts[name, "first"], parts[name, "second"] = own.mean, own.second
            if name in sizes:
                # Of absolute values: `.linear` layers have both signs, and their plain mean may be nothing.
                size = activations.abs().mean(
                    1, keepdim=True, dtype=torch.promote_types(activations.dtype, torch.float32)
                )
                parts[name, "size"] = (size if weights is None else size * weights).sum().view(1)
        return parts

    for scale in features.scales(view.rgb, {*moments, *sizes}):
        found |= total(scale, tile, partial(summed, scale))
        layers |= scale.layers
    return Summary(
        {n: Moments(found[n, "first"], found[n, "second"]).over(counts.mass(layers[n])) for n in moments},
        {n: found[n, "size"] / counts.mass(layers[n]) for n in sizes},
    )


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
    recipe: Recipe, features: Features, content: View, scales: Mapping[str, Tensor], tile: int
) -> dict[str, Kept]:
    """The content's layers. ‖P‖² counts for no less than what faint noise on the content changes in a layer: a flat
    content, which has nothing to be relative to, must not forbid every stroke."""
    counts, names, kept = Weights(content.counts), frozenset(recipe.content_layers), dict[str, Kept]()
    generator = torch.Generator("cpu").manual_seed(0)
    grain = torch.randn(content.rgb.shape, generator=generator, dtype=torch.float32).to(content.rgb).mul_(GRAIN)
    stirred = features.scales(grain.add_(content.rgb), names)
    for scale, moved in zip(features.scales(content.rgb, names), stirred):
        for name, (whole, energy) in _kept_at(scale, moved, counts, tile).items():
            unit = scales[name].square().squeeze()
            kept[name] = Kept(whole, energy * unit, whole.shape[1] * counts.mass(scale.layers[name]))
    return kept


def _kept_at(scale: Scale, stirred: Scale, counts: Weights, tile: int) -> dict[str, tuple[Tensor, Tensor]]:
    """The layers of one scale and ‖P‖² of each, at least what changes in it where it is stirred."""
    whole = Whole(scale)

    def own(part: Part) -> dict[str, Tensor]:
        whole.add(part)
        return {n: losses.squares(f, counts.at(scale.layers[n], part.places[n])) for n, f in part.layers.items()}

    def change(part: Part) -> dict[str, Tensor]:
        return {
            n: losses.squared_error(f, whole.at(n, part.places[n]), counts.at(scale.layers[n], part.places[n]))
            for n, f in part.layers.items()
        }

    energies, least = total(scale, tile, own), total(stirred, tile, change)
    return {name: (whole.layers[name], energies[name].maximum(least[name]) + 1e-12) for name in scale.layers}
