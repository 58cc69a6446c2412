"""Colour: the ways to keep the content's colours, against their formulas in plain float64."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from impasto_daemon.engine import colour, rasters
from impasto_daemon.engine.colour import COLOURS
from torch import Tensor

from .networks import picture

MATCHED = ("cholesky", "pca")
LIGHT = ("luminance", "oklab")


def soft(height: int, width: int, seed: int) -> Tensor:
    """Colours well within 0 to 1 that go together somehow, (1, 3, height, width), float64."""
    colours = picture(height, width, 3, seed).double()
    turn = torch.linalg.qr(torch.rand(3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))[0]
    spread = torch.einsum("ij,bjhw->bihw", turn, (colours - 0.5) * torch.tensor([0.4, 0.2, 0.1]).view(1, 3, 1, 1))
    return spread + torch.tensor([0.5, 0.45, 0.55]).view(1, 3, 1, 1)


def statistics(rgb: Tensor, visible: Tensor | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of colour with numpy."""
    samples = rgb.double().numpy().reshape(3, -1)
    weights = None if visible is None else visible.double().numpy().reshape(-1)
    return np.average(samples, 1, weights), np.cov(samples, aweights=weights, ddof=0)


def solid(*rgb: float) -> Tensor:
    return torch.tensor(rgb, dtype=torch.float32).view(1, 3, 1, 1).repeat(1, 1, 8, 9)


def test_the_ways_are_named() -> None:
    assert list(COLOURS) == ["style", "luminance", "oklab", "cholesky", "pca"]


def test_the_style_s_colours_are_left_alone() -> None:
    content, style, painting = soft(9, 8, 0), soft(7, 5, 1), soft(9, 8, 2)
    painted, (like,) = colour.prepare("style", content, [style])
    assert painted is content and like is style and colour.finish("style", painting, content) is painting


@pytest.mark.parametrize("kind", MATCHED)
def test_a_matched_style_has_the_content_s_mean_and_covariance(kind: str) -> None:
    content, styles = soft(30, 20, 0), [soft(25, 31, 1), soft(16, 16, 2)]
    painted, matched = colour.prepare(kind, content, styles)
    assert painted is content and [m.shape for m in matched] == [s.shape for s in styles]
    for each in matched:
        for found, expected in zip(statistics(each), statistics(content)):
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    assert colour.finish(kind, painted, content) is painted


def test_the_matches_are_the_published_ones() -> None:
    content, style = soft(30, 20, 0), soft(25, 31, 1)
    (mean_c, cov_c), (mean_s, cov_s) = statistics(content), statistics(style)

    def root(matrix: np.ndarray, power: float) -> np.ndarray:
        values, axes = np.linalg.eigh(matrix)
        return np.asarray(axes @ np.diag(values**power) @ axes.T)

    maps = {
        "cholesky": np.linalg.cholesky(cov_c) @ np.linalg.inv(np.linalg.cholesky(cov_s)),
        "pca": root(cov_c, 0.5) @ root(cov_s, -0.5),
    }
    samples = style.numpy().reshape(3, -1)
    for kind, matrix in maps.items():
        expected = matrix @ (samples - mean_s[:, None]) + mean_c[:, None]
        _, (found,) = colour.prepare(kind, content, [style])
        np.testing.assert_allclose(found.numpy().reshape(3, -1), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", MATCHED)
def test_what_alpha_hides_counts_for_nothing(kind: str) -> None:
    content, style = soft(12, 10, 0), soft(14, 9, 1)
    content_visible, style_visible = (torch.rand(1, 1, *p.shape[2:], dtype=torch.float64) for p in (content, style))
    content_visible[..., :4], style_visible[..., 5:] = 0, 0
    spoilt, other = content.clone(), style.clone()
    spoilt[..., :4], other[..., 5:] = torch.rand(1, 3, 12, 4), torch.rand(1, 3, 14, 4)
    _, (found,) = colour.prepare(kind, content, [style], content_visible, [style_visible])
    _, (again,) = colour.prepare(kind, spoilt, [other], content_visible, [style_visible])
    torch.testing.assert_close(again[..., :5], found[..., :5])
    for got, expected in zip(statistics(found, style_visible), statistics(content, content_visible)):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", [*MATCHED, *LIGHT])
def test_pictures_of_one_colour_and_greys_do_not_blow_up(kind: str) -> None:
    grey = picture(20, 20, 1).repeat(1, 3, 1, 1)
    pictures = [solid(0.2, 0.5, 0.7), solid(0, 0, 0), grey, picture(20, 20), solid(1, 1, 1)]
    pictures += [torch.zeros(1, 3, 1, 1), grey + torch.tensor([0.0, 1e-4, 0.0]).view(1, 3, 1, 1) * picture(20, 20)]
    for content in pictures:
        _, styles = colour.prepare(kind, content, pictures)
        for before, after in zip(pictures, styles):
            assert after.shape == before.shape and after.dtype == before.dtype
            assert float(after.min()) >= 0 and float(after.max()) <= 1


@pytest.mark.parametrize("kind", MATCHED)
def test_a_style_of_one_colour_takes_the_content_s_mean_and_a_grey_one_no_confetti(kind: str) -> None:
    content = picture(30, 30, 3, 4)
    _, (plain,) = colour.prepare(kind, content, [solid(0.9, 0.1, 0.4)])
    torch.testing.assert_close(plain, content.mean((2, 3), keepdim=True).expand_as(plain), rtol=0, atol=1e-5)
    grey = picture(30, 30, 1, 5).repeat(1, 3, 1, 1)
    noisy = (grey + 0.25 / 255 * torch.randn(grey.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    _, (clean, dirty) = colour.prepare(kind, content, [grey, noisy])
    own = float(content.std((2, 3)).mean())
    assert float((clean - dirty).std()) < 0.5 * own, "what is less than rounding stays less than the content's colours"


def luma(rgb: np.ndarray) -> np.ndarray:
    return np.asarray(0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2])


def test_luminance_matches_the_style_s_light_to_the_content_s() -> None:
    content, style = soft(30, 20, 0), soft(25, 31, 1)
    painted, (like,) = colour.prepare("luminance", content, [style])
    light_c, light_s = luma(content[0].numpy()), luma(style[0].numpy())
    expected = light_c.std() / light_s.std() * (light_s - light_s.mean()) + light_c.mean()
    for channel in range(3):
        np.testing.assert_allclose(painted[0, channel].numpy(), light_c, rtol=0, atol=1e-12)
        np.testing.assert_allclose(like[0, channel].numpy(), expected, rtol=0, atol=1e-12)


def test_oklab_matches_the_style_s_lightness_to_the_content_s() -> None:
    content, style = soft(30, 20, 0), soft(25, 31, 1)
    painted, (like,) = colour.prepare("oklab", content, [style])
    lightness_c = colour.to_oklab(content)[:, 0]
    for grey in (painted, like):
        lab = colour.to_oklab(grey)
        assert float(lab[:, 1:].abs().max()) < 1e-6, "greys"
        torch.testing.assert_close(lab[:, 0].mean(), lightness_c.mean(), rtol=0, atol=1e-6)
        torch.testing.assert_close(lab[:, 0].std(correction=0), lightness_c.std(correction=0), rtol=0, atol=1e-6)
    torch.testing.assert_close(colour.to_oklab(painted)[:, 0], lightness_c, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", LIGHT)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_painting_that_is_the_content_s_grey_gives_the_content_back(kind: str, dtype: torch.dtype) -> None:
    content = torch.cat([torch.rand(1, 3, 20, 20, generator=torch.Generator().manual_seed(1)), picture(20, 20)], 3)
    content = torch.cat([content, (content > 0.5).float()], 2).to(dtype)
    painted, _ = colour.prepare(kind, content, [])
    found = colour.finish(kind, painted, content)
    torch.testing.assert_close(found, content, rtol=0, atol=2e-5 if dtype is torch.float32 else 1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_finishing_keeps_the_painting_s_light_and_leaves_no_sample_out_of_range(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    painting, content = (torch.rand(1, 3, 9, 9, generator=generator, dtype=torch.float64) for _ in range(2))
    content = (1.4 * content - 0.2).clamp(0, 1)
    painting[..., 0], painting[..., 1] = 0, 1
    found = colour.finish("luminance", painting, content)
    assert float(found.min()) >= 0 and float(found.max()) <= 1
    np.testing.assert_allclose(luma(found[0].numpy()), luma(painting[0].numpy()), rtol=0, atol=1e-12)
    found = colour.finish("oklab", painting, content)
    assert float(found.min()) >= 0 and float(found.max()) <= 1
    before, after = colour.to_oklab(painting)[:, 0], colour.to_oklab(found)[:, 0]
    torch.testing.assert_close(after**3, before**3, rtol=0, atol=2e-6)


def test_luminance_keeps_i_and_q_or_shrinks_them_together_as_little_as_can_be() -> None:
    painting, content = soft(20, 20, 3), soft(20, 20, 4)
    found = colour.finish("luminance", painting, content)[0].numpy().reshape(3, -1)
    wanted, light = content[0].numpy().reshape(3, -1), painting[0].numpy().reshape(3, -1)
    for pixel in range(0, 400, 7):
        _, i, q = colorsys.rgb_to_yiq(*found[:, pixel])
        _, wanted_i, wanted_q = colorsys.rgb_to_yiq(*wanted[:, pixel])
        assert (i, q) == pytest.approx((wanted_i, wanted_q), abs=2e-3), "colorsys rounds YIQ to two digits"
        assert luma(found[:, pixel]) == pytest.approx(luma(light[:, pixel]))
    red, dark = solid(1, 0, 0).double(), solid(0.1, 0.1, 0.1).double()
    found = colour.finish("luminance", dark, red)[0, :, 0, 0].numpy()
    assert found == pytest.approx([0.1 / 0.299, 0, 0]), "as red as it can be at this light"


def test_oklab_keeps_hue_where_chroma_must_go() -> None:
    content = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]]).double()
    content = content.T[None, :, None]
    for light in (0.1, 0.5, 0.9):
        found = colour.finish("oklab", torch.full_like(content, light), content)
        before, after = colour.to_oklab(content), colour.to_oklab(found)
        hues = [torch.atan2(lab[:, 2], lab[:, 1]) for lab in (before, after)]
        torch.testing.assert_close(hues[1], hues[0], rtol=0, atol=2e-3)
        chroma = [lab[:, 1:].norm(dim=1) for lab in (before, after)]
        assert bool((chroma[1] <= chroma[0] + 1e-6).all()) and bool((chroma[1] > 0.01).all())
        edge = torch.minimum(found.amin(1), 1 - found.amax(1))
        assert bool(((edge < 2e-3) | ((chroma[0] - chroma[1]).abs() < 1e-6)).all()), "no more is lost than must be"


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((1, 1, 1), (1, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (0.627955, 0.224863, 0.125846)),
        ((0, 1, 0), (0.866440, -0.233888, 0.179498)),
        ((0, 0, 1), (0.452014, -0.032457, -0.311528)),
        ((0.5, 0.5, 0.5), (0.598181, 0, 0)),
    ],
)
def test_oklab_has_its_known_values(rgb: tuple[float, ...], lab: tuple[float, ...]) -> None:
    found = colour.to_oklab(torch.tensor(rgb, dtype=torch.float64).view(1, 3, 1, 1)).flatten()
    assert found.tolist() == pytest.approx(lab, abs=1e-6)


def test_oklab_and_srgb_are_there_and_back_the_same() -> None:
    steps = torch.linspace(0, 1, 18, dtype=torch.float64)
    cube = torch.cartesian_prod(steps, steps, steps).T[None, :, None]
    torch.testing.assert_close(colour.from_oklab(colour.to_oklab(cube)), cube, rtol=0, atol=1e-6)
    torch.testing.assert_close(colour.encoded(colour.linear(cube)), cube, rtol=0, atol=1e-6)
    short = cube.float()
    torch.testing.assert_close(colour.from_oklab(colour.to_oklab(short)), short, rtol=0, atol=5e-5)


def test_moments_of_a_large_picture_are_those_of_all_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rgb = rasters.resize(picture(16, 16), 40, 50)
    visible = rasters.coverage((picture(8, 8, 1) > 0.5).float(), 40, 50)
    whole = colour.moments(rgb, visible)
    monkeypatch.setattr(colour, "CHUNK", 300)
    parts = colour.moments(rgb, visible)
    torch.testing.assert_close(parts.mean, whole.mean)
    torch.testing.assert_close(parts.covariance, whole.covariance)
    np.testing.assert_allclose(whole.covariance.numpy(), statistics(rgb, visible)[1], rtol=0, atol=1e-12)
