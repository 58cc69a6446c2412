"""What a commission means: which style counts where, at what size, and how strongly the content holds."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from impasto_daemon.engine import canvas as canvases
from impasto_daemon.engine.canvas import Canvas, Commission, Manner
from impasto_protocol.errors import Code, ImpastoError
from torch import Tensor

from .networks import picture
from .paintings import QUICK, altered, halves, opaque

CONTENT, ONE, TWO = picture(24, 32, seed=1), picture(20, 20, seed=2), picture(30, 18, seed=3)


def canvas(manners: list[Manner], content: Tensor = CONTENT, **wishes: Any) -> Canvas:
    return canvases.canvas(Commission(content, manners, **wishes), QUICK)


def refused(manners: list[Manner], content: Tensor = CONTENT, **wishes: Any) -> str:
    with pytest.raises(ImpastoError) as caught:
        canvas(manners, content, **wishes)
    assert caught.value.code is Code.BAD_REQUEST
    return str(caught.value)


def values(tensor: Tensor) -> set[float]:
    return set(tensor.flatten().tolist())


# Weights ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [[], [0.0, 0.0], [-1.0, 2.0], [math.nan, 1.0], [math.inf, 1.0], [1e308, 1e308]])
def test_weights_that_are_none_are_refused(weights: list[float]) -> None:
    assert "weights of the styles must be 0 or more" in refused([Manner(ONE, weight) for weight in weights])


def test_only_the_proportions_of_weights_count() -> None:
    (region,) = canvas([Manner(ONE, 3.0), Manner(TWO, 9.0)]).regions
    assert [share for _, share in region.styles] == [0.25, 0.75]
    assert region.share == 1 and region.where is None


def test_a_style_of_weight_0_is_left_out_with_its_mask_whatever_they_are() -> None:
    nothing, black = torch.zeros(1, 4, 8, 8), torch.zeros(1, 1, 24, 32)
    found = canvas([Manner(nothing, 0.0, black), Manner(ONE, 2.0)])
    assert len(found.regions) == 1 and found.effort is None
    assert torch.equal(found.regions[0].styles[0][0].rgb, ONE)


# Masks ------------------------------------------------------------------------------------------------------


def test_a_white_mask_is_as_none() -> None:
    white = torch.ones(1, 1, 24, 32)
    for found in (canvas([Manner(ONE, 1.0, white)]), canvas([Manner(ONE)], content_mask=white)):
        assert found.effort is None and found.regions[0].where is None and found.regions[0].share == 1
        assert found.hold == canvases.content_factor(50)


def test_a_white_mask_among_others_is_everywhere_too() -> None:
    """It shares what it has in common with the other one."""
    left, white = halves(24, 32), torch.ones(1, 1, 24, 32)
    all_over, half = canvas([Manner(ONE, 1.0, white), Manner(TWO, 1.0, left)]).regions
    assert all_over.where is not None and half.where is not None
    assert values(all_over.where[..., :16]) == {0.5} == values(half.where[..., :16])
    assert bool((all_over.where[..., 16:] == 1).all()) and not bool(half.where[..., 16:].any())
    assert all_over.share == pytest.approx(0.75) and half.share == pytest.approx(0.25)


def test_styles_without_a_mask_share_what_the_masks_leave() -> None:
    third = picture(9, 9, seed=4)
    masked, rest = canvas([Manner(ONE, 1.0), Manner(TWO, 2.0, halves(24, 32)), Manner(third, 3.0)]).regions
    assert masked.where is not None and rest.where is not None
    torch.testing.assert_close(masked.where + rest.where, torch.ones(1, 1, 24, 32))
    assert [share for _, share in rest.styles] == [0.25, 0.75]
    assert masked.share == pytest.approx(2 / 6) and rest.share == pytest.approx(4 / 6)


def test_regions_have_the_share_of_the_visible_that_is_painted() -> None:
    """A place is painted as strongly as if the rest were painted too."""
    quarter = torch.zeros(1, 1, 24, 32)
    quarter[..., :8] = 1
    assert canvas([Manner(ONE, 1.0, quarter)]).regions[0].share == pytest.approx(0.25)
    assert canvas([Manner(ONE)], content_mask=quarter).regions[0].share == pytest.approx(0.25)
    both = canvas([Manner(ONE, 1.0, quarter), Manner(TWO, 3.0, quarter.flip(3))])
    assert sum(region.share for region in both.regions) == pytest.approx(0.5)
    half_seen = opaque(CONTENT)
    half_seen[:, 3, :, 16:] = 0
    assert canvas([Manner(ONE)], half_seen, content_mask=quarter).regions[0].share == pytest.approx(0.5)


@pytest.mark.parametrize("size", [(48, 64), (12, 16), (240, 319), (24, 33)])
def test_a_mask_of_another_size_is_stretched_over_the_content(size: tuple[int, int]) -> None:
    effort = canvas([Manner(ONE, 1.0, halves(*size))]).effort
    assert effort is not None and effort.shape == (1, 1, 24, 32)
    assert bool((effort[..., :15] == 1).all()) and not bool(effort[..., 17:].any())


def test_a_soft_mask_s_grey_is_that_share_of_the_strength() -> None:
    """Grey e: the style counts e, the content e·factor(e·strength), so that their balance is that of e·strength."""
    for strength in (20.0, 50.0, 100.0):
        grey = torch.full((1, 1, 24, 32), 0.5)
        found = canvas([Manner(ONE)], strength=strength, content_mask=grey)
        assert found.regions[0].share == pytest.approx(0.5)
        assert isinstance(found.hold, Tensor)
        torch.testing.assert_close(found.hold, 0.5 * canvases.content_factor(strength / 2) * torch.ones_like(grey))


def test_darker_holds_the_content_more_and_within_bounds() -> None:
    ramp = torch.linspace(0, 1, 32).expand(1, 1, 24, 32)
    for strength in (1e-9, 1.0, 50.0, 100.0):
        hold = canvas([Manner(ONE)], strength=strength, content_mask=ramp).hold
        assert isinstance(hold, Tensor) and bool(hold.isfinite().all())
        against_style = hold[0, 0, 0] / ramp[0, 0, 0].clamp(min=canvases.BLACK)
        assert bool((against_style.diff() <= 1e-6 * against_style[1:]).all())
        assert float(hold[..., -1].max()) == pytest.approx(canvases.content_factor(strength), rel=1e-3)


def test_nothing_is_free_where_masks_are_black_and_everything_else_is() -> None:
    mask = torch.tensor([0.0, 1 / 255, 0.5, 1.0]).view(1, 1, 1, 4).expand(1, 1, 24, 4)
    free = canvas([Manner(ONE, 1.0, mask)], CONTENT[..., :4]).free
    assert free is not None and free[0, 0, 0].tolist() == [False, True, True, True]


def test_black_masks_are_named_by_the_style_s_own_number() -> None:
    black = torch.zeros(1, 1, 24, 32)
    sentence = refused([Manner(ONE, 0.0), Manner(ONE), Manner(TWO, 1.0, black)])
    assert "mask of style 3 is black everywhere" in sentence
    assert "content mask is black everywhere" in refused([Manner(ONE)], content_mask=black)


def test_masks_that_leave_nothing_are_refused() -> None:
    left, right = halves(24, 32), 1 - halves(24, 32)
    seen = opaque(CONTENT)
    seen[:, 3, :, :16] = 0  # only the right is visible
    nowhere = "nothing but transparent or black pixels"
    assert nowhere in refused([Manner(ONE, 1.0, left)], seen)
    assert nowhere in refused([Manner(ONE)], seen, content_mask=left)
    assert nowhere in refused([Manner(ONE, 1.0, left), Manner(TWO, 1.0, right)], seen)
    assert nowhere in refused([Manner(ONE, 1.0, left)], content_mask=right)
    assert nowhere in refused([Manner(ONE, 1.0, left), Manner(TWO)], content_mask=left)
    everywhere = [Manner(ONE, 1.0, left), Manner(ONE, 1.0, right), Manner(TWO)]
    assert "no place for the styles that have none" in refused(everywhere)


# Alpha ------------------------------------------------------------------------------------------------------


def test_a_fully_transparent_picture_is_refused_with_a_sentence() -> None:
    empty = torch.zeros(1, 4, 8, 8)
    assert "The layer is fully transparent" in refused([Manner(ONE)], empty)
    assert "A style picture is fully transparent" in refused([Manner(ONE), Manner(empty)])


def test_what_alpha_hides_counts_for_nothing_and_has_the_colour_of_its_surroundings() -> None:
    flat = opaque(torch.full((1, 3, 31, 45), 0.7))
    flat[:, :, 5:25, 5:40] = 0
    found = canvas([Manner(flat)], flat)
    for view in (found.content, found.regions[0].styles[0][0]):
        torch.testing.assert_close(view.rgb, torch.full((1, 3, 31, 45), 0.7))
        assert view.counts is not None and torch.equal(view.counts, flat[:, 3:])


def test_what_can_be_seen_through_has_its_own_colour_and_counts_less() -> None:
    faint = torch.cat([CONTENT, torch.full((1, 1, 24, 32), 0.3)], 1)
    content = canvas([Manner(ONE)], faint).content
    torch.testing.assert_close(content.rgb, CONTENT)
    assert content.counts is not None and values(content.counts) == {content.counts.max().item()}


def test_a_dab_on_a_large_layer_gives_its_colour_to_all_of_it() -> None:
    lone = torch.zeros(1, 4, 1500, 1400)
    lone[:, :, 700, 600] = torch.tensor([0.2, 0.4, 0.6, 1.0])
    rgb = canvas([Manner(ONE)], lone).content.rgb
    torch.testing.assert_close(rgb[0, :, ::50, ::50], torch.tensor([0.2, 0.4, 0.6]).view(3, 1, 1).expand(3, 30, 28))


# Sizes ------------------------------------------------------------------------------------------------------


def style_at(content: Tensor, style: Tensor, height: int, width: int, **settings: object) -> tuple[int, int]:
    recipe = altered("wavelets", **settings)
    whole = canvases.canvas(Commission(content, [Manner(style)]), recipe)
    rgb = canvases.at(whole, height, width, recipe, 1, "cpu").regions[0].styles[0][0].rgb
    return rgb.shape[2], rgb.shape[3]


def test_style_size_is_in_pixels_of_the_result_whatever_the_layer_and_the_size_painted_at() -> None:
    style = picture(100, 400, seed=2)
    for height, width in ((300, 400), (600, 1200)):
        layer = picture(height, width)
        assert style_at(layer, style, height, width, style_size=160) == (80, 320)
        assert style_at(layer, style, height // 2, width // 2, style_size=160) == (40, 160)  # half of everything
    assert style_at(picture(300, 400), style, 300, 400, style_size=400) == (200, 800)  # larger than it is: enlarged
    assert style_at(picture(30, 30), picture(9, 9), 30, 30, style_size=32_000) == (240, 240)  # and no larger than this


def test_style_scale_goes_with_the_size_painted_at_and_never_enlarges() -> None:
    style, layer = picture(300, 400, seed=2), picture(300, 400)
    assert style_at(layer, style, 300, 400) == (300, 400)
    assert style_at(layer, style, 300, 400, style_scale=0.5) == (150, 200)
    assert style_at(layer, style, 150, 200, style_scale=0.5) == (75, 100)
    assert style_at(layer, style, 300, 400, style_scale=2) == (300, 400)


def test_a_style_keeps_a_size_at_which_it_has_a_manner() -> None:
    style = picture(200, 200, seed=2)
    for settings in ({}, {"style_size": 3}):
        assert style_at(picture(10, 10), style, 10, 10, **settings) == (48, 48)
    assert style_at(picture(500, 500), picture(5, 9, seed=2), 500, 500) == (5, 9)


def test_strength_is_a_factor_from_next_to_everything_to_nothing() -> None:
    factors = [canvases.content_factor(s) for s in (5e-324, 1e-9, 1, 25, 50, 75, 99, 100)]
    assert factors[0] == factors[1] == canvases.MOST_ODDS**2
    assert factors[1:] == sorted(factors[1:], reverse=True)
    assert factors[4] == 1 and factors[-1] == 0


def test_masks_at_a_smaller_size_hold_as_strongly() -> None:
    grey = torch.full((1, 1, 24, 32), 0.25)
    whole = canvas([Manner(ONE)], content_mask=grey)
    half = canvases.at(whole, 12, 16, QUICK, 1, "cpu")
    assert isinstance(half.hold, Tensor) and half.hold.shape == (1, 1, 12, 16)
    assert list(values(half.hold)) == pytest.approx([0.25 * canvases.content_factor(12.5)])


def test_a_tile_s_content_has_no_jump_at_its_borders_in_light_and_in_colour() -> None:
    ramp = torch.linspace(0, 1, 32).expand(1, 3, 24, 32)
    for kind in ("style", "luminance"):
        whole = canvases.canvas(Commission(ramp, [Manner(ONE)]), altered("wavelets", seamless=True, colour=kind))
        for rgb in (whole.content.rgb, whole.original):
            assert float((rgb[..., 0] - rgb[..., -1]).abs().max()) < 0.1


def test_each_grey_of_a_content_mask_has_statistics_of_its_own_and_none_is_lost() -> None:
    mask = torch.linspace(0, 1, CONTENT.shape[-1]).expand(1, 1, *CONTENT.shape[-2:])
    regions = canvas([Manner(ONE), Manner(TWO)], content_mask=mask).regions
    found = torch.stack([region.where for region in regions if region.where is not None])
    assert len(found) == len(regions) == len(canvases.BANDS)
    painted = mask * (mask > canvases.BLACK)
    assert torch.allclose(found.sum(0), painted, atol=1e-6)
    assert sum(region.share for region in regions) == pytest.approx(float(painted.mean()))
    means = [float((mask * where).sum() / where.sum()) for where in found]
    assert means == sorted(means) and means[-1] - means[0] > 0.5


def test_a_mask_of_black_and_white_alone_makes_one_region() -> None:
    assert len(canvas([Manner(ONE)], content_mask=halves(*CONTENT.shape[-2:])).regions) == 1
