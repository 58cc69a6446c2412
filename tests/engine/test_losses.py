"""What losses are made of, against plain numpy in float64. Whole recipes are in `test_formulae`."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from impasto_daemon.engine import losses, tiles
from impasto_daemon.engine.losses import Moments
from impasto_daemon.engine.positions import Weights
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]
CLOSE = 1e-12


def moments_of(f: Tensor, weights: Tensor | None = None) -> Moments:
    """Of a whole layer, as features and targets take them."""
    layer = tiles.Layer(1, *f.shape[-2:])
    return losses.sums(f, weights).over(Weights(weights).mass(layer))


def activations(seed: int, channels: int, height: int, width: int) -> Array:
    """As after a ReLU: nothing below zero."""
    return np.maximum(np.random.default_rng(seed).normal(0.3, 1.0, (1, channels, height, width)), 0)


def plain_gram(f: Array) -> Array:
    """G_ij = Σ_k F_ik·F_jk, loop by loop and undivided, as in the paper."""
    channels = f.shape[1]
    flat = f.reshape(channels, -1)
    return np.array([[float((flat[i] * flat[j]).sum()) for j in range(channels)] for i in range(channels)])


def assert_same(ours: Moments, wanted: Moments) -> None:
    torch.testing.assert_close(ours.mean, wanted.mean, rtol=CLOSE, atol=1e-14)
    torch.testing.assert_close(ours.second, wanted.second, rtol=CLOSE, atol=1e-14)


# Moments ----------------------------------------------------------------------------------------------------


def test_the_second_moment_is_the_gram_matrix_of_the_paper_divided_by_the_positions() -> None:
    f = activations(1, 6, 9, 7)
    found = moments_of(torch.tensor(f))
    np.testing.assert_allclose(found.second, plain_gram(f) / 63, rtol=CLOSE)
    np.testing.assert_allclose(found.mean, f.mean((0, 2, 3)), rtol=CLOSE)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_their_gradient_is_right_whatever_the_memory_layout(layout: torch.memory_format) -> None:
    f = torch.tensor(activations(1, 4, 5, 6)).contiguous(memory_format=layout).requires_grad_()
    weights = torch.rand(1, 1, 5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def both(x: Tensor) -> tuple[Tensor, ...]:
        equal, weighted = moments_of(x), moments_of(x, weights)
        return equal.mean, equal.second, weighted.mean, weighted.second

    assert torch.autograd.gradcheck(both, f)


def test_weights_of_1_count_a_position_as_none_do() -> None:
    f = torch.tensor(activations(1, 5, 6, 7))
    assert_same(moments_of(f, torch.ones(1, 1, 6, 7)), moments_of(f))


def test_weights_of_0_leave_a_position_out() -> None:
    f = torch.tensor(activations(1, 5, 6, 7))
    weights = torch.zeros(1, 1, 6, 7, dtype=torch.float64)
    weights[..., 1:4, 2:] = 1
    assert_same(moments_of(f, weights), moments_of(f[..., 1:4, 2:]))


def test_a_whole_weight_counts_a_position_so_many_times() -> None:
    f = torch.tensor(activations(1, 5, 3, 4))
    times = torch.arange(12) % 4
    repeated = f.flatten(2).repeat_interleave(times, 2)[..., None]
    assert_same(moments_of(f, times.double().view(1, 1, 3, 4)), moments_of(repeated))


def test_only_the_proportions_of_weights_count() -> None:
    f = torch.tensor(activations(1, 5, 3, 4))
    weights = torch.tensor(np.random.default_rng(2).random((1, 1, 3, 4)))
    assert_same(moments_of(f, weights * 0.25), moments_of(f, weights))


def test_weights_of_nothing_but_zeros_give_moments_of_zero() -> None:
    found = moments_of(torch.tensor(activations(1, 3, 2, 2)), torch.zeros(1, 1, 2, 2, dtype=torch.float64))
    assert_same(found, Moments(torch.zeros(3).double(), torch.zeros(3, 3).double()))


def test_scaled_moments_are_those_of_scaled_activations() -> None:
    f = torch.tensor(activations(1, 3, 4, 5))
    each = torch.tensor([2.0, 0.5, 3.0], dtype=torch.float64)
    assert_same(moments_of(f).scaled(each), moments_of(f * each.view(1, 3, 1, 1)))
    assert_same(moments_of(f).scaled(each[:1]), moments_of(f * 2))


def test_the_moments_of_a_mixture_are_those_of_the_pictures_side_by_side() -> None:
    one, other = (torch.tensor(activations(seed, 4, 3, 8)) for seed in (1, 2))
    beside = torch.cat([one, other, other, other], 3)
    found = losses.mixed([(moments_of(one), 0.25), (moments_of(other), 0.75)])
    assert_same(found, moments_of(beside))


# Style ------------------------------------------------------------------------------------------------------


def test_gatys_style_loss_and_gradient_are_those_of_the_paper() -> None:
    """E = Σ(G−A)² / (4·C²·N²) and ∂E/∂F = (G−A)·F / (C²·N²): equations 4 and 6 of Gatys, Ecker, Bethge 2016 (the latter
    has zero where F < 0, since F there is after ReLU; here F itself is the variable)."""
    channels, positions = 6, 63
    f, a = activations(1, channels, 9, 7), activations(2, channels, 9, 7)
    difference = plain_gram(f) - plain_gram(a)
    x = torch.tensor(f, requires_grad=True)
    found = losses.gatys_style(moments_of(torch.tensor(a)))(moments_of(x))
    (slope,) = torch.autograd.grad(found, x)
    assert found.item() == pytest.approx((difference**2).sum() / (4 * channels**2 * positions**2), rel=CLOSE)
    gradient = difference @ f.reshape(channels, positions) / (channels**2 * positions**2)
    np.testing.assert_allclose(slope.reshape(channels, positions), gradient, rtol=1e-10)


@pytest.mark.parametrize("name", losses.STYLE_LOSSES)
def test_a_style_is_no_distance_from_itself(name: str) -> None:
    """Whatever its size: repeated, it is the same style."""
    a = torch.tensor(activations(2, 4, 6, 5))
    loss = losses.STYLE_LOSSES[name](moments_of(a))
    assert loss(moments_of(a.repeat(1, 1, 2, 3))).item() == pytest.approx(0, abs=1e-12)
    assert loss(moments_of(a * 1.1)).item() > 1e-4


def plain_moments(f: Array) -> tuple[Array, Array]:
    """Mean (C,) and covariance (C, C)."""
    flat = f.reshape(f.shape[1], -1)
    return flat.mean(1), np.cov(flat, bias=True)


def test_correlation_style_compares_means_and_correlations() -> None:
    """‖D·(Σ − Σ*)·D‖² / ‖D·Σ*·D‖² + ‖μ − μ*‖² / ‖μ*‖², D = diag(1/σ*)."""
    f, a = activations(1, 6, 9, 7), activations(2, 6, 8, 5)
    (mean, spread), (mean_wanted, spread_wanted) = plain_moments(f), plain_moments(a)
    divisor = np.sqrt(np.outer(np.diag(spread_wanted), np.diag(spread_wanted)))
    together = (((spread - spread_wanted) / divisor) ** 2).sum() / ((spread_wanted / divisor) ** 2).sum()
    apart = ((mean - mean_wanted) ** 2).sum() / (mean_wanted**2).sum()
    found = losses.correlation_style(moments_of(torch.tensor(a)))(moments_of(torch.tensor(f)))
    assert found.item() == pytest.approx(together + apart, rel=1e-10)


def test_correlation_style_takes_a_small_deviation_for_calm() -> None:
    f, a = activations(1, 3, 9, 7), activations(2, 3, 8, 5)
    a[:, 2] = 1 + 1e-4 * a[:, 2]  # hardly any
    (mean, spread), (mean_wanted, spread_wanted) = plain_moments(f), plain_moments(a)
    sigma = np.append(np.sqrt(np.diag(spread_wanted))[:2], losses.CALM)
    divisor = np.outer(sigma, sigma)
    together = (((spread - spread_wanted) / divisor) ** 2).sum() / ((spread_wanted / divisor) ** 2).sum()
    apart = ((mean - mean_wanted) ** 2).sum() / (mean_wanted**2).sum()
    found = losses.correlation_style(moments_of(torch.tensor(a)))(moments_of(torch.tensor(f)))
    assert found.item() == pytest.approx(together + apart, rel=1e-10)


@pytest.mark.parametrize("light", [0.0, 1.0])
def test_a_style_without_texture_has_no_correlations_and_is_compared_as_relative(light: float) -> None:
    calm = moments_of(torch.full((1, 4, 6, 5), light, dtype=torch.float64))
    ours = moments_of(torch.tensor(activations(1, 4, 6, 5)))
    assert torch.equal(losses.correlation_style(calm)(ours), losses.relative_style(calm)(ours))
    assert bool(losses.correlation_style(calm)(ours).isfinite())


@pytest.mark.parametrize("name", losses.STYLE_LOSSES)
def test_first_moments_are_for_the_losses_that_look_at_them(name: str) -> None:
    ours = losses.sums(torch.tensor(activations(1, 4, 6, 5)), means=False)
    loss = losses.STYLE_LOSSES[name](moments_of(torch.tensor(activations(2, 4, 6, 5))))
    assert bool(loss(ours).isfinite()) == (name not in losses.WITH_MEANS)


def positive(seed: int, channels: int) -> Tensor:
    """A symmetric matrix with eigenvalues from 0.2 to 2."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(channels, channels)))
    return torch.tensor(turn @ np.diag(np.linspace(0.2, 2, channels)) @ turn.T)


def test_a_root_times_itself_is_the_matrix() -> None:
    matrix = positive(1, 7)
    found = losses.root(matrix)
    torch.testing.assert_close(found @ found, matrix, rtol=1e-10, atol=1e-10)
    assert bool((torch.linalg.eigvalsh(found) > 0).all())
    assert torch.autograd.gradcheck(lambda x: losses.root((x + x.T) / 2), matrix.clone().requires_grad_())


def test_the_wasserstein_distance_is_that_of_gaussians() -> None:
    """Of independent ones it is Σ(μ−μ*)² + Σ(σ−σ*)²; the ridge belongs to their variances."""
    mean, wanted_mean = (torch.tensor(v, dtype=torch.float64) for v in ([0.1, 0.5, 0.9], [0.4, 0.4, 0.2]))
    spread, wanted = (torch.tensor(v, dtype=torch.float64) for v in ([0.5, 1.0, 0.7], [0.9, 0.8, 0.4]))
    ours = Moments(mean, torch.diag(spread**2 - losses.RIDGE) + torch.outer(mean, mean))
    target = Moments(wanted_mean, torch.diag(wanted**2 - losses.RIDGE) + torch.outer(wanted_mean, wanted_mean))
    found = losses.wasserstein_style(target)(ours)
    plain = ((mean - wanted_mean) ** 2 + (spread - wanted) ** 2).sum() / 3
    torch.testing.assert_close(found, plain, rtol=1e-10, atol=0)


def test_channel_rms_is_the_root_mean_square_with_a_floor() -> None:
    f = activations(1, 3, 8, 8)
    f[:, 2] = 0
    found = losses.channel_rms(moments_of(torch.tensor(f))).numpy()
    plain = np.sqrt((f**2).mean((0, 2, 3)))
    np.testing.assert_allclose(found[:2], plain[:2], rtol=CLOSE)
    assert found[2] == pytest.approx(plain.max() * losses.SILENT, rel=1e-6)


# Content ----------------------------------------------------------------------------------------------------


def test_what_does_not_count_is_no_error_of_the_content() -> None:
    f, p = (torch.tensor(activations(seed, 3, 4, 5)) for seed in (1, 2))
    weights = torch.zeros(1, 1, 4, 5, dtype=torch.float64)
    weights[..., :2, :3] = 0.5
    found = losses.squared_error(f, p, weights)
    assert found.item() == pytest.approx(0.5 * ((f - p)[..., :2, :3] ** 2).sum().item(), rel=CLOSE)
    assert losses.squared_error(f, p, None).item() == pytest.approx(((f - p) ** 2).sum().item(), rel=CLOSE)


# What a picture should not have -----------------------------------------------------------------------------


def test_mean_variation_is_that_of_the_formula() -> None:
    rgb = np.random.default_rng(3).random((1, 3, 6, 5))
    total = 0.0
    for c in range(3):
        for i in range(6):
            for j in range(5):
                total += (rgb[0, c, i + 1, j] - rgb[0, c, i, j]) ** 2 if i < 5 else 0
                total += (rgb[0, c, i, j + 1] - rgb[0, c, i, j]) ** 2 if j < 4 else 0
    assert losses.mean_variation(torch.tensor(rgb)).item() == pytest.approx(total / 90, rel=CLOSE)


@pytest.mark.parametrize("name", losses.VARIATIONS)
def test_a_solid_picture_has_no_variation_and_noise_has_more_than_a_ramp(name: str) -> None:
    variation: Callable[[Tensor], Tensor] = losses.VARIATIONS[name]
    ramp = torch.linspace(0, 1, 64).view(1, 1, 8, 8).repeat(1, 3, 1, 1)
    noise = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    assert variation(torch.full((1, 3, 8, 8), 0.3)).item() == 0
    assert 0 < variation(ramp) < variation(noise)


def test_what_lies_outside_the_range_costs_its_mean_square() -> None:
    rgb = torch.tensor([-0.5, 0.0, 0.5, 1.0, 1.25, 2.0], dtype=torch.float64).reshape(1, 3, 1, 2).requires_grad_()
    found = losses.out_of_range(rgb)
    (slope,) = torch.autograd.grad(found, rgb)
    assert found.item() == pytest.approx((0.25 + 0.0625 + 1) / 6, rel=CLOSE)
    np.testing.assert_allclose(slope.ravel(), np.array([-1.0, 0, 0, 0, 0.5, 2.0]) / 6, rtol=CLOSE)


@pytest.mark.parametrize("name", [*losses.VARIATIONS, "range"])
def test_strip_by_strip_they_are_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loss: Callable[[Tensor], Tensor] = {**losses.VARIATIONS, "range": losses.out_of_range}[name]
    rgb = 2 * torch.rand(1, 3, 11, 7, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = []
    for samples in (2**22, 60, 1):  # in one strip, in strips of two or three rows, row by row
        monkeypatch.setattr(tiles, "STRIP", samples)
        at = rgb.clone().requires_grad_()
        whole = 0.7 * loss(at)
        found.append((whole.detach(), *torch.autograd.grad(whole, at)))
    for value, slope in found[1:]:
        torch.testing.assert_close(value, found[0][0], rtol=1e-12, atol=0)
        torch.testing.assert_close(slope, found[0][1], rtol=1e-12, atol=1e-15)
