"""Plans: reckoned before the start, each leaner than the one before, and the first that fits is taken."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from impasto_daemon.engine import plan as plans_room
from impasto_daemon.engine import recipes
from impasto_daemon.engine.levels import levels
from impasto_daemon.engine.plan import Means, Plan, Task, fits, fitting, largest, plans
from impasto_protocol.errors import Code, ImpastoError

CPU = Means("cpu", 16 * 10**9, 16 * 10**9, 1e11, 5e11)
IMPASTO = recipes.find("impasto")
PROCESS = 0.8e9
"""Bytes that a worker has with its network loaded: plans come on top. Measured."""


def task(width: int, height: int, **more: Any) -> Task:
    return Task(height, width, **{"styles": [(1000, 1000)], **more})


def of(width: int, height: int, recipe: str = "impasto", means: Means = CPU, **more: Any) -> tuple[Plan, ...]:
    return plans(task(width, height, **more), recipes.find(recipe), means)


@pytest.mark.parametrize("recipe", list(recipes.RECIPES))
@pytest.mark.parametrize("size", [(1, 1), (640, 480), (4000, 3000)])
def test_the_first_way_is_in_one_piece_and_each_takes_less_than_the_one_before(
    size: tuple[int, int], recipe: str
) -> None:
    found = of(*size, recipe)
    assert found[0].tile == 0 and found[0].tiles == 1
    sizes = [plan.bytes for plan in found]
    assert sizes == sorted(set(sizes), reverse=True)
    assert all(plan.seconds is not None and plan.seconds > 0 for plan in found)


def test_the_first_that_fits_is_taken_and_the_leaner_ones_stand_by() -> None:
    found = of(4000, 3000)
    for number, plan in enumerate(found):
        free = replace(CPU, memory=int(plan.bytes / plans_room.SPARE) + 1)
        assert fitting(task(4000, 3000), IMPASTO, free) == found[number:]


def test_where_nobody_knows_the_memory_everything_fits_and_where_there_is_none_nothing_does() -> None:
    first = of(4000, 3000)[0]
    assert fits(first, replace(CPU, memory=None))
    assert not fits(first, replace(CPU, memory=0))


@pytest.mark.parametrize("gigabytes", [2, 2.5, 3])
def test_where_nothing_fits_the_sentence_has_the_numbers_and_the_largest_size_that_fits(gigabytes: float) -> None:
    little = replace(CPU, memory=int(gigabytes * 1e9))
    with pytest.raises(
        ImpastoError, match=r"takes 6\.\d GB, and cpu has \d\.\d GB free\. Choose a max-size of \d+,"
    ) as no:
        fitting(task(6000, 4000), IMPASTO, little)
    size = no.value.problem.details["max_size"]
    assert no.value.code is Code.OUT_OF_MEMORY and isinstance(size, int)
    assert fits(of(6000, 4000, means=little, max_size=size)[-1], little)
    advised = replace(little, memory=int((little.memory or 0) * plans_room.ADVISED / plans_room.SPARE))
    larger = of(6000, 4000, means=little, max_size=size + plans_room.GRAIN)[-1]
    assert fits(larger, little) and not fits(larger, advised), "there is something to spare, and no more than that"


def test_where_no_size_fits_none_is_advised() -> None:
    nothing = replace(CPU, memory=10**8)
    assert largest(task(6000, 4000), IMPASTO, nothing) == 0
    with pytest.raises(ImpastoError, match=r"GB free\. Paint a smaller layer, close") as no:
        fitting(task(6000, 4000), IMPASTO, nothing)
    assert "max_size" not in no.value.problem.details


@pytest.mark.parametrize(("width", "height", "gigabytes"), [(6000, 4000, 6), (10_000, 10_000, 24)])
def test_one_gradient_step_of_a_very_large_picture_has_a_bound_and_its_whole_painting_one(
    width: int, height: int, gigabytes: int
) -> None:
    one = replace(IMPASTO, levels=1, steps=(1,))
    assert plans(task(width, height), one, CPU)[-1].bytes + PROCESS < gigabytes * 1e9
    assert of(width, height)[-1].bytes + PROCESS < 1.25 * gigabytes * 1e9


def test_memory_and_time_grow_as_the_pixels_do() -> None:
    small, large = (of(side, side)[-1] for side in (5000, 10_000))
    assert large.bytes / small.bytes == pytest.approx(4, rel=0.15)
    assert small.seconds and large.seconds and large.seconds / small.seconds == pytest.approx(4, rel=0.15)


def test_on_a_gpu_nothing_lies_scattered_and_half_precision_takes_half() -> None:
    gpu = replace(CPU, device="cuda")
    assert of(1024, 1024, means=gpu)[0].bytes < 0.7 * of(1024, 1024)[0].bytes
    assert of(1024, 1024, means=gpu)[0].bytes < 0.8 * of(1024, 1024, means=replace(gpu, half=0))[0].bytes


def test_a_gpu_s_pictures_have_to_fit_into_the_machine_s_memory_as_well() -> None:
    gpu = replace(CPU, device="cuda", memory=80 * 10**9, host=10**9)
    found = of(6000, 4000, means=gpu)
    assert not fits(found[-1], gpu) and fits(found[-1], replace(gpu, host=2 * 10**9))
    with pytest.raises(ImpastoError, match=r"pictures alone take 1\.\d GB of the machine's .* 1\.0 GB are free"):
        fitting(task(6000, 4000), IMPASTO, gpu)


def test_every_picture_and_mask_counts() -> None:
    gpu = replace(CPU, device="cuda")
    plain, rich = of(2000, 2000, means=gpu), of(2000, 2000, means=gpu, styles=[(2000, 2000)] * 8, masks=8, regions=8)
    assert rich[-1].bytes - plain[-1].bytes > 4e6 * (7 * 12 + 7 * 5)
    deep = of(2000, 2000, means=gpu, channels=4, sample=4, masks=8, regions=8)
    assert deep[0].host - plain[0].host > 4e6 * (2 * 8 + 16 * 4)


def test_a_painting_that_is_made_small_has_its_end_at_full_size_all_the_same() -> None:
    assert of(10_000, 10_000, max_size=512)[0].bytes > 1e8 * (15 + 24)


def test_sizes_of_a_seamless_picture_that_cannot_be_tiled_are_reckoned_in_one_piece() -> None:
    recipe = replace(IMPASTO, seamless=True)
    assert levels(3072, 3072, recipe)[-3].height == 1365, "which 64 does not divide, as it does 3072"
    leanest = plans(task(3072, 3072), recipe, CPU)[-1]
    assert leanest.tile and leanest.bytes > plans(task(1365, 1365), recipe, CPU)[0].bytes / 2
    assert leanest.bytes > of(3072, 3072)[-1].bytes


def test_a_style_that_is_larger_than_the_content_is_reckoned_with() -> None:
    large = recipes.override(IMPASTO, {"style_size": 2000})
    assert plans(task(500, 500), large, CPU)[0].bytes > 2 * of(500, 500)[0].bytes


def test_but_none_is_enlarged_unless_its_size_was_asked_for() -> None:
    wide = recipes.override(IMPASTO, {"style_scale": 4})
    small = Task(1024, 1024, styles=[(300, 300)])
    assert plans(small, wide, CPU)[0].bytes == pytest.approx(plans(small, IMPASTO, CPU)[0].bytes, rel=0.01)


def test_who_goes_on_from_a_painting_has_the_last_size_before_him_and_a_whole_history() -> None:
    (whole, *_), (resumed, *_) = of(100, 100), of(100, 100, resumed=True)
    assert resumed.evaluations == whole.evaluations == levels(100, 100, IMPASTO)[-1].steps
    assert whole.seconds and resumed.seconds and resumed.seconds < whole.seconds
    assert of(100, 100, start=True)[0].seconds == resumed.seconds
    short = recipes.override(recipes.find("neural-style"), {"steps": 5})
    assert plans(task(500, 500, resumed=True), short, CPU)[0].bytes > 1.5 * plans(task(500, 500), short, CPU)[0].bytes


def test_an_unknown_speed_is_an_unknown_time() -> None:
    assert of(640, 480, means=replace(CPU, flops=0, half=0))[0].seconds is None


def test_a_layer_that_no_wavelets_have_is_not_reckoned_with() -> None:
    typo = recipes.override(recipes.find("wavelets"), {"content_layers": "shapes"})
    assert plans(task(100, 100), typo, CPU)
