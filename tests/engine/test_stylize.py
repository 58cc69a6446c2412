"""The facade: any size in and exactly that size out, alpha kept, strength, seeds and resumption as promised."""

from __future__ import annotations

import io
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
from impasto_daemon.engine import levels, recipes, stylize
from impasto_daemon.engine.canvas import Commission, Manner
from impasto_daemon.engine.features import VGG
from impasto_daemon.engine.optimise import State
from impasto_daemon.engine.rasters import resize
from impasto_daemon.engine.recipe import Recipe
from impasto_daemon.engine.wavelets import Wavelets
from impasto_daemon.generators import Returning
from impasto_protocol.errors import Code, ImpastoError
from torch import Tensor

from .networks import SmallNetwork, picture, random_vgg19
from .paintings import PLAIN, QUICK, altered, halves, opaque, painted, result
from .watching import Watch

IMPASTO = altered("impasto", steps="3,2")


@pytest.fixture(scope="module")
def vgg19() -> VGG:
    return VGG("vgg19", random_vgg19(8)).with_options("average", "replicate")


# Sizes ------------------------------------------------------------------------------------------------------

SIZES = [(1, 1), (1, 90), (90, 1), (3, 2000), (33, 47)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [3, 4])
def test_the_painting_has_exactly_the_content_s_size_and_alpha(size: tuple[int, int], channels: int) -> None:
    content = picture(size[0], size[1], channels, 1).clamp(min=0.05)
    painting, steps = painted(content, picture(40, 50, seed=2), max_size=120)
    found = painting.picture
    assert found.shape == content.shape
    assert found.min() >= 0 and found.max() <= 1 and bool(found.isfinite().all())
    assert [step.step for step in steps] == list(range(1, steps[0].steps + 1))
    assert torch.equal(found[:, 3:], content[:, 3:])


@pytest.mark.parametrize("size", SIZES)
def test_vgg19_takes_any_size_of_content_and_style(size: tuple[int, int], vgg19: VGG) -> None:
    found = painted(picture(size[0], size[1], seed=1), picture(20, 30, seed=2), IMPASTO, vgg19, max_size=60)[0].picture
    assert found.shape[-2:] == size and bool(found.isfinite().all())
    found = painted(picture(40, 30, seed=1), picture(size[0], size[1], seed=2), IMPASTO, vgg19)[0].picture
    assert found.shape[-2:] == (40, 30) and bool(found.isfinite().all())


def test_the_sizes_go_from_coarse_to_fine_and_end_at_the_bound() -> None:
    recipe = altered("impasto", coarsest=60, factor=2, steps="5,4,3")
    assert [(p.height, p.width, p.steps) for p in levels.levels(300, 600, recipe, 512)] == [
        (64, 128, 5), (128, 256, 4), (256, 512, 3),
    ]  # fmt: skip
    assert [p.steps for p in levels.levels(3000, 3000, recipe, 0)] == [5, 4, 3, 3, 3, 3]
    assert levels.levels(3, 2000, recipe, 1000) == (levels.Level(2, 1000, 5),)
    assert levels.levels(300, 600, altered("impasto", coarsest=0, steps=5)) == (levels.Level(300, 600, 5),)
    assert [(p.height, p.steps) for p in levels.levels(900, 900, altered("gatys-hires"))] == [(576, 500), (900, 200)]


def test_what_the_optimiser_remembers_of_a_coarser_size_is_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    def most(sizes: int) -> int:
        recipe = altered("impasto", steps=15, levels=sizes, coarsest=8, factor=1.1)
        commission = Commission(picture(96, 96, seed=1), [Manner(picture(32, 32, seed=2))])
        with (watch := Watch(monkeypatch)):
            for _ in stylize.paint(commission, SmallNetwork(torch.float32), recipe):
                pass
        return watch.most

    assert most(2) < 1.05 * most(1)


def test_a_size_that_has_settled_ends_before_its_steps_are_done() -> None:
    recipe = altered("wavelets", coarsest=20, factor=2, steps=30, settle=1)  # no loss falls by more than all of it
    _, steps = painted(picture(40, 44, seed=1), picture(40, 40, seed=2), recipe)
    assert [step.step for step in steps] == list(range(1, 43))  # 21 at each size
    assert steps[-1].steps in (42, 51) and steps[-1].done <= 1


@pytest.mark.parametrize("wanted", [2, 5, 7], ids=["at a coarse size", "in mid-size", "at the last step"])
def test_a_painting_that_is_enough_ends_with_the_picture_that_was_shown(wanted: int) -> None:
    content, recipe = picture(40, 44, 4, seed=1), altered("wavelets", coarsest=20, factor=2, steps="3,4")
    walk = Returning(stylize.paint(Commission(content, [Manner(picture(40, 40, seed=2))]), Wavelets(), recipe))
    for step in walk:
        shown = step.picture().clone()
        if step.step == wanted:
            step.enough()
    found = walk.value
    assert step.step == wanted and found.stopped and found.state is None
    assert found.picture.shape == content.shape and torch.equal(found.picture[:, 3:], content[:, 3:])
    torch.testing.assert_close(found.picture[:, :3], resize(shown, 40, 44))


def test_a_painting_that_was_painted_to_its_end_was_not_stopped() -> None:
    assert not painted(picture(40, 44, seed=1), picture(40, 40, seed=2))[0].stopped


def test_no_size_is_so_small_that_a_style_asked_for_in_pixels_falls_below_the_coarsest() -> None:
    recipe = altered("impasto", coarsest=60, factor=2, style_size=130)
    assert [p.height for p in levels.levels(1000, 1000, recipe)] == [500, 1000]
    assert [p.height for p in levels.levels(1000, 1000, replace(recipe, style_size=5000.0))] == [
        62,
        125,
        250,
        500,
        1000,
    ]


def test_the_thinnest_contents_are_painted_at_their_own_size() -> None:
    _, steps = painted(picture(2000, 3, seed=1), picture(40, 50, seed=2), altered("wavelets", steps=1))
    assert steps[-1].picture().shape == (1, 3, 2000, 3)


@pytest.mark.parametrize("kind", ["style", "luminance", "oklab", "cholesky", "pca"])
@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (1, 500)])
def test_the_smallest_and_thinnest_layers_take_every_option_at_once(size: tuple[int, int], kind: str) -> None:
    content = picture(size[0], size[1], 4, seed=1).clamp(min=0.05)
    mask = torch.full((1, 1, *size), 0.9)
    mask[..., : size[1] // 2] = 0.3
    recipe = altered("wavelets", steps=1, seamless=True, colour=kind, style_size=40)
    manners = [Manner(picture(40, 50, seed=2), 1.0, mask), Manner(picture(3, 40, 4, seed=3), 2.0)]
    painting, _ = painted(content, manners, recipe, content_mask=mask, max_size=400)
    assert painting.picture.shape == content.shape and bool(painting.picture.isfinite().all())
    assert torch.equal(painting.picture[:, 3], content[:, 3])


# Strength ---------------------------------------------------------------------------------------------------


def test_strength_0_gives_back_the_content_itself_whatever_the_masks() -> None:
    content = picture(20, 30, 4, seed=1)
    black = torch.zeros(1, 1, 20, 30)
    painting, steps = painted(content, [Manner(picture(9, 9), 1.0, black)], strength=0, content_mask=black)
    assert painting.picture is content and painting.state is None and not steps


def test_more_strength_means_less_content_and_100_none() -> None:
    content, style = picture(48, 48, seed=1), picture(48, 48, seed=2)
    recipe = altered("wavelets", steps=20, noise=0)
    away = [float((result(content, style, recipe, strength=s) - content).square().mean()) for s in (3, 50, 97)]
    assert away[0] < away[1] < away[2]
    _, steps = painted(content, style, QUICK, strength=100)
    assert all(step.losses["content"] == 0 for step in steps)


def test_strength_means_the_same_at_any_size() -> None:
    """A picture painted at twice the size is about as near to its content; other strengths are far from that."""
    recipe = recipes.override(PLAIN, {"steps": "30,20,8", "coarsest": 24})
    large = (picture(96, 96, seed=1) + 0.6 * (picture(96, 96, seed=5).roll(17, 3) - 0.5)).clamp(0, 1)
    noise = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(2))
    style = noise.repeat_interleave(4, 2).repeat_interleave(4, 3)
    small, small_style = (torch.nn.functional.avg_pool2d(rgb, 2) for rgb in (large, style))

    def likeness(content: Tensor, manner: Tensor, strength: float) -> float:
        found = torch.nn.functional.adaptive_avg_pool2d(result(content, manner, recipe, strength=strength), 48)
        pair = torch.stack([found.mean(1).flatten(), small.mean(1).flatten()])
        return float(torch.corrcoef(pair)[0, 1])

    at_48, at_96 = (
        [likeness(*pair, strength) for strength in (20, 80)] for pair in ((small, small_style), (large, style))
    )
    assert at_48 == pytest.approx(at_96, abs=0.1)
    assert at_48[0] - at_48[1] > 0.2 < at_96[0] - at_96[1]


def test_a_painting_is_nearer_to_its_style_than_the_content_was(vgg19: VGG) -> None:
    _, steps = painted(picture(40, 48, seed=1), picture(48, 48, seed=2), altered("impasto", steps=20), vgg19)
    assert steps[-1].losses["style"] < 0.3 * steps[0].losses["style"]


# Sameness ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(recipes.RECIPES))
def test_the_same_request_twice_gives_the_same_pixels_and_another_seed_others(name: str) -> None:
    recipe = altered(name, steps="2,2", noise=0.1)
    features = Wavelets() if recipe.features == "wavelets" else SmallNetwork(torch.float32)
    content, style = picture(50, 60, seed=1), picture(40, 40, seed=2)
    first, again, other = (painted(content, style, recipe, features, seed=seed)[0].picture for seed in (5, 5, 6))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_float_pixels_are_not_rounded_on_the_way() -> None:
    content = picture(48, 48, seed=1)
    found = result(content, picture(40, 40, seed=2))
    assert len(set(found[0, 0].flatten().tolist())) > 2000  # of 2304 pixels; 8 bits have 256 values
    mask = halves(48, 48)
    assert torch.equal(result(content, picture(40, 40, seed=2), content_mask=mask)[..., 24:], content[..., 24:])


# Steps ------------------------------------------------------------------------------------------------------


def test_a_missing_layer_is_told_before_the_first_step(vgg19: VGG) -> None:
    commission = Commission(picture(32, 32), [Manner(picture(32, 32))])
    with pytest.raises(ImpastoError) as caught:
        next(stylize.paint(commission, vgg19, altered("gatys", steps=3)))
    assert caught.value.code is Code.MISSING_LAYER


def test_a_step_shows_the_picture_at_its_size_within_the_range() -> None:
    _, steps = painted(picture(40, 50, seed=1), picture(40, 40, seed=2), altered("wavelets", steps=3, coarsest=20))
    assert [tuple(step.picture().shape) for step in steps] == [(1, 3, 20, 25)] * 3 + [(1, 3, 40, 50)] * 3
    assert all(step.picture().min() >= 0 and step.picture().max() <= 1 for step in steps)
    done = [step.done for step in steps]
    assert done == sorted(done) and done[-1] == 1


def test_nothing_larger_than_max_size_goes_to_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that no device has stands for the GPU; what is sent there is noted, and stays."""
    moved: list[tuple[int, ...]] = []
    honest = Tensor.to

    def to(self: Tensor, *where: object, **how: object) -> Tensor:
        if where == ("a GPU",):
            moved.append(tuple(self.shape))
            where = ("cpu",)
        return honest(self, *where, **how)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(Tensor, "to", to)
    content, mask = opaque(picture(300, 200)), halves(300, 200)
    content[:, 3, :9] = 0.5
    manners = [Manner(opaque(picture(250, 400, seed=2)), 1.0, mask), Manner(picture(90, 300, seed=3))]
    commission = Commission(content, manners, max_size=60, content_mask=1 - mask / 2)
    assert len(list(stylize.paint(commission, Wavelets(), QUICK, device="a GPU"))) == 4
    assert moved and all(height <= 64 and width <= 110 for *_, height, width in moved)


# Resuming ---------------------------------------------------------------------------------------------------


def reloaded(state: State | None) -> State:
    """Through a file, as another process would have it."""
    file = io.BytesIO()
    assert state is not None
    torch.save(asdict(state), file)
    file.seek(0)
    return State(**torch.load(file, weights_only=True))


RESUMABLE = {
    "bounded L-BFGS on a pyramid": altered("wavelets", coarsest=16),
    "L-BFGS at one size": altered("wavelets", optimiser="lbfgs", coarsest=0, unit=255),
    "Adam, clamped and averaged": altered("wasserstein", coarsest=16, factor=2),
    "Adam in grey levels": altered("peixeiro"),
    "a tile with the content's chroma": altered("wavelets", seamless=True, colour="luminance", coarsest=16),
    "OKLab, style in pixels": altered("wavelets", colour="oklab", style_size=60, coarsest=16),
}


@pytest.mark.parametrize("name", list(RESUMABLE))
@pytest.mark.parametrize("bound", [0, 47])
def test_going_on_is_as_if_it_had_not_stopped(name: str, bound: int) -> None:
    def steps(last: int) -> Recipe:
        return recipes.override(
            RESUMABLE[name], {"steps": f"3,{last}" if RESUMABLE[name].coarsest else last, "levels": 2}
        )

    content = picture(70, 66, 4, seed=1).clamp(min=0.1)
    soft = torch.linspace(0, 1, 66).expand(1, 1, 70, 66)
    manners = [Manner(picture(50, 40, seed=2), 1.0, soft), Manner(opaque(picture(44, 60, seed=3)), 2.0)]
    features = SmallNetwork(torch.float32) if RESUMABLE[name].features != "wavelets" else Wavelets()
    wishes: dict[str, Any] = {"content_mask": 1 - soft / 2, "max_size": bound, "seed": 4}
    in_one_go, whole = painted(content, manners, steps(9), features, **wishes)
    broken_off, _ = painted(content, manners, steps(5), features, **wishes)
    gone_on, rest = painted(content, manners, steps(4), features, resume=reloaded(broken_off.state), **wishes)
    assert [step.losses for step in rest] == [step.losses for step in whole[-4:]]
    assert torch.equal(gone_on.picture, in_one_go.picture)
    assert not torch.equal(gone_on.picture, broken_off.picture)


@pytest.mark.parametrize("optimiser", ["bounded-lbfgs", "adam"])
def test_one_state_can_be_gone_on_from_twice(optimiser: str) -> None:
    content, style = picture(33, 40, seed=1), picture(40, 40, seed=2)
    recipe = altered("wavelets", optimiser=optimiser, learning_rate=0.05, steps=5)
    state = painted(content, style, recipe)[0].state
    one, other = (painted(content, style, recipe, resume=state)[0].picture for _ in range(2))
    assert torch.equal(one, other)


def test_a_changed_recipe_goes_on_from_the_picture_at_the_last_size() -> None:
    content, style = picture(64, 80, seed=1), picture(40, 40, seed=2)
    before = result(content, style, altered("wavelets", steps="6,6", coarsest=32))
    changed = altered("wavelets", steps="6,4", coarsest=32, content_weight=0.02)
    painting, steps = painted(content, style, changed, before=before)
    assert len(steps) == 4
    torch.testing.assert_close(steps[0].picture(), before)
    assert steps[-1].losses["total"] < steps[0].losses["total"]
    again, _ = painted(content, style, changed, before=before[..., ::2, ::2])  # one of another size is resized
    assert again.picture.shape == painting.picture.shape
