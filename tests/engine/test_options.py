"""What an artist can ask for, in the painting: styles in places, lighter and stronger places, alpha, tiles, textures,
colours."""

from __future__ import annotations

import pytest
import torch
from impasto_daemon.engine import colour, recipes
from impasto_daemon.engine.canvas import Manner
from impasto_daemon.engine.features import VGG
from impasto_daemon.engine.wavelets import Wavelets
from torch import Tensor

from .networks import SmallNetwork, picture, random_vgg19
from .paintings import PLAIN, altered, halves, opaque, painted, result, stripes

LONGER = recipes.override(PLAIN, {"steps": 30, "style_layers": "first1,first2"})
GRAIN = 0.3 * torch.rand(1, 3, 48, 48, generator=torch.Generator().manual_seed(1)) - 0.15
RED = (stripes(48, 48, [(0.9, 0.2, 0.1), (0.5, 0.1, 0.0)]) + GRAIN).clamp(0, 1)
BLUE = (stripes(48, 48, [(0.1, 0.3, 0.9), (0.0, 0.7, 0.7)], across=False) + GRAIN).clamp(0, 1)


def warmth(rgb: Tensor) -> Tensor:
    """Red over blue."""
    return rgb[:, 0] - rgb[:, 2]


def lying(rgb: Tensor) -> float:
    """How much changes down the picture, over how much changes across."""
    down, across = (rgb.diff(dim=dim).square().mean() for dim in (2, 3))
    return float(down / across)


def likeness(one: Tensor, other: Tensor) -> float:
    """Correlation of lightness."""
    return float(torch.corrcoef(torch.stack([one.mean(1).flatten(), other.mean(1).flatten()]))[0, 1])


# Several styles ---------------------------------------------------------------------------------------------


def test_several_styles_are_mixed_by_weight() -> None:
    content = picture(40, 40, seed=1)
    found = [result(content, [Manner(RED, 4 - w), Manner(BLUE, w)], LONGER, strength=90) for w in (0.0, 1.0, 3.0, 4.0)]
    means = [float(warmth(rgb).mean()) for rgb in found]
    assert means == sorted(means, reverse=True) and means[1] - means[2] > 0.1
    assert torch.equal(found[0], result(content, RED, LONGER, strength=90))


def test_each_style_rules_where_its_mask_is_and_the_seam_is_none_of_both() -> None:
    content = 0.4 + 0.2 * picture(48, 64, seed=1)
    left = halves(48, 64)
    manners = [Manner(RED, 1.0, left), Manner(BLUE, 1.0, 1 - left)]
    found = result(content, manners, LONGER, strength=80)
    red, blue = float(warmth(RED).mean()), float(warmth(BLUE).mean())
    columns = (warmth(found).mean((0, 1)) - blue) / (red - blue)  # 1 like the red style, 0 like the blue one
    assert float(columns[:27].min()) > 0.6 and float(columns[37:].max()) < 0.4
    assert lying(found[..., :28]) < 0.9 * lying(found[..., 36:])  # the red stripes stand, the blue ones lie
    blend = torch.where(left > 0, result(content, RED, LONGER), result(content, BLUE, LONGER))
    assert not torch.allclose(found, blend, atol=0.05)


def test_a_soft_mask_leads_from_one_style_to_the_other() -> None:
    soft = torch.linspace(1, 0, 64).expand(1, 1, 48, 64)
    manners = [Manner(RED, 1.0, soft), Manner(BLUE, 1.0, 1 - soft)]
    found = result(0.4 + 0.2 * picture(48, 64, seed=1), manners, LONGER, strength=80)
    quarters = [float(part.mean()) for part in warmth(found).chunk(4, 2)]
    assert quarters == sorted(quarters, reverse=True) and quarters[0] - quarters[3] > 0.5


def test_a_mask_of_twice_the_size_does_as_the_mask() -> None:
    content, left = picture(40, 48, seed=1), halves(40, 48)
    large = left.repeat_interleave(2, 2).repeat_interleave(2, 3)
    one, other = (result(content, [Manner(RED, 1.0, mask), Manner(BLUE)]) for mask in (left, large))
    assert torch.equal(one, other)


def test_outside_a_lone_style_s_mask_nothing_changes_at_all() -> None:
    content = picture(45, 51, 4, seed=1).clamp(min=0.1)
    mask = torch.zeros(1, 1, 45, 51)
    mask[..., 10:30, 12:40] = 1
    for bound in (0, 33):
        found = result(content, [Manner(RED, 1.0, mask)], max_size=bound)
        outside = (mask == 0).expand_as(content)
        assert torch.equal(found[outside], content[outside])
        assert float((found - content)[..., :3, 10:30, 12:40].abs().mean()) > 0.01


# The content mask -------------------------------------------------------------------------------------------


def test_black_stays_as_it_is_grey_is_painted_lightly_and_white_as_ever() -> None:
    content = 0.2 + 0.6 * picture(48, 96, seed=1)
    third = torch.zeros(1, 1, 48, 96)
    third[..., 32:64], third[..., 64:] = 0.3, 1.0
    recipe = recipes.override(LONGER, {"steps": 40, "noise": 0})
    found = result(content, BLUE, recipe, content_mask=third)
    free = result(content, BLUE, recipe)
    assert torch.equal(found[..., :32], content[..., :32])
    moved = [(found - content)[..., part].square().mean().sqrt() for part in (slice(36, 60), slice(68, 96))]
    unmasked = [(free - content)[..., part].square().mean().sqrt() for part in (slice(36, 60), slice(68, 96))]
    assert float(moved[0] / unmasked[0]) < 0.75
    assert 0.75 < float(moved[1] / unmasked[1]) < 1.35


def test_grey_everywhere_is_that_share_of_the_strength() -> None:
    content, grey = picture(48, 48, seed=1), torch.full((1, 1, 48, 48), 0.5)
    for strength in (40.0, 90.0):
        masked = result(content, BLUE, LONGER, strength=strength, content_mask=grey)
        weaker = result(content, BLUE, LONGER, strength=strength / 2)
        assert likeness(masked, content) == pytest.approx(likeness(weaker, content), abs=0.03)


def test_strength_means_the_same_inside_a_mask() -> None:
    content = picture(48, 48, seed=1)
    away = []
    for strength in (20.0, 50.0, 80.0):
        found = result(content, BLUE, LONGER, strength=strength, content_mask=halves(48, 48))
        away.append(float((found - content)[..., :20].square().mean()))
    assert away[0] < 0.8 * away[1] and away[1] < away[2]


def test_every_preview_shows_what_a_mask_keeps_and_the_final_colours() -> None:
    content, mask = picture(48, 56, seed=1), halves(48, 56)
    recipe = altered("wavelets", steps=3, coarsest=24, colour="luminance")
    _, steps = painted(content, BLUE, recipe, content_mask=mask)
    assert len(steps) == 6
    for step in steps[3:]:
        shown = step.picture()
        assert torch.equal(shown[..., 28:], content[..., 28:])
        expected = colour.finish("luminance", shown[..., :28], content[..., :28])
        torch.testing.assert_close(shown[..., :28], expected, atol=1e-5, rtol=0)
    for step in steps[:3]:
        kept = torch.nn.functional.avg_pool2d(content, 2)[..., 14:] - step.picture()[..., 14:]
        assert float(kept.abs().max()) < 0.02


# Alpha ------------------------------------------------------------------------------------------------------


def holed(rgb: Tensor, hidden: float = 0.0) -> Tensor:
    """With a hole in it, whose hidden colour is a grey."""
    content = opaque(rgb)
    content[:, :3, 10:30, 14:34] = hidden
    content[:, 3, 10:30, 14:34] = 0
    return content


@pytest.mark.parametrize("kind", ["style", "luminance", "oklab", "cholesky", "pca"])
def test_hidden_colours_of_content_and_styles_never_matter(kind: str) -> None:
    content, style = picture(40, 48, seed=1), picture(40, 48, seed=2)
    recipe = altered("wavelets", steps=3, colour=kind)
    one, other = (
        result(holed(content, grey), [Manner(holed(style, grey)), Manner(BLUE, 1.0, halves(40, 48))], recipe)
        for grey in (0.0, 1.0)
    )
    assert torch.equal(one, other)


def test_there_is_no_fringe_around_what_alpha_hides() -> None:
    """Beside a hole, whose hidden colour is black, the picture is as light as elsewhere."""
    found = result(holed(torch.full((1, 3, 40, 48), 0.7)), BLUE, LONGER)[:, :3].mean(1)[0]
    ring = torch.zeros(40, 48, dtype=torch.bool)
    ring[8:32, 12:36] = True
    elsewhere = ~ring
    ring[10:30, 14:34] = False
    assert abs(float(found[ring].mean() - found[elsewhere].mean())) < 0.05


def test_what_a_style_hides_is_no_part_of_its_manner_nor_of_its_size() -> None:
    """A style half of which is hidden is as its other half."""
    style = opaque(torch.cat([RED, BLUE], 3))
    style[:, 3, :, 48:] = 0
    content = picture(48, 48, seed=1)
    assert torch.equal(result(content, style), result(content, RED))


def test_a_layer_that_one_can_look_through_is_painted_like_an_opaque_one() -> None:
    content = opaque(picture(48, 48, seed=1))
    faint = content.clone()
    faint[:, 3] = 0.4
    one, other = (result(layer, BLUE, altered("wavelets", steps=12)) for layer in (content, faint))
    torch.testing.assert_close(one[:, :3], other[:, :3], atol=0.02, rtol=0)
    assert torch.equal(other[:, 3], faint[:, 3])


# Textures and tiles -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(recipes.RECIPES))
def test_from_noise_at_full_strength_the_content_does_not_matter(name: str) -> None:
    recipe = altered(name, steps="2,2", init="noise", noise=0.2)
    features = Wavelets() if recipe.features == "wavelets" else SmallNetwork(torch.float32)
    left, style = halves(48, 50), picture(40, 40, seed=2)
    for manners in ([Manner(style)], [Manner(style, 1.0, left), Manner(BLUE, 2.0, 1 - left)]):
        one, other = (
            painted(content, manners, recipe, features, strength=100)[0].picture
            for content in (picture(48, 50, seed=1), torch.full((1, 3, 48, 50), 0.5))
        )
        assert torch.equal(one, other)


def across_the_border(rgb: Tensor) -> float:
    """How much changes from the borders to the opposite ones, over how much changes elsewhere."""
    ratios = []
    for dim in (2, 3):
        changes = (rgb - rgb.roll(1, dim)).square().mean((0, 1, 5 - dim))
        ratios.append(float(changes[0] / changes[1:].mean()))
    return max(ratios)


@pytest.fixture(scope="module")
def shallow() -> VGG:
    return VGG("vgg19", random_vgg19(4)).with_options("average", "replicate", wrap=True)


TILE = altered(
    "impasto",
    **{"steps": "6,6", "style_layers": "conv1_1,conv1_2,conv2_1", "content_layers": "conv2_2", "coarsest": 32},
    **{"pooling": "average", "factor": 2, "noise": 0.1, "content_weight": 0.0075, "seamless": True},
)


@pytest.mark.parametrize(("size", "bound"), [((48, 64), 0), ((67, 71), 0), ((81, 65), 50), ((20, 100), 0)])
def test_a_tile_has_no_border(size: tuple[int, int], bound: int, shallow: VGG) -> None:
    height, width = size
    slope = torch.linspace(0, 0.7, height)[:, None] + torch.linspace(0, 0.3, width)
    content = slope.expand(1, 3, height, width) * picture(height, width, seed=1)
    style = picture(48, 48, seed=2)
    found = painted(content, style, TILE, shallow, max_size=bound)[0].picture
    assert across_the_border(found) < 1.6
    wrapless = recipes.override(TILE, {"seamless": False})
    plain = painted(content, style, wrapless, shallow.unwrapped(), max_size=bound)[0].picture
    assert across_the_border(plain) > 3


@pytest.mark.parametrize("kind", ["luminance", "oklab"])
def test_a_tile_that_keeps_the_content_s_colours_has_no_border_either(kind: str, shallow: VGG) -> None:
    content = torch.zeros(1, 3, 40, 64)
    content[:, 0], content[:, 2] = torch.linspace(0, 0.9, 64), torch.linspace(0.9, 0, 64)
    recipe = recipes.override(TILE, {"colour": kind})
    found = painted(content, picture(48, 48, seed=2), recipe, shallow)[0].picture
    chroma = found - colour.luma(found)
    assert across_the_border(chroma) < 3


def test_a_tile_s_style_is_no_tile(shallow: VGG) -> None:
    """The jump from one border of a style to the other is no part of its manner: what is smooth is painted smooth."""
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    content, calm = torch.full((1, 3, 64, 64), 0.5), altered("impasto", seamless=True, steps=1, style_layers="conv1_1")
    calm = recipes.override(calm, {"content_layers": "conv1_1"})
    _, steps = painted(content, ramp, calm, shallow, strength=100, before=ramp[..., :64])
    _, plain = painted(
        content, ramp, recipes.override(calm, {"seamless": False}), shallow.unwrapped(), strength=100, before=ramp
    )
    assert plain[0].losses["style"] < 1e-6  # the style itself has the style's statistics
    assert steps[0].losses["style"] > 1e-4  # and as a tile it has not: the jump is in the painting alone


# Colours ----------------------------------------------------------------------------------------------------


def test_luminance_keeps_the_content_s_chroma() -> None:
    content = 0.3 + 0.4 * picture(40, 44, seed=1)
    found = result(content, BLUE, altered("wavelets", steps=12, colour="luminance"))
    (theirs, ours) = (rgb - colour.luma(rgb) for rgb in (content, found))
    share = ((ours * theirs).sum(1) / theirs.square().sum(1)).clamp(max=1)
    torch.testing.assert_close(ours, theirs * share[:, None], atol=1e-4, rtol=0)  # less only where there is no room
    assert float((share > 0.999).float().mean()) > 0.7
    assert float((colour.luma(found) - colour.luma(content)).abs().mean()) > 0.01


def test_oklab_keeps_the_content_s_hue() -> None:
    content = 0.3 + 0.4 * picture(40, 44, seed=1)
    found = result(content, BLUE, altered("wavelets", steps=12, colour="oklab"))
    theirs, ours = (colour.to_oklab(rgb)[:, 1:] for rgb in (content, found))
    cosine = (theirs * ours).sum(1) / (theirs.norm(dim=1) * ours.norm(dim=1)).clamp(min=1e-6)
    assert float(cosine[ours.norm(dim=1) > 0.02].min()) > 0.99


@pytest.mark.parametrize("kind", ["cholesky", "pca"])
def test_matched_styles_paint_in_the_content_s_colours(kind: str) -> None:
    content = picture(48, 48, seed=1) * torch.tensor([0.5, 1.0, 0.3]).view(1, 3, 1, 1)
    found, other = (
        result(content, BLUE, altered("wavelets", steps=25, colour=way), strength=80).mean((2, 3))
        for way in (kind, "style")
    )
    ours, free = (float((mean - content.mean((2, 3))).abs().max()) for mean in (found, other))
    assert ours < 0.06 and free > 3 * ours


def test_a_grey_canvas_takes_any_way_with_colours() -> None:
    grey = torch.full((1, 3, 40, 40), 0.5)
    for kind in colour.COLOURS:
        found = result(grey, BLUE, altered("wavelets", steps=3, colour=kind, init="noise", noise=0.2), strength=100)
        assert bool(found.isfinite().all())
