"""The facade: any size in and exactly that size out, alpha kept, strength and seeds as promised."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from impasto_daemon.engine import recipes, stylize
from impasto_daemon.engine.features import VGG, Features
from impasto_daemon.engine.rasters import fill_hidden
from impasto_daemon.engine.wavelets import Wavelets
from impasto_protocol.errors import Code, ImpastoError
from torch import Tensor

from .networks import picture, random_vgg19

QUICK = recipes.override(recipes.find("wavelets"), {"steps": "4,3"})
IMPASTO = recipes.override(recipes.find("impasto"), {"steps": "4,3"})


@pytest.fixture(scope="module")
def vgg19() -> VGG:
    return VGG("vgg19", random_vgg19(8)).with_options("average", "replicate")


def painted(
    content: Tensor,
    styles: Sequence[tuple[Tensor, float]],
    features: Features | None = None,
    recipe: recipes.Recipe = QUICK,
    **options: float,
) -> tuple[Tensor, list[stylize.Step]]:
    """The painting and all its steps."""
    walk, steps = stylize.paint(content, styles, features or Wavelets(), recipe, **options), []  # type: ignore[arg-type]
    while True:
        try:
            steps.append(next(walk))
        except StopIteration as stop:
            return stop.value, steps


SIZES = [(1, 1), (1, 90), (90, 1), (3, 2000), (2000, 3), (33, 47), (97, 64)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [3, 4])
def test_the_painting_has_exactly_the_content_s_size(size: tuple[int, int], channels: int) -> None:
    content = picture(size[0], size[1], channels, 1).clamp(min=0.05)
    found, steps = painted(content, [(picture(40, 50, seed=2), 1.0)], max_size=120)
    assert found.shape == content.shape
    assert found.min() >= 0 and found.max() <= 1 and bool(found.isfinite().all())
    assert [step.step for step in steps] == list(range(1, steps[0].steps + 1))
    if channels == 4:
        assert torch.equal(found[:, 3], content[:, 3])


@pytest.mark.parametrize("size", SIZES)
def test_vgg19_takes_any_size_of_content_and_style(size: tuple[int, int], vgg19: VGG) -> None:
    found, _ = painted(picture(size[0], size[1], 3, 1), [(picture(20, 30, seed=2), 1.0)], vgg19, IMPASTO, max_size=100)
    assert found.shape[-2:] == size and bool(found.isfinite().all())
    found, _ = painted(picture(40, 30, seed=1), [(picture(size[0], size[1], 3, 2), 1.0)], vgg19, IMPASTO)
    assert found.shape[-2:] == (40, 30) and bool(found.isfinite().all())


def test_the_sizes_go_from_coarse_to_fine_and_end_at_the_bound() -> None:
    recipe = recipes.override(recipes.find("impasto"), {"coarsest": 60, "steps": "5,4,3"})
    assert [(p.height, p.width, p.steps) for p in stylize.plan(300, 600, recipe, 512)] == [
        (64, 128, 5), (128, 256, 4), (256, 512, 3),
    ]  # fmt: skip
    assert [p.steps for p in stylize.plan(3000, 3000, recipe, 0)] == [5, 4, 3, 3, 3, 3]
    assert stylize.plan(3, 2000, recipe, 1000) == (stylize.Level(2, 1000, 5),)
    single = recipes.override(recipe, {"coarsest": 0})
    assert stylize.plan(300, 600, single, 0) == (stylize.Level(300, 600, 5),)


def test_strength_0_gives_back_the_content_itself() -> None:
    content = picture(20, 30, 4, seed=1)
    found, steps = painted(content, [(picture(9, 9), 1.0)], strength=0)
    assert found is content and not steps


def test_more_strength_means_less_content_and_100_none() -> None:
    factors = [stylize.content_factor(s) for s in (1, 25, 50, 75, 99, 100)]
    assert factors == sorted(factors, reverse=True)
    assert factors[2] == 1 and factors[-1] == 0
    content, style = picture(48, 48, seed=1), picture(48, 48, seed=2)
    recipe = recipes.override(recipes.find("wavelets"), {"steps": "25", "noise": 0})
    weak, _ = painted(content, [(style, 1.0)], recipe=recipe, strength=3)
    strong, _ = painted(content, [(style, 1.0)], recipe=recipe, strength=97)
    assert (weak - content).square().mean() < (strong - content).square().mean()
    _, steps = painted(content, [(style, 1.0)], recipe=recipe, strength=100)
    assert all(step.losses["content"] == 0 for step in steps)


def test_a_painting_is_nearer_to_its_style_than_the_content_was(vgg19: VGG) -> None:
    recipe = recipes.override(recipes.find("impasto"), {"steps": "30"})
    _, steps = painted(picture(48, 64, seed=1), [(picture(64, 64, seed=2), 1.0)], vgg19, recipe)
    assert steps[-1].losses["style"] < 0.2 * steps[0].losses["style"]


@pytest.mark.parametrize("recipe", ["wavelets", "impasto", "gatys"])
def test_the_same_request_twice_gives_the_same_pixels_and_another_seed_others(recipe: str) -> None:
    settings = {"steps": "4,3", "noise": 0.1}
    vgg19 = VGG("vgg19", random_vgg19(16)).with_options("average", "replicate")
    network = Wavelets() if recipe == "wavelets" else vgg19
    content, style = picture(50, 60, seed=1), picture(40, 40, seed=2)
    chosen = recipes.override(recipes.find(recipe), settings)
    first, _ = painted(content, [(style, 1.0)], network, chosen, seed=5)
    again, _ = painted(content, [(style, 1.0)], network, chosen, seed=5)
    other, _ = painted(content, [(style, 1.0)], network, chosen, seed=6)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_several_styles_are_mixed_by_weight() -> None:
    content, one, two = picture(40, 40, seed=1), picture(40, 40, seed=2), picture(30, 50, seed=3)
    alone, _ = painted(content, [(one, 1.0)])
    with_nothing, _ = painted(content, [(one, 7.0), (two, 0.0)])
    mixed, _ = painted(content, [(one, 1.0), (two, 1.0)])
    assert torch.equal(alone, with_nothing)
    assert not torch.equal(alone, mixed)


@pytest.mark.parametrize("weights", [[0.0, 0.0], [-1.0, 2.0], [float("nan"), 1.0], [float("inf"), 1.0]])
def test_weights_that_are_none_are_refused(weights: list[float]) -> None:
    with pytest.raises(ImpastoError, match="weights of the styles") as caught:
        painted(picture(9, 9), [(picture(9, 9), weight) for weight in weights])
    assert caught.value.code is Code.BAD_REQUEST


def test_what_alpha_hides_does_not_bleed_into_the_painting() -> None:
    """Two contents that differ only where nothing can be seen give the same painting where something can."""
    content = picture(40, 40, 4, seed=1)
    content[:, 3] = 1
    content[:, 3, 10:25, 5:30] = 0
    red = content.clone()
    red[:, :3, 10:25, 5:30] = torch.tensor([1.0, 0, 0]).view(3, 1, 1)
    style = [(picture(30, 30, seed=2), 1.0)]
    assert torch.equal(painted(content, style)[0], painted(red, style)[0])


def test_hidden_pixels_take_the_colour_of_their_surroundings() -> None:
    content = torch.cat([torch.full((1, 3, 31, 45), 0.7), torch.ones(1, 1, 31, 45)], 1)
    content[:, :3, 5:25, 5:40] = 0
    content[:, 3, 5:25, 5:40] = 0
    torch.testing.assert_close(fill_hidden(content), torch.full((1, 3, 31, 45), 0.7))
    alone = torch.zeros(1, 4, 9, 9)
    alone[:, :, 4, 4] = torch.tensor([0.2, 0.4, 0.6, 1.0])
    expected = torch.tensor([0.2, 0.4, 0.6]).view(1, 3, 1, 1).expand(1, 3, 9, 9)
    torch.testing.assert_close(fill_hidden(alone), expected)


def test_a_fully_transparent_picture_is_refused_with_a_sentence() -> None:
    empty = torch.zeros(1, 4, 8, 8)
    with pytest.raises(ImpastoError, match="The layer is fully transparent") as caught:
        painted(empty, [(picture(8, 8), 1.0)])
    assert caught.value.code is Code.BAD_REQUEST
    with pytest.raises(ImpastoError, match="A style picture is fully transparent"):
        painted(picture(8, 8), [(empty, 1.0)])


def test_a_missing_layer_is_told_before_the_first_step(vgg19: VGG) -> None:
    recipe = recipes.override(recipes.find("gatys"), {"steps": "3"})
    with pytest.raises(ImpastoError) as caught:
        next(stylize.paint(picture(32, 32), [(picture(32, 32), 1.0)], vgg19, recipe))
    assert caught.value.code is Code.MISSING_LAYER


def test_a_step_shows_the_picture_at_its_size_within_the_range() -> None:
    recipe = recipes.override(recipes.find("wavelets"), {"steps": "3", "coarsest": 20})
    _, steps = painted(picture(40, 50, seed=1), [(picture(40, 40, seed=2), 1.0)], recipe=recipe)
    assert [tuple(step.picture().shape) for step in steps] == [(1, 3, 20, 25)] * 3 + [(1, 3, 40, 50)] * 3
    assert all(step.picture().min() >= 0 and step.picture().max() <= 1 for step in steps)


@pytest.mark.parametrize("size", [(3, 2000), (2000, 3)])
def test_the_thinnest_contents_are_painted_at_their_own_size(size: tuple[int, int]) -> None:
    recipe = recipes.override(QUICK, {"steps": "2"})
    found, _ = painted(picture(*size, seed=1), [(picture(40, 50, seed=2), 1.0)], recipe=recipe)
    assert found.shape[-2:] == size and bool(found.isfinite().all())


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
    walk = stylize.paint(
        picture(300, 200), [(picture(250, 400, seed=2), 1.0)], Wavelets(), QUICK, max_size=60, device="a GPU"
    )
    assert len(list(walk)) == 4
    assert moved and all(height <= 64 and width <= 80 for *_, height, width in moved)
