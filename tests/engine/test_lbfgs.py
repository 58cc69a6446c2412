"""L-BFGS of our own: PyTorch's steps, in little memory and without the host's help."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
import torch
from impasto_daemon.engine import lbfgs
from impasto_daemon.engine.lbfgs import LBFGS
from torch import Tensor

from .watching import Watch

Loss = Callable[[Tensor], Tensor]
COUNT = 60
STEPS = 30
WEIGHTS = torch.linspace(0.5, 3, COUNT, dtype=torch.float64)
AIM = torch.linspace(-1, 2, COUNT, dtype=torch.float64)


def smooth(x: Tensor) -> Tensor:
    """Convex, its curvature nowhere the same."""
    return (WEIGHTS.to(x) * ((x - AIM.to(x)).cosh() - 1)).sum() + 0.5 * (x[1:] - x[:-1]).square().sum()


def uneven(x: Tensor) -> Tensor:
    """The same, but steep in some directions and flat in others: after 30 steps the end is still far away."""
    weights = torch.logspace(0, 3, COUNT).to(x)
    return (weights * ((x - AIM.to(x)).cosh() - 1)).sum() + 0.5 * (x[1:] - x[:-1]).square().sum()


def valley(x: Tensor) -> Tensor:
    """Rosenbrock's: narrow, curved, and in places of negative curvature."""
    return (5 * (x[1:] - x[:-1].square()).square() + (1 - x[:-1]).square()).sum()


def slope(loss: Loss, x: Tensor) -> Tensor:
    at = x.detach().clone().requires_grad_()
    (found,) = torch.autograd.grad(loss(at), at)
    return found


def path(optimiser: LBFGS, x: Tensor, loss: Loss, steps: int = STEPS) -> Iterator[Tensor]:
    for _ in range(steps):
        optimiser.move(slope(loss, x))
        yield x.clone()


def theirs(x: Tensor, loss: Loss, history: int, first: float = 1.0, longest: float = 1e9) -> Iterator[Tensor]:
    """PyTorch's, each step shortened afterwards where it is longer than it may be."""
    x = x.clone().requires_grad_()
    optimiser = torch.optim.LBFGS(
        [x], lr=first, max_iter=1, history_size=history, tolerance_grad=0.0, tolerance_change=0.0
    )

    def closure() -> Tensor:
        x.grad = slope(loss, x)
        return loss(x).detach()

    for _ in range(STEPS):
        before = x.detach().clone()
        optimiser.step(closure)  # type: ignore[no-untyped-call]
        step = x.detach() - before
        factor = min(1.0, longest / float(step.square().mean().sqrt()))
        with torch.no_grad():
            x.copy_(before + factor * step)
        optimiser.state[x]["t"] *= factor
        optimiser.param_groups[0]["lr"] = 1.0
        yield x.detach().clone()


def start() -> Tensor:
    return torch.zeros(COUNT, dtype=torch.float64)


@pytest.mark.parametrize(("loss", "history"), [(uneven, 100), (uneven, 4), (valley, 100)])
def test_its_steps_are_pytorch_s(loss: Loss, history: int) -> None:
    x = start()
    optimiser = LBFGS(x, 1.0, history)
    for mine, wanted in zip(path(optimiser, x, loss), theirs(start(), loss, history)):
        torch.testing.assert_close(mine, wanted, rtol=1e-12, atol=1e-12)
    useless = sum(float(rho) == 0 for rho in optimiser.memory["rho"])
    assert (useless > 0) == (loss is valley), "one of them has pairs without curvature, the other has none"
    assert loss(x) < 0.1 * loss(start())


def test_with_bounds_its_steps_are_pytorch_s_shortened_and_remembered_as_made() -> None:
    x, longest = start(), 0.05
    wanted = list(theirs(start(), smooth, 6, first=0.3, longest=longest))
    places = list(path(LBFGS(x, 1.0, 6, first=0.3, longest=longest), x, smooth))
    for mine, other in zip(places, wanted):
        torch.testing.assert_close(mine, other, rtol=1e-12, atol=1e-12)
    lengths = [float((b - a).square().mean().sqrt()) for a, b in pairwise(places)]
    assert sum(length > 0.99 * longest for length in lengths) > 3 and min(lengths) < 0.5 * longest


def test_a_variable_in_another_unit_takes_the_same_way() -> None:
    """Gradients and steps of 255·x, which itself stays what it is."""
    x = start()
    mine = LBFGS(x, 1.0, 10, unit=255.0)
    for wanted in theirs(start() * 255, lambda v: uneven(v / 255), 10):
        mine.move(slope(uneven, x) / 255)
        torch.testing.assert_close(x * 255, wanted, rtol=1e-9, atol=1e-9)


def test_pieces_make_no_difference_but_for_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, cut = start(), start()
    for _ in path(LBFGS(whole, 1.0, 5), whole, uneven):
        pass
    monkeypatch.setitem(lbfgs.PIECES, "cpu", 7)
    for _ in path(LBFGS(cut, 1.0, 5), cut, uneven):
        pass
    torch.testing.assert_close(cut, whole, rtol=1e-10, atol=1e-10)


# What is decided on the device ------------------------------------------------------------------------------


@pytest.mark.parametrize("pairs", [None, torch.bfloat16])
@pytest.mark.parametrize("longest", [1e9, 0.1])
def test_no_step_reads_a_value(pairs: torch.dtype | None, longest: float) -> None:
    """Tensors of the device `meta` have none to be read."""
    x = torch.zeros(1, 3, 8, 9, device="meta")
    optimiser = LBFGS(x, 1.0, 3, first=2.0, longest=longest, pairs=pairs)
    for _ in range(6):
        optimiser.move(torch.ones_like(x))
    with pytest.raises(RuntimeError):
        optimiser.memory["scale"].item()


def test_a_gradient_of_zeros_is_no_move_and_the_walk_goes_on_after_it() -> None:
    x = start()
    optimiser = LBFGS(x, 1.0, 5)
    *_, before = path(optimiser, x, smooth, 6)
    optimiser.move(torch.zeros_like(x))
    assert torch.equal(x, before) and float(optimiser.memory["rho"][-1]) == 0
    for _ in path(optimiser, x, smooth, 20):
        pass
    assert x.isfinite().all() and slope(smooth, x).abs().max() < 1e-3


def test_a_direction_that_leads_uphill_is_not_taken() -> None:
    x = start()
    optimiser = LBFGS(x, 1.0, 5)
    *_, before = path(optimiser, x, smooth, 6)
    turned = {**optimiser.memory, "scale": torch.tensor(-1e3, dtype=x.dtype)}
    optimiser.recall({**turned, "rho": [0 * rho for rho in turned["rho"]], "y": [0 * y for y in turned["y"]]})
    optimiser.recall({**optimiser.memory, "previous": slope(smooth, x)})  # the next pair has no curvature
    optimiser.move(slope(smooth, x))
    assert torch.equal(x, before)


# Memory -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("pairs", "each"), [(None, 2.0), (torch.bfloat16, 1.0)])
def test_it_holds_four_values_an_element_and_two_for_each_pair(
    pairs: torch.dtype | None, each: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable, two gradients, a step; between steps one gradient less."""
    count, history = 2**18, 3
    monkeypatch.setitem(lbfgs.PIECES, "cpu", 2**12)
    with Watch(monkeypatch) as watch:
        x = torch.zeros(count)
        optimiser = LBFGS(x, 1.0, history, pairs=pairs)
        held = []
        for _ in range(history + 4):
            gradient = torch.sub(x, 1.0)
            optimiser.move(gradient)
            del gradient
            held.append(watch.held / count / 4)
    made = [min(number, history) for number in range(history + 4)]
    assert held == pytest.approx([3 + each * pairs for pairs in made], abs=0.01)
    assert 4 + each * history <= watch.most / count / 4 < 4.15 + each * history


def test_pairs_in_half_precision_find_the_bottom_all_the_same() -> None:
    found = {}
    for pairs in (None, torch.bfloat16):
        x = start().float()
        optimiser = LBFGS(x, 1.0, 8, first=0.3, longest=0.1, pairs=pairs)
        for _ in path(optimiser, x, smooth, 60):
            pass
        found[pairs] = float(smooth(x))
        assert all(float(y.float() @ s.float() * rho) == pytest.approx(1, abs=1e-5) for s, y, rho in zip(
            *(optimiser.memory[name] for name in ("s", "y", "rho"))) if rho)  # fmt: skip
    assert found[torch.bfloat16] == pytest.approx(found[None], rel=1e-4)
    assert {s.dtype for s in optimiser.memory["s"]} == {torch.bfloat16}


# Going on ---------------------------------------------------------------------------------------------------


def test_going_on_neither_copies_pairs_nor_writes_to_what_it_was_given() -> None:
    x = start()
    optimiser = LBFGS(x, 1.0, 4)
    for _ in path(optimiser, x, smooth, 9):
        pass
    memory, here = optimiser.memory, x.clone()
    before = {name: [each.clone() for each in memory[name]] for name in ("s", "y")}
    other = LBFGS(x, 1.0, 4)
    other.recall(memory)
    assert [s.data_ptr() for s in other.memory["s"]] == [s.data_ptr() for s in memory["s"]]
    gone_on = list(path(other, x, smooth, 9))
    assert all(torch.equal(a, b) for name in before for a, b in zip(before[name], memory[name]))
    third = LBFGS(here, 1.0, 4)
    third.recall(memory)
    assert all(torch.equal(a, b) for a, b in zip(path(third, here, smooth, 9), gone_on))


def test_a_shorter_history_goes_on_with_the_newest_pairs_and_another_type_with_consistent_ones() -> None:
    x = start().float()
    optimiser = LBFGS(x, 1.0, 8)
    for _ in path(optimiser, x, smooth, 8):
        pass
    other = LBFGS(x, 1.0, 3, pairs=torch.bfloat16)
    other.recall(optimiser.memory)
    kept, whole = other.memory, optimiser.memory
    assert len(kept["s"]) == 3 and torch.equal(kept["s"][-1], whole["s"][-1].bfloat16())
    for s, y, rho in zip(kept["s"], kept["y"], kept["rho"]):
        assert float(s.float() @ y.float() * rho) == pytest.approx(1, abs=1e-5)


def test_a_step_that_finds_no_room_leaves_a_memory_to_go_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    x = start()
    optimiser = LBFGS(x, 1.0, 8)
    *_, before = path(optimiser, x, smooth, 5)
    with monkeypatch.context() as full:
        full.setattr(lbfgs, "_add", lambda *_: (_ for _ in ()).throw(MemoryError()))
        with pytest.raises(MemoryError):
            optimiser.move(slope(smooth, x))
    assert torch.equal(x, before)
    for _ in path(optimiser, x, smooth, 20):
        pass
    assert slope(smooth, x).abs().max() < 1e-3
