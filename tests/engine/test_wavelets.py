"""Wavelets: a steerable pyramid that is one, and activations that mean what they say. They need no weights."""

from __future__ import annotations

import math

import pytest
import torch
from impasto_daemon.engine import wavelets
from impasto_daemon.engine.wavelets import Wavelets
from impasto_protocol.errors import Code, ImpastoError
from torch import Tensor

from .networks import picture


def pairs(orientations: int = wavelets.ORIENTATIONS) -> Tensor:
    """(orientations, even and odd, SIZE, SIZE)."""
    return wavelets.steerable_bank(orientations).reshape(orientations, 2, wavelets.SIZE, wavelets.SIZE)


def test_the_filters_have_unit_norm_and_are_blind_to_constant_light() -> None:
    bank = wavelets.steerable_bank(wavelets.ORIENTATIONS).flatten(1)
    assert bank.shape == (2 * wavelets.ORIENTATIONS, wavelets.SIZE**2) and bank.dtype == torch.float64
    torch.testing.assert_close(bank.norm(dim=1), torch.ones(len(bank), dtype=torch.float64))
    torch.testing.assert_close(bank.sum(1), torch.zeros(len(bank), dtype=torch.float64))


def test_even_and_odd_are_symmetric_about_the_middle_and_orthogonal() -> None:
    even, odd = pairs().unbind(1)
    torch.testing.assert_close(even, even.flip(1, 2))
    torch.testing.assert_close(odd, -odd.flip(1, 2))
    torch.testing.assert_close((even * odd).sum((1, 2)), torch.zeros(len(even), dtype=torch.float64))


def test_the_filters_are_the_gabors_but_for_a_tenth() -> None:
    for k, pair in enumerate(pairs()):
        gabors = wavelets.gabor(math.pi * k / wavelets.ORIENTATIONS)
        gabors = gabors / gabors.flatten(1).norm(dim=1)[:, None, None]
        assert bool(((pair - gabors).flatten(1).norm(dim=1) < 0.1).all())


def test_a_pair_at_any_angle_is_a_weighted_sum_of_the_six() -> None:
    ours, between = (pairs(count * wavelets.ORIENTATIONS).flatten(2) for count in (1, 3))
    steered = turned(math.pi / 7)
    for kind in (0, 1):
        assert off_by(ours[:, kind], steered[kind]) < 1e-10
        assert off_by(ours[:, kind], between[1, kind]) > 1e-4  # higher angular orders are not steered


def turned(angle: float) -> Tensor:
    """Even and odd filter at an angle, by the definition in polar coordinates: angular orders of 49 Gabors by a sum
    over Fourier terms, those below six kept."""
    turns = [2 * math.pi * j / 49 for j in range(49)]
    gabors = torch.stack([wavelets.gabor(turn) for turn in turns]).to(torch.complex128)  # order m at each pixel
    kept = []
    for kind in (0, 1):
        total = torch.zeros(wavelets.SIZE, wavelets.SIZE, dtype=torch.complex128)
        for m in (-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5):
            phases = torch.tensor([complex(math.cos(m * t), -math.sin(m * t)) for t in turns], dtype=torch.complex128)
            order = torch.tensordot(phases, gabors[:, kind], 1) / 49
            total = total + order * complex(math.cos(m * angle), math.sin(m * angle))
        kept.append(total.real.flatten())
    return torch.stack(kept)


def off_by(basis: Tensor, vector: Tensor) -> float:
    """The share of a vector (n,) that rows (k, n) cannot make up."""
    made = basis.T @ (torch.linalg.pinv(basis.T, rcond=1e-8) @ vector)
    return float((vector - made).norm() / vector.norm())


def test_together_the_levels_cover_the_plane_of_frequencies_evenly_in_all_directions() -> None:
    powers = torch.tensor([[power_at(f, math.pi * k / 24) for k in range(13)] for f in (0.02, 0.04, 0.1, 0.17, 0.28)])
    mean = powers.mean()
    assert bool(((powers - mean).abs() < 0.2 * mean).all())
    assert bool((powers.amax(1) < 1.01 * powers.amin(1)).all())


def power_at(frequency: float, angle: float) -> float:
    """What all filters of all levels make of a wave: Σ over levels of |blurs before|²·Σ|filter|², transformed."""
    bank = wavelets.steerable_bank(wavelets.ORIENTATIONS)[:, 0]
    grid = torch.arange(wavelets.SIZE, dtype=torch.float64) - wavelets.SIZE // 2
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    total, blurred = 0.0, 1.0
    for level in range(wavelets.LEVELS):
        u, v = frequency * math.cos(angle) * 2**level, frequency * math.sin(angle) * 2**level
        seen = (bank * torch.exp(-2j * math.pi * (u * x + v * y))).sum((1, 2)).abs().square().sum()
        total += blurred * float(seen)
        blurred *= (math.cos(math.pi * u) * math.cos(math.pi * v)) ** 8  # (1, 4, 6, 4, 1)/16 is cos⁴
    return total


def test_each_orientation_answers_most_to_its_own_gratings() -> None:
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    for k in range(wavelets.ORIENTATIONS):
        turn = torch.tensor(torch.pi * k / wavelets.ORIENTATIONS)
        wave = 0.5 + 0.4 * torch.sin(torch.pi / 2 * (x * turn.cos() + y * turn.sin()))
        shape = Wavelets()(wave.expand(1, 3, 48, 48), ["shape1"])["shape1"]
        power = shape[..., 16:32, 16:32].square().mean((0, 2, 3)).view(3, wavelets.ORIENTATIONS, 2).sum((0, 2))
        assert int(power.argmax()) == k


def test_wavelets_give_only_the_wanted_layers_at_halving_sizes() -> None:
    gabors = 2 * wavelets.ORIENTATIONS
    found = Wavelets()(picture(64, 48), ["first1", "first2", "second2", "shape3", "light4"])
    assert set(found) == {"first1", "first2", "second2", "shape3", "light4"}
    beside = 4 + wavelets.SHADES**3
    assert found["first1"].shape == (1, 2 * 3 * gabors + beside + 2, 64, 48)
    assert found["first2"].shape == (1, 2 * 3 * gabors + beside + 3 * wavelets.ORIENTATIONS, 32, 24)
    assert found["second2"].shape == (1, 2 * wavelets.ORIENTATIONS * gabors + 3 * wavelets.ORIENTATIONS + 4, 16, 12)
    assert found["shape3"].shape == (1, 3 * gabors, 16, 12)
    assert found["light4"].shape == (1, 1, 8, 6)


def test_a_layer_is_the_same_whatever_else_is_wanted() -> None:
    rgb = picture(40, 48)
    everything = Wavelets()(rgb, wavelets.LAYERS)
    for name in ("first2", "second1", "shape3", "light5"):
        assert torch.equal(Wavelets()(rgb, [name])[name], everything[name])


def test_the_palette_shares_each_colour_among_its_nearest_bins() -> None:
    shares = wavelets.palette(picture(9, 7)) - wavelets.RARE
    assert shares.shape == (1, wavelets.SHADES**3, 9, 7) and bool((shares > -1e-6).all())
    torch.testing.assert_close(shares.sum(1), torch.ones(1, 9, 7))
    assert bool(((shares > 1e-6).sum(1) <= 8).all())
    lattice = torch.tensor([0.0, 0.5, 1.0])
    colours = torch.cartesian_prod(lattice, lattice, lattice).T[None, :, None]  # (1, 3, 1, 27)
    torch.testing.assert_close((wavelets.palette(colours) - wavelets.RARE)[0, :, 0], torch.eye(27))


def test_shape_counts_edges_in_full_and_faint_strokes_hardly() -> None:
    step = torch.cat([torch.zeros(1, 3, 32, 16), torch.ones(1, 3, 32, 16)], 3)
    strong, faint = (Wavelets()(contrast * step, ["shape1"])["shape1"].norm() for contrast in (1.0, 0.02))
    assert faint < 0.25 * 0.02 * strong


def test_light_is_what_is_lighter_and_darker_not_how_light_it_all_is() -> None:
    rgb = picture(32, 32) / 2
    one, other = (Wavelets()(rgb + lift, ["light2"])["light2"] for lift in (0.0, 0.3))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@pytest.mark.parametrize("height", [48, 45, 33])
@pytest.mark.parametrize("wrap", [False, True])
def test_sides_are_halved_upwards_whatever_they_are(height: int, wrap: bool) -> None:
    found = Wavelets(wrap=wrap)(picture(height, 39), wavelets.LAYERS)
    side = height
    for level in range(1, wavelets.LEVELS + 1):
        assert found[f"first{level}"].shape[2] == found[f"shape{level}"].shape[2] == side
        side = math.ceil(side / 2)
        assert found[f"second{level}"].shape[2] == side


def test_a_wrapping_pyramid_sees_a_shifted_tile_as_the_same_tile_shifted() -> None:
    features, rgb = Wavelets(dtype=torch.float64).with_options(wrap=True), picture(48, 32).double()
    wanted = ["first1", "second1", "shape2", "light3", "second3"]
    still, moved = features(rgb, wanted), features(rgb.roll((16, 8), (2, 3)), wanted)
    for name, steps in zip(wanted, ((16, 8), (8, 4), (8, 4), (4, 2), (2, 1))):
        torch.testing.assert_close(moved[name], still[name].roll(steps, (2, 3)))


def test_around_a_tile_of_odd_sides_a_wave_stays_a_wave() -> None:
    y, x = torch.meshgrid(torch.arange(45.0), torch.arange(37.0), indexing="ij")
    wave = 0.5 + 0.3 * torch.sin(2 * math.pi * (y * 2 / 45 + x / 37))  # goes on at the other end
    tile = wave.double().expand(1, 3, 45, 37)

    def strayed(wrap: bool) -> float:
        power = torch.fft.rfft2(Wavelets(dtype=torch.float64, wrap=wrap)(tile, ["light3"])["light3"][0, 0]).abs() ** 2
        return 1 - float(power[2, 1] / power.sum())

    assert strayed(wrap=True) < 0.005 < 0.05 < strayed(wrap=False)


def test_wrapping_leaves_the_plain_pyramid_as_it_was() -> None:
    features, rgb = Wavelets(), picture(33, 34)
    before = features(rgb, ["first2"])["first2"]
    features.with_options(wrap=True)
    assert torch.equal(features(rgb, ["first2"])["first2"], before)
    assert torch.equal(features.with_options(wrap=True).with_options()(rgb, ["first2"])["first2"], before)


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("flat", [False, True])
def test_every_layer_has_a_finite_slope_even_where_there_is_nothing_to_see(wrap: bool, flat: bool) -> None:
    rgb = torch.full((1, 3, 33, 32), 0.5) if flat else picture(33, 32)
    rgb.requires_grad_()
    for name, layer in Wavelets(wrap=wrap)(rgb, wavelets.LAYERS).items():
        (slope,) = torch.autograd.grad(layer.square().sum(), rgb, retain_graph=True)
        assert bool(slope.isfinite().all()), name


def test_the_slope_is_that_of_differences() -> None:
    features, rgb = Wavelets(dtype=torch.float64), picture(32, 32).double()
    wanted, step = ["shape1", "light2", "second1"], 1e-6
    rgb.requires_grad_()
    sum(layer.pow(3).mean() for layer in features(rgb, wanted).values()).backward()  # type: ignore[union-attr]
    assert rgb.grad is not None
    for place in ((0, 0, 0, 0), (0, 1, 15, 17), (0, 2, 31, 3)):
        ends = []
        for sign in (1, -1):
            moved = rgb.detach().clone()
            moved[place] += sign * step
            ends.append(sum(float(layer.pow(3).mean()) for layer in features(moved, wanted).values()))
        assert (ends[0] - ends[1]) / (2 * step) == pytest.approx(float(rgb.grad[place]), rel=1e-4, abs=1e-12)


def test_the_layers_have_the_picture_s_precision() -> None:
    rgb = picture(40, 35)
    exact = Wavelets(dtype=torch.float64)(rgb.double(), wavelets.LAYERS)
    for name, layer in Wavelets()(rgb, wavelets.LAYERS).items():
        assert layer.dtype is torch.float32 and exact[name].dtype is torch.float64
        torch.testing.assert_close(layer.double(), exact[name], rtol=0, atol=1e-5)


def test_a_layer_that_wavelets_lack_gets_the_nearest_name() -> None:
    for name in ("first9", "conv1_1", "second"):
        with pytest.raises(ImpastoError) as caught:
            Wavelets().check(["first1", name])
        assert caught.value.code is Code.BAD_REQUEST and caught.value.problem.details["nearest"] in wavelets.LAYERS
    Wavelets().check(wavelets.LAYERS)
