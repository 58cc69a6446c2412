"""Plans: reckoned before the start, each leaner than the one before, and the first that fits is taken."""

from __future__ import annotations

from dataclasses import replace

import pytest
from impasto_daemon.engine import plan as plans_room
from impasto_daemon.engine import recipes
from impasto_daemon.engine.levels import levels
from impasto_daemon.engine.optimise import Walk, elements
from impasto_daemon.engine.plan import Means, Plan, chosen, fits, plans
from impasto_protocol.errors import Code, ImpastoError

CPU = Means("cpu", 16 * 10**9, 16 * 10**9, 1e11, 5e11)
IMPASTO = recipes.find("impasto")
PROCESS = 0.8e9
"""Bytes that a worker has with its network loaded: plans come on top. Measured."""


def of(width: int, height: int, recipe: str = "impasto", means: Means = CPU) -> tuple[Plan, ...]:
    return plans(height, width, recipes.find(recipe), means, styles=[(1000, 1000)])


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


def test_the_first_that_fits_is_taken() -> None:
    found = of(4000, 3000)
    for plan in found:
        assert chosen(found, replace(CPU, memory=int(plan.bytes / plans_room.SPARE) + 1)) is plan


def test_where_nobody_knows_the_memory_everything_fits() -> None:
    found = of(4000, 3000)
    assert fits(found[0], replace(CPU, memory=0)) and chosen(found, replace(CPU, memory=0)) is found[0]


def test_where_nothing_fits_the_sentence_has_the_numbers_and_a_size_that_fits() -> None:
    little = replace(CPU, memory=10**9)
    with pytest.raises(
        ImpastoError, match=r"takes 4\.\d GB, and cpu has 1\.0 GB free\. Choose a max-size of about"
    ) as no:
        chosen(of(6000, 4000), little)
    size = no.value.problem.details["max_size"]
    assert no.value.code is Code.OUT_OF_MEMORY and isinstance(size, int)
    fitting = plans(4000, 6000, IMPASTO, little, max_size=size)
    assert fitting[-1].bytes <= little.memory


@pytest.mark.parametrize(("width", "height", "gigabytes"), [(6000, 4000, 6), (10_000, 10_000, 24)])
def test_the_leanest_way_for_a_very_large_picture_has_a_bound(width: int, height: int, gigabytes: int) -> None:
    assert of(width, height)[-1].bytes + PROCESS < gigabytes * 1e9


def test_memory_and_time_grow_as_the_pixels_do() -> None:
    small, large = (of(side, side)[-1] for side in (5000, 10_000))
    assert large.bytes / small.bytes == pytest.approx(4, rel=0.15)
    assert small.seconds and large.seconds and large.seconds / small.seconds == pytest.approx(4, rel=0.15)


def test_on_a_gpu_nothing_lies_scattered_and_half_precision_takes_half() -> None:
    gpu = replace(CPU, device="cuda")
    assert of(1024, 1024, means=gpu)[0].bytes < 0.7 * of(1024, 1024)[0].bytes
    assert of(1024, 1024, means=gpu)[0].bytes < 0.8 * of(1024, 1024, means=replace(gpu, half=0))[0].bytes


def test_a_gpu_s_pictures_have_to_fit_into_the_machine_s_memory_as_well() -> None:
    gpu = replace(CPU, device="cuda", memory=80 * 10**9, host=10**8)
    found = of(6000, 4000, means=gpu)
    assert not fits(found[-1], gpu) and fits(found[-1], replace(gpu, host=10**9))
    with pytest.raises(ImpastoError, match=r"pictures alone take 0\.\d GB of the machine's .* 0\.1 GB are free"):
        chosen(found, gpu)


def test_sizes_of_a_seamless_picture_that_cannot_be_tiled_are_reckoned_in_one_piece() -> None:
    recipe = replace(IMPASTO, seamless=True)
    assert levels(3072, 3072, recipe)[-3].height == 1365, "which 64 does not divide, as it does 3072"
    leanest = plans(3072, 3072, recipe, CPU)[-1]
    assert leanest.tile and leanest.bytes > plans(1365, 1365, recipe, CPU)[0].bytes / 2
    assert leanest.bytes > of(3072, 3072)[-1].bytes


def test_a_style_that_is_larger_than_the_content_is_reckoned_with() -> None:
    large = recipes.override(IMPASTO, {"style_size": 2000})
    assert plans(500, 500, large, CPU)[0].bytes > 2 * of(500, 500)[0].bytes


def test_an_unknown_speed_is_an_unknown_time() -> None:
    assert of(640, 480, means=replace(CPU, flops=0, half=0))[0].seconds is None


def test_a_layer_that_no_wavelets_have_is_not_reckoned_with() -> None:
    typo = recipes.override(recipes.find("wavelets"), {"content_layers": "shapes"})
    assert plans(100, 100, typo, CPU)


@pytest.mark.parametrize("pairs", ["full", "half"])
def test_the_optimiser_is_reckoned_with_as_it_says(pairs: str) -> None:
    walk, few = (Walk(history=history, pairs=pairs) for history in (12, 2))
    more = elements(walk, 100) - elements(few, 100)
    recipe = replace(IMPASTO, history=12)
    last = levels(1000, 1000, recipe)[-1]
    cost = plans_room._cost(recipe, 2, True)
    half = pairs == "half"
    reckoned = plans_room._bytes(last, recipe, cost, 0, 12, half) - plans_room._bytes(last, recipe, cost, 0, 2, half)
    assert reckoned == pytest.approx(more * 3 * 4 * 1000 * 1000, rel=1e-6)
