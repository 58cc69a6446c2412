"""Going downhill: one evaluation an iterate, stoppable at each, and back to the best when it goes wrong."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from impasto_daemon.engine.optimise import descend
from impasto_protocol.errors import Code, ImpastoError
from torch import Tensor

AIM = torch.linspace(0, 1, 12).view(1, 3, 2, 2)
UNEVEN = torch.linspace(1, 30, 12).view(1, 3, 2, 2)


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


@pytest.mark.parametrize(("optimiser", "rate"), [("lbfgs", 1.0), ("adam", 0.05)])
def test_it_finds_the_bottom_and_evaluates_once_an_iterate(optimiser: str, rate: float) -> None:
    bowl, start = Bowl(), torch.full((1, 3, 2, 2), 0.5)
    walk = descend(bowl, start, 300, optimiser, rate, 10)
    for count in range(1, 301):
        try:
            iterate = next(walk)
        except StopIteration:  # pragma: no cover
            pytest.fail("it stopped early")
        assert bowl.evaluations == count
    with pytest.raises(StopIteration):
        next(walk)
    torch.testing.assert_close(iterate.best, AIM, atol=2e-3, rtol=0)
    assert set(iterate.losses) == {"total", "content"}
    assert torch.equal(start, torch.full((1, 3, 2, 2), 0.5))


def test_an_iterate_s_losses_are_those_at_its_tensor() -> None:
    for iterate in descend(Bowl(), torch.zeros(1, 3, 2, 2), 8, "lbfgs", 1.0, 10):
        assert iterate.losses["total"] == pytest.approx(float(Bowl()(iterate.x)["total"]), rel=1e-6)


def test_closing_it_stops_at_once() -> None:
    bowl = Bowl()
    walk = descend(bowl, torch.zeros(1, 3, 2, 2), 100, "lbfgs", 1.0, 10)
    next(walk)
    next(walk)
    walk.close()
    assert bowl.evaluations == 2


@pytest.mark.parametrize("spoilt", [float("nan"), float("inf"), 1e9])
@pytest.mark.parametrize(("optimiser", "rate"), [("lbfgs", 1.0), ("adam", 0.05)])
def test_after_a_number_that_is_none_it_goes_back_to_the_best_and_says_so(
    optimiser: str, rate: float, spoilt: float
) -> None:
    walk = descend(Bowl({5: spoilt}), torch.zeros(1, 3, 2, 2), 200, optimiser, rate, 10)
    iterates = [next(walk) for _ in range(200)]
    assert [bool(iterate.note) for iterate in iterates[:8]] == [False] * 4 + [True] + [False] * 3
    assert iterates[-1].losses["total"] < 0.05 * iterates[0].losses["total"]
    lowest = min(iterates[:4], key=lambda i: i.losses["total"])
    assert torch.equal(iterates[4].x, lowest.x) and iterates[4].losses == lowest.losses
    assert all(math.isfinite(value) for iterate in iterates for value in iterate.losses.values())


def test_what_keeps_diverging_ends_at_the_best_with_advice() -> None:
    bowl = Bowl(dict.fromkeys(range(3, 100), float("nan")))
    seen = list(descend(bowl, torch.zeros(1, 3, 2, 2), 100, "lbfgs", 1.0, 10))
    assert bowl.evaluations == len(seen) < 10
    assert torch.equal(seen[-1].best, min(seen[:2], key=lambda iterate: iterate.losses["total"]).x)
    assert "ended at the best" in seen[-1].note and "learning_rate" in seen[-1].note


def test_a_start_without_a_number_is_given_up_at_once() -> None:
    with pytest.raises(ImpastoError) as caught:
        next(descend(Bowl({1: float("nan")}), torch.zeros(1, 3, 2, 2), 5, "adam", 0.05, 10))
    assert caught.value.code is Code.DIVERGED


def test_the_best_is_returned_and_not_the_last() -> None:
    """With a rate far too high Adam swings about; what it returns is the lowest it evaluated."""
    seen = list(descend(Bowl(), torch.full((1, 3, 2, 2), 0.4), 15, "adam", 0.9, 10))
    lowest = min(seen, key=lambda iterate: iterate.losses["total"])
    assert torch.equal(seen[-1].best, lowest.x) and lowest is not seen[-1]


def test_a_loss_that_is_no_number_is_a_divergence_though_the_total_is_one() -> None:
    class Half(Bowl):
        def __call__(self, x: Tensor) -> dict[str, Tensor]:
            found = super().__call__(x)
            return {**found, "content": found["content"] * (math.nan if self.evaluations == 3 else 1)}

    seen = list(descend(Half(), torch.zeros(1, 3, 2, 2), 5, "lbfgs", 1.0, 10))
    assert [bool(iterate.note) for iterate in seen] == [False, False, True, False, False]
    assert all(math.isfinite(value) for iterate in seen for value in iterate.losses.values())
