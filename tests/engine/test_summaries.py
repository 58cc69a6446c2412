"""Nothing is looked at twice: summaries of pictures are found again, by all that they depend on and by nothing else."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from functools import cache

import pytest
import torch
from impasto_daemon.engine import stylize
from impasto_daemon.engine.canvas import Commission, Manner, View
from impasto_daemon.engine.features import VGG, Features
from impasto_daemon.engine.summaries import Summaries, Summary
from impasto_daemon.engine.tiles import Scale
from impasto_daemon.engine.wavelets import Wavelets
from torch import Tensor

from .networks import picture, random_vgg19
from .paintings import altered

LAYERS = ("conv1_1", "conv2_1")


@cache
def network(seed: int = 0) -> VGG:
    return VGG("vgg19", random_vgg19(3, seed))


class Watched:
    """Features that count how many pictures they look at."""

    def __init__(self, features: Features) -> None:
        self._features, self.looks = features, list[Tensor]()
        self.least, self.pixel_deviation = features.least, features.pixel_deviation

    @property
    def key(self) -> Hashable:
        return self._features.key

    def scales(self, rgb: Tensor, wanted: Collection[str]) -> Sequence[Scale]:
        self.looks.append(rgb)
        return self._features.scales(rgb, wanted)

    def unwrapped(self) -> Features:
        return self


def look(
    summaries: Summaries,
    features: Features | None = None,
    view: View | None = None,
    moments: Collection[str] = LAYERS,
    sizes: Collection[str] = (),
    tile: int = 0,
) -> Summary:
    return summaries.of(features or network(), view or View(picture(40, 48)), moments, sizes, tile)


def flat(summary: Summary) -> dict[str, Tensor]:
    found = {f"{name} size": size for name, size in summary.sizes.items()}
    for name, each in summary.moments.items():
        found |= {f"{name} mean": each.mean, f"{name} second": each.second}
    return found


def same(one: Summary, other: Summary) -> bool:
    """To the last bit."""
    ours, theirs = flat(one), flat(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_an_equal_picture_is_not_looked_at_again() -> None:
    summaries, features = Summaries(), Watched(network())
    first, again = (look(summaries, features, View(picture(40, 48).clone())) for _ in range(2))
    assert first is again and len(features.looks) == 1


def half(rgb: Tensor) -> Tensor:
    return torch.ones_like(rgb[:, :1]) / 2


def one_sample_more(rgb: Tensor) -> Tensor:
    """The smallest change that a sample can have."""
    found = rgb.clone()
    found[0, 2, -1, -1] = torch.nextafter(found[0, 2, -1, -1], found.new_tensor(2.0))
    return found


def with_threads(summaries: Summaries) -> Summary:
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        return look(summaries)
    finally:
        torch.set_num_threads(before)


def with_tf32(summaries: Summaries) -> Summary:
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = not before
    try:
        return look(summaries)
    finally:
        torch.backends.cudnn.allow_tf32 = before


CHANGES: Mapping[str, Callable[[Summaries], Summary]] = {
    "one sample": lambda at: look(at, view=View(one_sample_more(picture(40, 48)))),
    "the shape of the same samples": lambda at: look(at, view=View(picture(40, 48).reshape(1, 3, 48, 40))),
    "the samples' type": lambda at: look(
        at, VGG("vgg19", {n: w.double() for n, w in random_vgg19(3).items()}), View(picture(40, 48).double())
    ),
    "what counts": lambda at: look(at, view=View(picture(40, 48), half(picture(40, 48)))),
    "how much it counts": lambda at: look(at, view=View(picture(40, 48), half(picture(40, 48)) / 2)),
    "the layers": lambda at: look(at, moments=LAYERS[:1]),
    "what is wanted of a layer": lambda at: look(at, moments=LAYERS[:1], sizes=LAYERS[1:]),
    "the tiles": lambda at: look(at, tile=16),
    "the weights": lambda at: look(at, network(seed=1)),
    "the pooling": lambda at: look(at, network().with_options("average", "zero")),
    "the padding": lambda at: look(at, network().with_options("max", "replicate")),
    "the borders": lambda at: look(at, network().with_options("max", "zero", wrap=True)),
    "the precision": lambda at: look(at, network().in_precision(torch.bfloat16)),
    "PyTorch's threads": with_threads,
    "TF32": with_tf32,
    "the features": lambda at: look(at, Wavelets(), moments=("first1",)),
    "the wavelets' borders": lambda at: look(at, Wavelets(wrap=True), moments=("first1",)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_nothing_is_taken_for_something_else(name: str) -> None:
    """After everything else was looked at, each gets what it would get alone, to the last bit."""
    summaries = Summaries()
    look(summaries)
    for other, change in CHANGES.items():
        if other != name:
            change(summaries)
    before = summaries.count
    found = CHANGES[name](summaries)
    assert summaries.count == before + 1
    assert same(found, CHANGES[name](Summaries()))


def test_the_same_weights_in_the_same_ways_are_the_same_features() -> None:
    """Painters make a network's twin for every job."""
    summaries = Summaries()
    twins = [network().with_options("average", "replicate") for _ in range(2)]
    assert look(summaries, twins[0]) is look(summaries, twins[1])
    halves = [network().in_precision(torch.bfloat16).with_options("max", "zero") for _ in range(2)]
    assert look(summaries, halves[0]) is look(summaries, halves[1])
    assert look(summaries, Wavelets(), moments=["first1"]) is look(summaries, Wavelets(), moments=["first1"])


def test_those_used_last_are_kept_within_a_number_of_bytes() -> None:
    size = Summaries()
    look(size)
    summaries, features = Summaries(2 * size.nbytes), Watched(network())
    views = [View(picture(40, 48, seed=seed)) for seed in range(3)]
    for view in (views[0], views[1], views[0], views[2], views[0]):  # the second has to go
        look(summaries, features, view)
    assert len(features.looks) == 3 and summaries.nbytes == 2 * size.nbytes
    look(summaries, features, views[1])
    assert len(features.looks) == 4


def test_one_that_is_larger_than_all_may_be_is_made_and_not_kept() -> None:
    summaries = Summaries(100)
    assert same(look(summaries), look(Summaries())) and summaries.count == 0


def paint(features: Features, content: Tensor, manners: Sequence[Manner], summaries: Summaries | None) -> Tensor:
    recipe = altered("impasto", steps=2, style_layers="conv1_1,conv2_1", content_layers="conv1_2", coarsest=32)
    walk = stylize.paint(Commission(content, manners), features, recipe, summaries=summaries)
    while True:
        try:
            next(walk)
        except StopIteration as stop:
            found: Tensor = stop.value.picture
            return found


def test_a_second_painting_in_the_same_manner_looks_at_no_style_and_is_the_same_to_the_last_bit() -> None:
    summaries, features = Summaries(), Watched(network())
    manners = [Manner(picture(50, 44, seed=3)), Manner(picture(60, 70, 4, seed=4).clamp(min=0.1), 2.0)]
    for seed in (1, 2):
        content = picture(64, 72, seed=seed)
        features.looks.clear()
        with_them, without = (paint(features, content, manners, each) for each in (summaries, None))
        assert torch.equal(with_them, without)
    features.looks.clear()
    paint(features, picture(64, 72, seed=1), manners, summaries)
    evaluated = [rgb for rgb in features.looks if rgb.requires_grad]
    kept = [rgb for rgb in features.looks if not rgb.requires_grad]
    assert len(evaluated) == 2 * len(kept) > 0  # two steps at each size, and the content once


def test_a_style_that_is_as_small_as_it_gets_is_looked_at_once_for_several_sizes() -> None:
    features = Watched(network())
    style = picture(48, 48, seed=3)
    paint(features, picture(100, 100, seed=1), [Manner(style)], None)
    assert sum(torch.equal(rgb, style) for rgb in features.looks) == 1
