"""Going downhill: one evaluation an iterate, stoppable at each, back to the best when it goes wrong, and on from where
it was. The first steps of each recipe are in `test_trajectories`."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from itertools import islice
from typing import Any

import pytest
import torch
from impasto_daemon.engine import lbfgs
from impasto_daemon.engine.cost import held
from impasto_daemon.engine.optimise import RESCUES, SETTLED_OVER, Average, Iterate, State, Walk, descend
from impasto_protocol.errors import Code, ImpastoError
from torch import Tensor

from .watching import Watch

AIM = torch.linspace(0, 1, 12).view(1, 3, 2, 2)
UNEVEN = torch.linspace(1, 30, 12).view(1, 3, 2, 2)
START = torch.full((1, 3, 2, 2), 0.4)
LBFGS = Walk("lbfgs", 1.0, 10)
BOUNDED = Walk("bounded-lbfgs", 1.0, 10)
ADAM = Walk("adam", 0.05)
KERAS = Walk("keras-adam", 0.05, epsilon=1e-7)
WALKS = (LBFGS, BOUNDED, ADAM, KERAS)
EACH = pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.optimiser)


class Bowl:
    """Σ k·(x − aim)², counting its evaluations; `spoil` replaces the total of one of them."""

    def __init__(self, spoil: Mapping[int, float] | None = None) -> None:
        self.evaluations = 0
        self.spoil = spoil or {}

    def __call__(self, x: Tensor) -> dict[str, Tensor]:
        self.evaluations += 1
        total = (UNEVEN * (x - AIM).square()).sum()
        if self.evaluations in self.spoil:
            total = total * 0 + self.spoil[self.evaluations]
        return {"total": total, "content": total.detach()}


class Valley:
    """A narrow, curved one (Rosenbrock's), in which an optimiser is far from done after many evaluations."""

    def __call__(self, x: Tensor) -> dict[str, Tensor]:
        flat = x.flatten()
        total = (5 * (flat[1:] - flat[:-1].square()).square() + (1 - flat[:-1]).square()).sum()
        return {"total": total}


def kept(iterates: Iterable[Iterate]) -> list[Iterate]:
    """All of them, with tensors of their own: an iterate's hold until the walk goes on."""
    return [replace(each, x=each.x.clone(), finish=partial(Tensor.clone, each.result.clone())) for each in iterates]


def lowest(iterates: Sequence[Iterate]) -> Iterate:
    return min(iterates, key=lambda iterate: iterate.losses["total"])


@EACH
def test_it_finds_the_bottom_and_evaluates_once_an_iterate(walk: Walk) -> None:
    bowl, start = Bowl(), START.clone()
    steps = descend(bowl, start, 300, walk)
    for count in range(1, 301):
        iterate = next(steps)
        assert bowl.evaluations == count
    with pytest.raises(StopIteration):
        next(steps)
    torch.testing.assert_close(iterate.result, AIM, atol=2e-3, rtol=0)
    assert set(iterate.losses) == {"total", "content"}
    assert torch.equal(start, START)


@EACH
def test_an_iterate_s_losses_are_those_at_its_tensor(walk: Walk) -> None:
    for iterate in descend(Bowl(), torch.zeros(1, 3, 2, 2), 8, walk):
        assert iterate.losses["total"] == pytest.approx(float(Bowl()(iterate.x)["total"]), rel=1e-6)


def test_closing_it_stops_at_once() -> None:
    bowl = Bowl()
    steps = descend(bowl, torch.zeros(1, 3, 2, 2), 100, LBFGS)
    next(steps)
    next(steps)
    steps.close()
    assert bowl.evaluations == 2


@pytest.mark.parametrize("walk", [LBFGS, BOUNDED], ids=lambda walk: walk.optimiser)
def test_the_result_of_lbfgs_is_the_best_and_not_the_last(walk: Walk) -> None:
    seen = kept(descend(Bowl({8: 0.6}), START, 8, walk))
    assert torch.equal(seen[-1].result, lowest(seen).x) and not torch.equal(seen[-1].x, seen[-1].result)


def test_the_result_of_adam_is_the_last_as_published() -> None:
    """With a rate far too high it swings about; so it does when it has to climb out of the content."""
    seen = kept(descend(Bowl(), START, 15, Walk("adam", 0.9)))
    assert torch.equal(seen[-1].result, seen[-1].x) and lowest(seen) is not seen[-1]


@EACH
def test_what_white_counts_does_not_change_where_a_walk_ends(walk: Walk) -> None:
    """A picture from 0 to 255 is the same picture."""
    rate = walk.learning_rate * (255 if "adam" in walk.optimiser else 1)
    told = Walk(walk.optimiser, rate, walk.history, epsilon=walk.epsilon, unit=255.0)
    result = kept(descend(Bowl(), START, 300, told))[-1].result
    torch.testing.assert_close(result, AIM, atol=2e-3, rtol=0)


def test_a_walk_that_clamps_stays_within_0_to_1() -> None:
    beyond = [float(each.x.max()) for each in descend(Bowl(), START, 30, Walk("adam", 0.4))]
    clamped = [float(each.x.max()) for each in descend(Bowl(), START, 30, Walk("adam", 0.4, clamp=True))]
    assert max(beyond) > 1.05 and max(clamped) == 1.0


# Rescue -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("walk", "spoilt"),
    [*((walk, spoilt) for walk in WALKS for spoilt in (math.nan, math.inf)), (BOUNDED, 1e9)],
    ids=lambda each: each.optimiser if isinstance(each, Walk) else str(each),
)
def test_after_a_number_that_is_none_it_goes_back_to_the_best_and_says_so(walk: Walk, spoilt: float) -> None:
    iterates = kept(descend(Bowl({5: spoilt}), torch.zeros(1, 3, 2, 2), 200, walk))
    assert [bool(iterate.remark) for iterate in iterates[:8]] == [False] * 4 + [True] + [False] * 3
    assert iterates[-1].losses["total"] < 0.05 * iterates[0].losses["total"]
    best = lowest(iterates[:4])
    assert torch.equal(iterates[4].x, best.x) and iterates[4].losses == best.losses
    assert torch.equal(iterates[5].x, best.x)
    assert all(math.isfinite(value) for iterate in iterates for value in iterate.losses.values())


@pytest.mark.parametrize("walk", [LBFGS, ADAM, KERAS], ids=lambda walk: walk.optimiser)
def test_a_published_optimiser_may_leap_and_come_back(walk: Walk) -> None:
    iterates = kept(descend(Bowl({5: 1e9}), torch.zeros(1, 3, 2, 2), 6, walk))
    assert [iterate.losses["total"] > 1e8 for iterate in iterates] == [False] * 4 + [True, False]
    assert not any(iterate.note or iterate.remark for iterate in iterates)


@pytest.mark.parametrize(
    ("before", "after"), [(LBFGS, "bounded-lbfgs"), (BOUNDED, "bounded-lbfgs"), (ADAM, "adam"), (KERAS, "keras-adam")]
)
def test_after_a_rescue_the_rate_is_half_and_lbfgs_is_bounded(before: Walk, after: str) -> None:
    states = [each.state() for each in descend(Bowl({3: math.nan}), START, 4, before)]
    assert [(state.optimiser, state.rate, state.rescues) for state in states] == [
        *[(before.optimiser, before.learning_rate, 0)] * 2,
        *[(after, before.learning_rate / 2, 1)] * 2,
    ]


def test_what_keeps_diverging_ends_at_the_best_with_advice() -> None:
    bowl = Bowl(dict.fromkeys(range(3, 100), float("nan")))
    seen = kept(descend(bowl, torch.zeros(1, 3, 2, 2), 100, LBFGS))
    assert bowl.evaluations == len(seen) == 2 + RESCUES + 1
    assert torch.equal(seen[-1].result, lowest(seen[:2]).x)
    assert "ended at its best" in seen[-1].note and "learning_rate" in seen[-1].note


def test_a_start_without_a_number_is_given_up_at_once() -> None:
    with pytest.raises(ImpastoError) as caught:
        next(descend(Bowl({1: float("nan")}), torch.zeros(1, 3, 2, 2), 5, ADAM))
    assert caught.value.code is Code.DIVERGED


def test_a_loss_that_is_no_number_is_a_divergence_though_the_total_is_one() -> None:
    class Half(Bowl):
        def __call__(self, x: Tensor) -> dict[str, Tensor]:
            found = super().__call__(x)
            return {**found, "content": found["content"] * (math.nan if self.evaluations == 3 else 1)}

    seen = kept(descend(Half(), torch.zeros(1, 3, 2, 2), 5, LBFGS))
    assert [bool(iterate.remark) for iterate in seen] == [False, False, True, False, False]
    assert all(math.isfinite(value) for iterate in seen for value in iterate.losses.values())


# The running mean -------------------------------------------------------------------------------------------


def test_the_running_mean_weighs_each_tensor_by_its_age_and_weights_sum_to_1() -> None:
    average = Average(0.9, {})
    seen = [torch.tensor([value, 1.0], dtype=torch.float64) for value in (3.0, -1.0, 4.0)]
    for each in seen:
        average.add(each)
    weights = torch.tensor([0.81, 0.9, 1.0], dtype=torch.float64)
    wanted = (torch.stack(seen) * weights[:, None]).sum(0) / weights.sum()
    torch.testing.assert_close(average.get(), wanted)


def test_the_running_mean_goes_on_from_its_state() -> None:
    whole, first = Average(0.9, {}), Average(0.9, {})
    for value in (3.0, -1.0):
        whole.add(torch.tensor([value]))
        first.add(torch.tensor([value]))
    second = Average(0.9, first.state)
    for average in (whole, second):
        average.add(torch.tensor([4.0]))
    assert torch.equal(whole.get(), second.get())


def test_a_walk_that_averages_gives_the_mean_of_its_start_and_all_that_came_after() -> None:
    seen = kept(descend(Bowl(), START, 5, Walk("adam", 0.05, average=0.5)))
    last = next(descend(Bowl(), START, 1, ADAM, seen[-1].state())).x
    average = Average(0.5, {})
    for x in [*(each.x for each in seen), last]:
        average.add(x)
    torch.testing.assert_close(seen[-1].result, average.get())


# Going on ---------------------------------------------------------------------------------------------------


def stored(state: State) -> State:
    """As it comes back from a file that can hold nothing but tensors, numbers and text."""
    file = io.BytesIO()
    torch.save({field.name: getattr(state, field.name) for field in fields(State)}, file)
    file.seek(0)
    return State(**torch.load(file, weights_only=True))


@pytest.mark.parametrize("before", [1, 2, 17])
@pytest.mark.parametrize(
    "walk",
    [
        LBFGS,
        BOUNDED,
        ADAM,
        Walk("lbfgs", 1.0, 5, unit=255.0),
        Walk("bounded-lbfgs", 1.0, 5, unit=255.0, clamp=True),
        Walk("adam", 0.02, betas=(0.9, 0.99), clamp=True, average=0.9),
        Walk("keras-adam", 2.0, epsilon=0.1, unit=255.0),
    ],
    ids=lambda walk: f"{walk.optimiser}-{walk.unit:g}{'-clamp' * walk.clamp}{'-average' * bool(walk.average)}",
)
def test_a_walk_that_goes_on_is_the_walk_that_did_not_stop(walk: Walk, before: int) -> None:
    """Bit for bit, after a while in a file."""
    whole = kept(descend(Valley(), START, before + 13, walk))
    steps = descend(Valley(), START, before + 13, walk)
    first = kept(islice(steps, before))
    state = stored(first[-1].state())
    second = kept(descend(Valley(), torch.zeros_like(START), 13, walk, state))
    assert len(second) == 13
    for ours, theirs in zip([*first, *second], whole):
        assert ours.losses == theirs.losses
        assert torch.equal(ours.x, theirs.x) and torch.equal(ours.result, theirs.result)
    assert second[-1].losses["total"] != second[0].losses["total"]


def test_a_walk_goes_on_from_after_a_rescue_as_well() -> None:
    class Steep(Valley):
        """Spoilt wherever it is evaluated for the third time in all."""

        def __init__(self, done: int = 0) -> None:
            self.evaluations = done

        def __call__(self, x: Tensor) -> dict[str, Tensor]:
            self.evaluations += 1
            found = super().__call__(x)
            return {"total": found["total"] * (math.nan if self.evaluations == 3 else 1)}

    whole = kept(descend(Steep(), START, 12, LBFGS))
    steps = descend(Steep(), START, 12, LBFGS)
    first = kept(islice(steps, 3))
    second = kept(descend(Steep(3), START, 9, LBFGS, stored(first[-1].state())))
    for ours, theirs in zip([*first, *second], whole):
        assert ours.losses == theirs.losses and torch.equal(ours.x, theirs.x)


def test_an_evaluation_that_fails_leaves_a_state_to_go_on_from() -> None:
    """As where memory runs out: the last iterate's state is then where the walk would have evaluated."""

    class Failing(Valley):
        def __init__(self) -> None:
            self.left = 6

        def __call__(self, x: Tensor) -> dict[str, Tensor]:
            self.left -= 1
            if self.left < 0:
                raise MemoryError
            return super().__call__(x)

    whole = kept(descend(Valley(), START, 12, BOUNDED))
    steps = descend(Failing(), START, 12, BOUNDED)
    *_, last = islice(steps, 6)
    with pytest.raises(MemoryError):
        next(steps)
    rest = kept(descend(Valley(), START, 6, BOUNDED, last.state()))
    for ours, theirs in zip(rest, whole[6:]):
        assert ours.losses == theirs.losses and torch.equal(ours.x, theirs.x)


# Reading the losses now and then ----------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("check", [1, 4])
def test_values_are_read_at_the_first_at_every_so_many_and_at_the_last_evaluation(
    walk: Walk, check: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    with Watch(monkeypatch) as watch:
        for _ in descend(Valley(), START, 14, replace(walk, check=check)):
            reads.append(watch.reads)
            watch.reads = 0
    scaling = walk.optimiser == "bounded-lbfgs"
    assert reads[0] == 1 + scaling
    assert [count for count, read in enumerate(reads, 1) if read] == (
        list(range(1, 15)) if check == 1 else [1, 4, 8, 12, 14]
    )
    assert max(reads[1:]) <= (1 if check == 1 else 2), "the losses here, and those of the best"


@EACH
def test_a_walk_that_reads_now_and_then_goes_the_same_way_to_the_same_result(walk: Walk) -> None:
    plain = kept(descend(Valley(), START, 22, walk))
    rare = kept(descend(Valley(), START, 22, replace(walk, check=5)))
    for count, (ours, theirs) in enumerate(zip(rare, plain), 1):
        assert torch.equal(ours.x, theirs.x) and torch.equal(ours.result, theirs.result)
        read = count if count in (1, 22) else max(1, count // 5 * 5)
        assert ours.losses == plain[read - 1].losses


def test_the_state_between_two_readings_has_the_best_s_losses() -> None:
    for each in descend(Valley(), START, 9, replace(BOUNDED, check=50)):
        state = each.state()
        assert state.losses["total"] == pytest.approx(float(Valley()(state.best)["total"]), rel=1e-6)


@EACH
def test_a_divergence_between_two_readings_is_noticed_at_the_next_and_goes_back_to_the_best(walk: Walk) -> None:
    bowl = Bowl(dict.fromkeys((6, 7, 8), math.nan))
    seen = kept(descend(bowl, torch.zeros(1, 3, 2, 2), 60, replace(walk, check=4)))
    plain = kept(descend(Bowl(), torch.zeros(1, 3, 2, 2), 5, walk))
    assert [count for count, each in enumerate(seen, 1) if each.remark] == [8]
    assert torch.equal(seen[7].x, lowest(plain).x) and seen[7].losses == lowest(plain).losses
    assert torch.equal(seen[8].x, seen[7].x)
    assert all(math.isfinite(value) for each in seen for value in each.losses.values())


# Settling ---------------------------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("check", [1, 7])
def test_a_walk_that_settles_ends_where_the_best_hardly_falls_any_more(walk: Walk, check: int) -> None:
    class Raised(Bowl):
        """A bottom that is not zero: relative to it, nothing happens there."""

        def __call__(self, x: Tensor) -> dict[str, Tensor]:
            return {name: value + 1 for name, value in super().__call__(x).items()}

    whole = kept(descend(Raised(), START, 600, walk))
    seen = kept(descend(Raised(), START, 600, replace(walk, settle=1e-3, check=check)))
    assert SETTLED_OVER < len(seen) < 500 and len(seen) % check == 0
    best = [min(each.losses["total"] for each in whole[:count]) for count in range(1, len(seen) + 1)]
    assert best[-1] == pytest.approx(lowest(whole).losses["total"], rel=1e-2)
    before = best[-1 - math.ceil(SETTLED_OVER / check) * check]
    assert before - best[-1] <= 1e-3 * before
    if check == 1:
        falls = [before - after > 1e-3 * before for before, after in zip(best, best[SETTLED_OVER:])]
        assert all(falls[:-1]) and not falls[-1]


def test_a_walk_does_not_settle_while_it_gets_on_nor_unless_it_is_asked_to() -> None:
    assert len(list(descend(Valley(), START, 40, replace(ADAM, settle=1e-3)))) == 40
    assert len(list(descend(Bowl(), AIM, 60, ADAM))) == 60


def test_a_walk_that_goes_on_is_judged_anew() -> None:
    walk = replace(ADAM, settle=0.01)
    *_, last = descend(Bowl(), AIM, 60, walk)
    assert len(list(descend(Bowl(), AIM, 60, walk, last.state()))) == SETTLED_OVER + 1


# Memory -----------------------------------------------------------------------------------------------------


class Cheap(torch.autograd.Function):
    """½Σx², its gradient made in the one buffer that is handed over."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.view(-1).dot(x.view(-1)) / 2

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        gradient: Tensor = x * grads[0]
        return gradient


@pytest.mark.parametrize("steps", [4, 9])
@pytest.mark.parametrize("check", [1, 3])
@pytest.mark.parametrize(
    "walk",
    [
        Walk("lbfgs", history=5),
        Walk("bounded-lbfgs", history=5, unit=255.0),
        Walk("bounded-lbfgs", history=5, pairs="half"),
        Walk("adam", 0.02, clamp=True),
        Walk("keras-adam", 0.02, average=0.9),
    ],
    ids=lambda walk: f"{walk.optimiser}-{walk.pairs}{'-average' * bool(walk.average)}",
)
def test_a_walk_holds_as_many_values_an_element_as_it_says(
    walk: Walk, check: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 3 * 2**16
    monkeypatch.setitem(lbfgs.PIECES, "cpu", 2**10)
    walk = replace(walk, check=check)
    with Watch(monkeypatch) as watch:
        start = torch.rand(1, 3, 2**8, 2**8)
        steps_of = descend(lambda x: {"total": Cheap.apply(x)}, start, steps, walk)
        del start
        for iterate in steps_of:
            iterate.state()
    found = watch.most / count / 4
    elements = held(walk.optimiser, walk.history, steps, walk.pairs == "half", bool(walk.average))
    assert elements - 1 - (steps < walk.history) <= found <= elements + 0.05
    if steps > walk.history:
        assert found == pytest.approx(elements, abs=0.05)
