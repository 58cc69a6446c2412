"""The benchmark's figures mean what they say: known pictures have the known values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from impasto_daemon.engine.features import VGG
from impasto_daemon.engine.recipes import RECIPES, override
from torch import Tensor

from benchmarks.quality import match, metrics
from benchmarks.quality.adapt import adapted
from benchmarks.quality.judge import Judge
from benchmarks.quality.match import Tried
from benchmarks.quality.runs import Cost, filled

from .networks import picture, random_vgg19


def noise(height: int = 64, width: int = 96, seed: int = 0) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


# Distributions ---------------------------------------------------------------------------------------------


def test_wasserstein_of_two_constants_is_their_difference() -> None:
    ours, theirs = torch.full((2, 10), 0.25), torch.full((2, 33), 0.75)
    assert metrics.wasserstein(metrics.quantiles(ours), metrics.quantiles(theirs)) == pytest.approx(0.5)


def test_wasserstein_of_uniform_distributions_is_the_known_one() -> None:
    # Between U(0, 1) and U(0, 2) the quantile functions are t and 2t: the distance is ∫t = ½.
    ours, theirs = torch.linspace(0, 1, 4001)[None], torch.linspace(0, 2, 7001)[None]
    assert metrics.wasserstein(metrics.quantiles(ours), metrics.quantiles(theirs)) == pytest.approx(0.5, abs=1e-3)


def test_wasserstein_sees_neither_the_order_of_samples_nor_their_number() -> None:
    samples = noise()[0].flatten(1)
    shuffled = samples[:, torch.randperm(samples.shape[1], generator=torch.Generator().manual_seed(1))]
    assert metrics.wasserstein(metrics.quantiles(samples), metrics.quantiles(shuffled)) == 0
    twice = torch.cat([samples, samples], 1)
    assert metrics.wasserstein(metrics.quantiles(samples), metrics.quantiles(twice)) < 1e-3


def test_a_sliced_distance_along_one_axis_is_that_of_the_samples() -> None:
    ours, theirs = torch.rand(1, 1, 20, 30), torch.rand(1, 1, 10, 17) + 1
    sliced = metrics.wasserstein(metrics.sliced_quantiles(ours), metrics.sliced_quantiles(theirs))
    plain = metrics.wasserstein(metrics.quantiles(ours.flatten(1)[:, None][0]), metrics.quantiles(theirs.flatten(1)))
    assert sliced == pytest.approx(plain, rel=1e-4)


def test_a_sliced_distance_sees_what_gram_matrices_do_not() -> None:
    # Two distributions with the same second moments: ±1 with equal shares, and the normal one.
    generator = torch.Generator().manual_seed(2)
    normal = torch.randn(1, 4, 100, 100, generator=generator)
    signs = torch.randn(1, 4, 100, 100, generator=generator).sign()
    assert metrics.gram_distance(normal, signs) < 0.01
    same = torch.randn(1, 4, 100, 100, generator=generator)
    unlike = metrics.wasserstein(metrics.sliced_quantiles(normal), metrics.sliced_quantiles(signs))
    assert unlike > 5 * metrics.wasserstein(metrics.sliced_quantiles(normal), metrics.sliced_quantiles(same))


def test_gram_distance_is_the_published_one() -> None:
    ours, theirs = torch.rand(1, 3, 5, 6), torch.rand(1, 3, 7, 4)
    f, p = (each[0].flatten(1).numpy().astype(np.float64) for each in (ours, theirs))
    expected = ((f @ f.T / f.shape[1] - p @ p.T / p.shape[1]) ** 2).sum()
    assert metrics.gram_distance(ours, theirs) == pytest.approx(expected)


def test_patches_tell_textures_of_one_palette_apart() -> None:
    stripes = torch.zeros(1, 3, 64, 64)
    stripes[..., ::4] = stripes[..., 1::4] = 1
    lying = stripes.transpose(2, 3)
    moved = stripes.roll(2, 3)

    def distance(ours: Tensor, theirs: Tensor) -> float:
        tables = zip(metrics.patch_quantiles(ours), metrics.patch_quantiles(theirs))
        return math.fsum(metrics.wasserstein(a, b) for a, b in tables)

    assert metrics.colour_distance(stripes, lying) == 0
    assert distance(stripes, lying) > 5 * distance(stripes, moved)


def test_colour_distance_of_black_and_white_is_one() -> None:
    assert metrics.colour_distance(torch.zeros(1, 3, 9, 9), torch.ones(1, 3, 5, 7)) == pytest.approx(1)


# Likeness --------------------------------------------------------------------------------------------------


def plain_ssim(ours: Tensor, theirs: Tensor) -> float:
    """Wang et al. 2004, window by window, in float64."""
    weights = np.array(metrics.LUMINANCE)
    x, y = (np.tensordot(weights, each[0].numpy().astype(np.float64), 1) for each in (ours, theirs))
    reach = np.exp(-((np.arange(11) - 5) ** 2) / 4.5)
    window = np.outer(reach, reach) / reach.sum() ** 2
    found = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            a, b = x[i : i + 11, j : j + 11], y[i : i + 11, j : j + 11]
            ma, mb = (window * a).sum(), (window * b).sum()
            va, vb = (window * (a - ma) ** 2).sum(), (window * (b - mb) ** 2).sum()
            both = (window * (a - ma) * (b - mb)).sum()
            found.append((2 * ma * mb + 1e-4) * (2 * both + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4)))
    return float(np.mean(found))


def test_ssim_is_the_published_formula() -> None:
    ours, theirs = picture(20, 24), (picture(20, 24) + 0.2 * noise(20, 24)).clamp(0, 1)
    assert metrics.ssim(ours, theirs) == pytest.approx(plain_ssim(ours, theirs), abs=1e-4)
    assert metrics.ssim(ours, ours) == pytest.approx(1)


def test_correlation_is_pearsons() -> None:
    ours, theirs = torch.rand(1, 3, 8, 9), torch.rand(1, 3, 8, 9)
    expected = np.corrcoef(ours.flatten().double(), theirs.flatten().double())[0, 1]
    assert metrics.correlation(ours, theirs) == pytest.approx(expected)
    assert metrics.correlation(ours, 3 - 2 * ours) == pytest.approx(-1)
    assert metrics.correlation(ours, torch.ones_like(ours)) == 0


# Faults ----------------------------------------------------------------------------------------------------


def test_white_noise_has_the_share_of_high_frequencies_that_its_area_says() -> None:
    expected = 1 - math.pi * metrics.GRAIN**2 / 4
    assert metrics.grain(noise(256, 256)) == pytest.approx(expected, abs=0.02)
    assert metrics.grain(picture(64, 96)) < 0.01


def test_speckle_is_noise_in_colours_alone() -> None:
    grey = noise(96, 96).mean(1, keepdim=True).expand(1, 3, 96, 96)
    smooth = picture(96, 96)
    dark = (smooth + 0.2 * (grey - 0.5)).clamp(0, 1)
    coloured = (smooth + 0.2 * (noise(96, 96) - 0.5)).clamp(0, 1)
    assert metrics.speckle(dark) < metrics.speckle(coloured) / 10
    assert metrics.grain(dark) > metrics.grain(smooth)


@pytest.mark.parametrize("period", [2, 4])
def test_a_grid_is_seen_where_there_is_one(period: int) -> None:
    blocks = torch.nn.functional.interpolate(noise(128 // period, 128 // period), scale_factor=period)
    clean = noise(128, 128)
    assert metrics.grid(clean) < 0.05
    assert metrics.grid(clean + 0.5 * blocks) > 0.1
    assert metrics.grid(clean + 0.5 * blocks.roll((1, 1), (2, 3))) > 0.1, "wherever it begins"


def test_what_has_another_period_is_no_grid() -> None:
    blocks = torch.nn.functional.interpolate(noise(30, 30), scale_factor=5)
    assert metrics.grid(noise(150, 150) + 0.5 * blocks) < 0.05


def test_a_noisy_frame_has_border_energy() -> None:
    framed = torch.full((1, 3, 64, 64), 0.5) + 0.1 * noise(64, 64)
    even = metrics.border_energy(framed)
    framed[..., : metrics.BORDER, :] += noise(8, 64, seed=3)
    assert even == pytest.approx(1, abs=0.2)
    assert metrics.border_energy(framed) > 5 * even


def test_variation_is_the_mean_difference_of_every_two() -> None:
    black, grey, white = (torch.full((1, 3, 4, 4), value) for value in (0.0, 0.5, 1.0))
    assert metrics.variation([black, grey, white]) == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert math.isnan(metrics.variation([black]))


# The judge -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network() -> VGG:
    return VGG("vgg19", random_vgg19(8))


def test_the_content_is_at_distance_one_and_the_style_at_none(network: VGG) -> None:
    content, style = picture(64, 64), (picture(64, 64, seed=4) + noise(64, 64)) / 2
    judge = Judge(content, style, network)
    own, best = judge(content), judge(style)
    assert (own.held_out, own.gram, own.patches) == pytest.approx((1, 1, 1))
    assert (own.ssim, own.correlation, own.border) == pytest.approx((1, 1, 1))
    assert (best.held_out, best.gram, best.patches, best.colour) == pytest.approx((0, 0, 0, 0))
    assert best.grain == pytest.approx(1)


def test_without_a_network_the_rest_is_judged_all_the_same() -> None:
    scores = Judge(picture(64, 64), noise(64, 64))(picture(64, 64)).described()
    assert {name for name, value in scores.items() if value is None} == {"held_out", "gram", "correlation"}
    assert scores["patches"] == 1


# Recipes on the scales --------------------------------------------------------------------------------------


def test_absent_layers_are_replaced_by_one_rule(network: VGG) -> None:
    entry = adapted("gatys", RECIPES["gatys"], list(network.filters))
    assert entry
    assert entry.recipe.content_layers == ("conv3_4",)
    assert entry.recipe.layer_weights == {"conv1_1": 0.2, "conv2_1": 0.2, "conv3_1": 0.2}
    assert entry.changed == "content conv4_2 → conv3_4; style without conv4_1, conv5_1"


def test_a_recipe_that_has_all_its_layers_stays_as_published(network: VGG) -> None:
    entry = adapted("impasto", RECIPES["impasto"], list(network.filters))
    assert entry and entry.recipe == RECIPES["impasto"] and not entry.changed


def test_a_recipe_without_any_style_layer_cannot_be_run(network: VGG) -> None:
    deep = override(RECIPES["gatys"], {"style_layers": "conv5_1"})
    assert adapted("deep", deep, list(network.filters)) is None


def test_time_is_filled_in_the_recipes_own_proportions() -> None:
    recipe = override(RECIPES["impasto"], {"steps": "100,50"})
    costs = [Cost(0.5, 0.01), Cost(0.5, 0.04), Cost(1.0, 0.1)]  # 100, 50, 50 evaluations: 1 + 2 + 5 seconds
    assert filled(recipe, 2 + 4, costs).steps[:-1] == (50, 25)
    assert filled(recipe, 0.0, costs).steps[:-1] == (1, 1), "each size is worked on"


def test_equal_likeness_is_found_in_a_few_attempts() -> None:
    def likeness(factor: float) -> Tried[float]:
        return Tried(factor, 1 / (1 + math.exp(-0.5 * math.log(factor) - 1)), factor)

    for wanted in (0.4, 0.55, 0.85):
        tried = match.search(likeness, likeness(1.0), wanted)
        assert abs(tried[0].likeness - wanted) <= match.NEAR
        assert len(tried) <= 1 + match.RUNS


def test_a_search_gives_up_where_the_weight_changes_nothing() -> None:
    tried = match.search(lambda factor: Tried(factor, 0.5, None), Tried(1.0, 0.5, None), 0.9)
    assert len(tried) <= 1 + match.RUNS
    assert tried[0].likeness == 0.5
