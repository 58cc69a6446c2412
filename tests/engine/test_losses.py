"""Every loss and its gradient equals the published formula, written out here in plain float64 numpy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from impasto_daemon.engine import losses
from numpy.typing import NDArray

Array = NDArray[np.float64]
CLOSE = 1e-5


def activations(seed: int, channels: int, height: int, width: int) -> Array:
    """As after a ReLU: nothing below zero."""
    return np.maximum(np.random.default_rng(seed).normal(0.3, 1.0, (1, channels, height, width)), 0)


def plain_gram(f: Array) -> Array:
    """G_ij = Σ_k F_ik·F_jk, loop by loop and undivided, as in the paper."""
    channels = f.shape[1]
    flat = f.reshape(channels, -1)
    return np.array([[float((flat[i] * flat[j]).sum()) for j in range(channels)] for i in range(channels)])


def differences(loss: Callable[[Array], float], at: Array, places: int = 12) -> list[tuple[tuple[int, ...], float]]:
    """The gradient by central differences at some of the elements."""
    rng = np.random.default_rng(5)
    found = []
    for flat_index in rng.choice(at.size, size=places, replace=False):
        index = tuple(int(i) for i in np.unravel_index(flat_index, at.shape))
        step = 1e-5
        up, down = at.copy(), at.copy()
        up[index] += step
        down[index] -= step
        found.append((index, (loss(up) - loss(down)) / (2 * step)))
    return found


def ours(loss: Callable[[torch.Tensor], torch.Tensor], at: Array) -> tuple[float, Array]:
    """Our float32 value and gradient."""
    x = torch.tensor(at, dtype=torch.float32, requires_grad=True)
    value = loss(x)
    value.backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    return value.item(), x.grad.numpy().astype(np.float64)


def assert_alike(found: Array, plain: Array) -> None:
    """Equal but for CLOSE of the whole vector's length."""
    assert np.linalg.norm(found - plain) <= CLOSE * np.linalg.norm(plain)


def at_some_places(slope: Array, places: list[tuple[tuple[int, ...], float]]) -> tuple[Array, Array]:
    return np.array([slope[index] for index, _ in places]), np.array([value for _, value in places])


def test_the_gram_matrix_is_that_of_the_paper_divided_by_the_positions() -> None:
    f = activations(1, 6, 9, 7)
    found = losses.gram(torch.tensor(f, dtype=torch.float32)).numpy()
    np.testing.assert_allclose(found, plain_gram(f) / 63, rtol=CLOSE)


def test_the_gram_matrix_s_gradient_is_right_whatever_the_memory_layout() -> None:
    f = torch.tensor(activations(1, 4, 5, 6), requires_grad=True)
    assert torch.autograd.gradcheck(losses.gram, f)
    last = f.detach().contiguous(memory_format=torch.channels_last).requires_grad_()
    assert torch.autograd.gradcheck(losses.gram, last)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gatys_style_loss_and_gradient_are_those_of_the_formula(layout: torch.memory_format) -> None:
    """E = Σ(G−A)² / (4·C²·N²); ∂E/∂F = ((F·(G−A))ᵀ…) / (C²·N²), equations 4 and 6 of Gatys, Ecker, Bethge 2016.

    Equation 6 has zero where F < 0, since F there is after ReLU; here F itself is the variable.
    """
    channels, positions = 6, 63
    f, a = activations(1, channels, 9, 7), activations(2, channels, 9, 7)
    difference = plain_gram(f) - plain_gram(a)
    value = (difference**2).sum() / (4 * channels**2 * positions**2)
    gradient = (difference @ f.reshape(channels, positions)) / (channels**2 * positions**2)
    target = losses.gram(torch.tensor(a, dtype=torch.float32))
    found, slope = ours(lambda x: losses.gatys_style(losses.gram(x.contiguous(memory_format=layout)), target), f)
    assert found == pytest.approx(value, rel=CLOSE)
    assert_alike(slope.reshape(channels, positions), gradient)


def test_gatys_style_loss_takes_a_style_of_another_size() -> None:
    f, a = activations(1, 5, 8, 8), activations(2, 5, 11, 3)
    difference = plain_gram(f) / 64 - plain_gram(a) / 33
    target = losses.gram(torch.tensor(a, dtype=torch.float32))
    found, _ = ours(lambda x: losses.gatys_style(losses.gram(x), target), f)
    assert found == pytest.approx((difference**2).sum() / (4 * 25), rel=CLOSE)


def test_relative_style_loss_and_gradient_are_those_of_the_formula() -> None:
    f, a = activations(1, 5, 8, 8), activations(2, 5, 11, 3)
    target = plain_gram(a) / 33

    def plain(x: Array) -> float:
        return float(((plain_gram(x) / 64 - target) ** 2).sum() / (target**2).sum())

    grams = losses.gram(torch.tensor(a, dtype=torch.float32))
    found, slope = ours(lambda x: losses.relative_style(losses.gram(x), grams), f)
    assert found == pytest.approx(plain(f), rel=CLOSE)
    assert_alike(*at_some_places(slope, differences(plain, f)))


def test_content_losses_and_gradients_are_those_of_the_formulae() -> None:
    """½Σ(F−P)², with gradient F−P (equations 1 and 2 of Gatys, Ecker, Bethge 2016); and ‖F−P‖²/‖P‖²."""
    f, p = activations(1, 5, 8, 8), activations(2, 5, 8, 8)
    kept = torch.tensor(p, dtype=torch.float32)
    found, slope = ours(lambda x: losses.gatys_content(x, kept), f)
    assert found == pytest.approx(((f - p) ** 2).sum() / 2, rel=CLOSE)
    assert_alike(slope, f - p)
    found, slope = ours(lambda x: losses.relative_content(x, kept), f)
    whole = (p**2).sum()
    assert found == pytest.approx(((f - p) ** 2).sum() / whole, rel=CLOSE)
    assert_alike(slope, 2 * (f - p) / whole)


def test_total_variation_and_its_gradient_are_those_of_the_formula() -> None:
    rgb = np.random.default_rng(3).random((1, 3, 6, 5))

    def plain(x: Array) -> float:
        total = 0.0
        for c in range(3):
            for i in range(6):
                for j in range(5):
                    total += (x[0, c, i + 1, j] - x[0, c, i, j]) ** 2 if i < 5 else 0
                    total += (x[0, c, i, j + 1] - x[0, c, i, j]) ** 2 if j < 4 else 0
        return total / 90

    found, slope = ours(losses.total_variation, rgb)
    assert found == pytest.approx(plain(rgb), rel=CLOSE)
    assert_alike(*at_some_places(slope, differences(plain, rgb)))


def test_what_lies_outside_the_range_costs_its_mean_square() -> None:
    rgb = np.array([-0.5, 0.0, 0.5, 1.0, 1.25, 2.0]).reshape(1, 3, 1, 2)
    found, slope = ours(losses.out_of_range, rgb)
    assert found == pytest.approx((0.25 + 0.0625 + 1) / 6, rel=CLOSE)
    np.testing.assert_allclose(slope.ravel(), np.array([-1.0, 0, 0, 0, 0.5, 2.0]) / 6, rtol=CLOSE)


def test_channel_rms_is_the_root_mean_square_with_a_floor() -> None:
    f = activations(1, 3, 8, 8)
    f[:, 2] = 0
    found = losses.channel_rms(torch.tensor(f, dtype=torch.float32)).numpy()
    plain = np.sqrt((f**2).mean((0, 2, 3)))
    np.testing.assert_allclose(found[:2], plain[:2], rtol=CLOSE)
    assert found[2] == pytest.approx(plain.max() * losses.SILENT, rel=1e-3)
