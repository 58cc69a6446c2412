"""Tiles: the same losses and the same gradients as of whole pictures, in less memory."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from impasto_daemon.engine.canvas import Region, View
from impasto_daemon.engine.features import VGG, Features
from impasto_daemon.engine.objective import RecipeObjective
from impasto_daemon.engine.recipe import Recipe
from impasto_daemon.engine.recipes import RECIPES, override
from impasto_daemon.engine.tiles import Layer, Part, Scale, Whole, spans, tiles, total
from impasto_daemon.engine.wavelets import Wavelets
from torch import Tensor

from .networks import picture, thin_vgg


def network(recipe: Recipe, dtype: torch.dtype) -> Features:
    """Wavelets, or a network whose layers have few channels."""
    if recipe.features == "wavelets":
        return Wavelets(dtype=dtype).with_options(wrap=recipe.seamless)
    architecture, state = thin_vgg(recipe.features)
    state = {name: weights.to(dtype) for name, weights in state.items()}
    return VGG(architecture, state).with_options(recipe.pooling, recipe.padding, recipe.seamless)


def noisy(height: int, width: int, seed: int) -> Tensor:
    grain = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))
    return (0.7 * picture(height, width, seed=seed) + 0.3 * grain).clamp(0, 1)


def regions(height: int, width: int, styles: Sequence[Tensor], masks: bool) -> list[Region]:
    """One region for all styles, or one each under soft masks."""
    views = [View(style) for style in styles]
    if not masks:
        return [Region(None, 1.0, [(view, 1 / len(views)) for view in views])]
    slope = torch.linspace(0, 1, width, dtype=torch.float64).expand(1, 1, height, width).to(styles[0])
    return [Region(slope, 0.4, [(views[0], 1.0)]), Region(1 - slope, 0.6, [(views[-1], 1.0)])]


def slope_and_losses(
    recipe: Recipe, features: Features, rgb: Tensor, content: View, parts: list[Region], hold: Tensor | float, tile: int
) -> tuple[Tensor, dict[str, Tensor]]:
    at = rgb.clone().requires_grad_()
    losses = RecipeObjective(recipe, features, content, parts, hold, tile)(at)
    losses["total"].backward()  # type: ignore[no-untyped-call]
    assert at.grad is not None
    return at.grad, {name: loss.detach() for name, loss in losses.items()}


def assert_tiles_change_nothing(
    recipe: Recipe, dtype: torch.dtype, size: tuple[int, int], tile: int, exact: float, masks: bool = False
) -> None:
    """exact: largest difference of losses relative to them, and of gradients relative to the largest."""
    features = network(recipe, dtype)
    content, rgb = noisy(*size, seed=1).to(dtype), noisy(*size, seed=2).to(dtype)
    styles = [noisy(size[0] + 31, size[1] - 17, seed=3).to(dtype), noisy(*size, seed=4).to(dtype)]
    counts = picture(*size, channels=1, seed=5).to(dtype) if masks else None
    held = 1.0 if counts is None else 3 * counts.flip(-1)
    told = (recipe, features, rgb, View(content, counts), regions(*size, styles, masks), held)
    (whole, losses), (tiled, same) = slope_and_losses(*told, 0), slope_and_losses(*told, tile)
    for name, loss in losses.items():
        torch.testing.assert_close(same[name], loss, rtol=exact, atol=0)
    assert float((tiled - whole).abs().max() / whole.abs().max()) <= exact


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_the_same_losses_and_gradients_in_tiles(name: str) -> None:
    """In double precision, at an odd size, with several styles."""
    assert_tiles_change_nothing(RECIPES[name], torch.float64, (203, 181), 96, 1e-12)


@pytest.mark.parametrize("pooling", ["max", "average"])
@pytest.mark.parametrize("masks", [False, True], ids=["open", "masked"])
def test_five_blocks_with_either_pooling_and_with_soft_masks(pooling: str, masks: bool) -> None:
    recipe = override(RECIPES["gatys"], {"pooling": pooling})
    assert_tiles_change_nothing(recipe, torch.float64, (177, 239), 80, 1e-12, masks)


def test_several_sizes_of_the_picture_under_masks() -> None:
    """The default recipe looks at the picture, its half and its quarter."""
    assert_tiles_change_nothing(RECIPES["impasto"], torch.float64, (231, 150), 64, 1e-12, masks=True)


@pytest.mark.parametrize("name", ["gatys-hires", "wavelets"])
def test_single_precision_tells_them_apart_by_rounding_alone(name: str) -> None:
    recipe = override(RECIPES[name], {"pooling": "average"} if name != "wavelets" else {})
    assert_tiles_change_nothing(recipe, torch.float32, (160, 144), 80, 1e-5)


@pytest.mark.parametrize(("name", "masks"), [("impasto", False), ("impasto", True), ("wavelets", False)])
def test_tiles_of_a_picture_without_borders(name: str, masks: bool) -> None:
    recipe = override(RECIPES[name], {"seamless": True})
    assert_tiles_change_nothing(recipe, torch.float64, (192, 128), 64, 1e-12, masks)


def test_a_picture_without_borders_that_poolings_do_not_divide_stays_in_one_piece() -> None:
    scale = Scale(torch.zeros(1, 3, 50, 64), {"a": Layer(4, 13, 16)}, lambda pixels, facts: {}, 8, 4, wrap=True)
    assert tiles(scale, 32) == []


@pytest.mark.parametrize("length", [1, 31, 32, 33, 100, 257])
@pytest.mark.parametrize("side", [1, 32, 40, 64])
def test_spans_cover_an_axis_once_and_see_what_they_need(length: int, side: int) -> None:
    scale = Scale(torch.zeros(1, 3, length, length), {}, lambda pixels, facts: {}, halo=24, grid=8)
    found = spans(length, side, scale)
    assert [span.begin for span in found] + [length] == [0] + [span.end for span in found]
    assert all(span.begin % 8 == 0 and span.first % 8 == 0 for span in found)
    assert all(span.end - span.begin <= max(side, 8) for span in found)
    assert all(0 <= span.first <= max(0, span.begin - 24) for span in found)
    assert all(min(length, span.end + 24) <= span.last <= length for span in found)


@pytest.mark.parametrize("length", [256, 264, 1000, 2048])
def test_all_tiles_of_a_picture_that_the_grid_divides_have_one_size(length: int) -> None:
    scale = Scale(torch.zeros(1, 3, length, length), {}, lambda pixels, facts: {}, halo=24, grid=8)
    found = spans(length, 128, scale)
    assert len({span.last - span.first for span in found}) == 1
    assert found[0].last - found[0].first <= 128 + 2 * 24


def test_whole_layers_are_put_together_from_parts() -> None:
    rgb = noisy(70, 90, seed=1).double()
    features = network(RECIPES["impasto"], torch.float64)
    (scale,) = features.scales(rgb, ["conv1_1", "conv3_4"])
    whole = Whole(scale)

    def keep(part: Part) -> dict[str, Tensor]:
        whole.add(part)
        return {"pixels": rgb.new_ones(1)}

    with torch.no_grad():
        pieces = total(scale, 32, keep)["pixels"]
        wanted = scale.look(rgb, None)
    assert float(pieces) == len(tiles(scale, 32)) > 1
    for name, layer in wanted.items():
        torch.testing.assert_close(whole.layers[name], layer, rtol=1e-12, atol=1e-12)
