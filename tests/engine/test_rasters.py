"""Rasters: resizing and padding that keep a tile a tile, masks at other sizes, and the periodic part of a picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from impasto_daemon.engine import rasters
from torch import Tensor

from .networks import picture

SIDES = st.integers(1, 24)


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> Tensor:
    """Random samples, (1, channels, height, width), float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, channels, height, width, generator=generator, dtype=torch.float64)


@settings(deadline=None, max_examples=60)
@given(SIDES, SIDES, SIDES, SIDES)
def test_a_wrapped_picture_is_resized_as_the_middle_of_many_copies_of_it(
    h: int, w: int, height: int, width: int
) -> None:
    tile = noise(h, w, seed=h * 100 + w)
    found = rasters.resize(tile, height, width, wrap=True)
    down, across = (2 * int(2 * max(1, old / new) / old + 2) + 1 for old, new in ((h, height), (w, width)))
    many = rasters.resize(tile.repeat(1, 1, down, across), height * down, width * across)
    middle = many[:, :, height * (down // 2) :, width * (across // 2) :][:, :, :height, :width]
    torch.testing.assert_close(found, middle, rtol=0, atol=1e-9)


def test_a_shifted_tile_resized_is_the_resized_tile_shifted() -> None:
    tile = noise(30, 45).float()
    shifted = rasters.resize(tile.roll((12, 9), (2, 3)), 20, 15, wrap=True)
    torch.testing.assert_close(shifted, rasters.resize(tile, 20, 15, wrap=True).roll((8, 3), (2, 3)))
    assert not torch.allclose(shifted, rasters.resize(tile, 20, 15).roll((8, 3), (2, 3)), atol=0.02)


@pytest.mark.parametrize("size", [(9, 1), (2, 1), (40, 1), (40, 3)])
def test_a_single_column_is_resized_like_a_single_row(size: tuple[int, int]) -> None:
    column = noise(*size)
    row = rasters.resize(column.mT, 1, 7)
    assert float(row.std()) > 0.01
    torch.testing.assert_close(rasters.resize(column, 7, 1), row.mT)


@pytest.mark.parametrize("wrap", [False, True])
def test_resizing_to_the_same_size_changes_nothing_and_samples_stay_in_range(wrap: bool) -> None:
    sharp = (noise(20, 20) > 0.5).double()
    assert rasters.resize(sharp, 20, 20, wrap) is sharp
    large = rasters.resize(sharp, 47, 31, wrap)
    assert large.shape == (1, 3, 47, 31) and float(large.min()) == 0 and float(large.max()) == 1


def test_padding_repeats_the_border_s_colour_or_the_whole_tile() -> None:
    tile = noise(5, 40)
    bordered, repeated = rasters.pad_to(tile, 12), rasters.pad_to(tile, 12, wrap=True)
    assert bordered.shape[2:] == (12, 40) and torch.equal(bordered[:, :, 11], tile[:, :, 4])
    assert torch.equal(repeated, torch.cat([tile] * 3, 2)), "a whole number of tiles is still a tile"
    assert torch.equal(rasters.pad_to(tile, 5, wrap=True), tile)


def test_coverage_is_the_share_of_each_pixel_that_is_covered() -> None:
    mask = torch.zeros(1, 1, 4, 6)
    mask[..., :2] = 1
    mask[:, :, 0, 3] = 1
    assert torch.equal(rasters.coverage(mask, 2, 3), torch.tensor([[[[1.0, 0.25, 0.0], [1.0, 0.0, 0.0]]]]))
    assert float(rasters.coverage(mask, 1, 1)) == pytest.approx(9 / 24)


@settings(deadline=None, max_examples=60)
@given(SIDES, SIDES, SIDES, SIDES)
def test_coverage_stays_a_mask_at_every_size(h: int, w: int, height: int, width: int) -> None:
    mask = (noise(h, w, 1) > 0.5).double()
    found = rasters.coverage(mask, height, width)
    assert found.shape == (1, 1, height, width) and float(found.min()) >= 0 and float(found.max()) <= 1
    torch.testing.assert_close(rasters.coverage(torch.ones_like(mask), height, width), torch.ones_like(found))
    assert torch.equal(rasters.coverage(mask, h, w), mask)
    if height <= h and width <= w and h % height == w % width == 0:
        torch.testing.assert_close(found.mean(), mask.mean())


def moisan(u: np.ndarray) -> np.ndarray:
    """The periodic part of (H, W) with the paper's formulas, sample by sample."""
    height, width = u.shape
    v = np.zeros_like(u)
    for y in range(width):
        v[0, y] += u[height - 1, y] - u[0, y]
        v[height - 1, y] += u[0, y] - u[height - 1, y]
    for x in range(height):
        v[x, 0] += u[x, width - 1] - u[x, 0]
        v[x, width - 1] += u[x, 0] - u[x, width - 1]
    transformed, smooth = np.fft.fft2(v), np.zeros((height, width), dtype=complex)
    for q in range(height):
        for r in range(width):
            if q or r:
                smooth[q, r] = transformed[q, r] / (
                    2 * np.cos(2 * np.pi * q / height) + 2 * np.cos(2 * np.pi * r / width) - 4
                )
    return u - np.fft.ifft2(smooth).real


@settings(deadline=None, max_examples=40)
@given(SIDES, SIDES)
def test_the_periodic_part_is_moisan_s(height: int, width: int) -> None:
    u = 0.4 + 0.2 * noise(height, width)
    expected = np.stack([moisan(channel) for channel in u[0].numpy()])
    assert expected.min() > 0 and expected.max() < 1
    np.testing.assert_allclose(rasters.periodic(u)[0].numpy(), expected, rtol=0, atol=1e-12)


def test_the_periodic_part_has_no_seam_and_is_the_same_picture_inside() -> None:
    ramp = torch.linspace(0.2, 0.8, 65, dtype=torch.float64).expand(1, 1, 64, 65)
    u = (ramp + 0.1 * noise(64, 65, 1)).clamp(0, 1)
    p = rasters.periodic(u)
    seam = (p[..., 0] - p[..., -1]).abs().mean()
    assert float(seam) < 0.15 * float((u[..., 0] - u[..., -1]).abs().mean())
    torch.testing.assert_close(p.mean(), u.mean())
    inside = (p - u)[..., 20:45]
    assert float((inside.diff(dim=3)).abs().max()) < 0.03, "what was taken away is smooth"


def test_the_periodic_part_stays_a_picture_and_a_plain_one_stays_as_it_is() -> None:
    hard = (picture(33, 20) > 0.5).float()
    p = rasters.periodic(hard)
    assert p.shape == hard.shape and float(p.min()) >= 0 and float(p.max()) <= 1
    plain = torch.full((1, 4, 1, 1), 0.3)
    assert torch.equal(rasters.periodic(plain), plain)
    plain = plain.expand(1, 4, 7, 5)
    torch.testing.assert_close(rasters.periodic(plain), plain)


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("size", [(2, 2), (3, 2), (2, 5), (8, 8), (9, 8), (11, 13)])
def test_halving_is_a_binomial_of_four_over_every_other_pixel(size: tuple[int, int], wrap: bool) -> None:
    """With its gradient, against the convolution of the picture with its border."""
    rgb = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    height, width = size
    whole = F.pad(rgb, (0, width % 2, 0, height % 2), "circular") if wrap else rgb
    line = rgb.new_tensor((1.0, 3.0, 3.0, 1.0)) / 8
    filters = torch.outer(line, line).expand(3, 1, 4, 4)
    wanted = F.conv2d(F.pad(whole, (1, 1, 1, 1), "circular" if wrap else "replicate"), filters, stride=2, groups=3)
    found = rasters.halved(rgb, wrap)
    upstream = torch.rand(wanted.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14)
    slopes = [torch.autograd.grad(each, rgb, upstream)[0] for each in (found, wanted)]
    torch.testing.assert_close(*slopes, rtol=1e-12, atol=1e-14)
