"""Out of memory is a plan and not an error: wherever it strikes, the next plan goes on from the last iterate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from impasto_daemon.engine import lbfgs, memory, stylize
from impasto_daemon.engine.canvas import Commission, Manner
from impasto_daemon.engine.objective import RecipeObjective
from impasto_daemon.engine.plan import Plan
from torch import Tensor

from .networks import SmallNetwork, picture
from .paintings import altered

RECIPE = altered("impasto", steps=6, levels=1, noise=0)
WHOLE, SHORT = Plan(), Plan(history=3, half_pairs=True)
NO_MEMORY = [
    RuntimeError("[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory: you tried …"),
    RuntimeError("could not create a primitive"),
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
]
"""As PyTorch's allocator on a CPU, oneDNN, Python, and PyTorch's allocator on a GPU, and cuDNN say it."""


class Full:
    """Memory that is full once, at the right moment: after so many calls."""

    def __init__(self, reason: Exception, after: int = 0) -> None:
        self.reason, self.left, self.struck = reason, after, False

    def strike(self) -> None:
        if not self.struck:
            self.left -= 1
            if self.left < 0:
                self.struck = True
                raise self.reason


class _Backward(torch.autograd.Function):
    """The same, with a backward pass for which there is no memory."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, full: Full) -> Tensor:
        ctx.full = full
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        ctx.full.strike()
        return upstream[0], None


def _in(kind: type, method: str) -> Callable[[pytest.MonkeyPatch, Full], None]:
    def install(monkeypatch: pytest.MonkeyPatch, full: Full) -> None:
        plain = getattr(kind, method)

        def with_strike(*arguments: Any, **named: Any) -> Any:
            full.strike()
            return plain(*arguments, **named)

        monkeypatch.setattr(kind, method, with_strike)

    return install


def _in_backward(monkeypatch: pytest.MonkeyPatch, full: Full) -> None:
    plain = RecipeObjective.__call__

    def call(objective: RecipeObjective, rgb: Tensor) -> dict[str, Tensor]:
        losses = plain(objective, rgb)
        whole: Tensor = _Backward.apply(losses["total"], full)
        return {**losses, "total": whole}

    monkeypatch.setattr(RecipeObjective, "__call__", call)


PLACES: dict[str, tuple[Callable[[pytest.MonkeyPatch, Full], None], int]] = {
    "targets": (_in(RecipeObjective, "__init__"), 0),
    "third evaluation": (_in(RecipeObjective, "__call__"), 2),
    "first backward pass": (_in_backward, 0),
    "second step": (_in(lbfgs.LBFGS, "move"), 1),
    "step after the last evaluation": (_in(lbfgs.LBFGS, "move"), 5),
}


def walked(*ways: Plan) -> tuple[list[stylize.Step], Tensor]:
    content, style = picture(32, 40, seed=1), picture(32, 32, seed=2)
    walk = stylize.paint(Commission(content, [Manner(style)]), SmallNetwork(torch.float32), RECIPE, ways=ways)
    steps = []
    while True:
        try:
            steps.append(next(walk))
        except StopIteration as done:
            return steps, done.value.picture


@pytest.fixture(scope="module")
def unlimited() -> float:
    """The last loss of one who has memory enough."""
    return walked(WHOLE)[0][-1].losses["total"]


@pytest.mark.parametrize("place", PLACES)
def test_wherever_memory_runs_out_the_next_plan_goes_on(
    place: str, unlimited: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    install, after = PLACES[place]
    full = Full(NO_MEMORY[0], after)
    install(monkeypatch, full)
    steps, found = walked(WHOLE, SHORT)
    assert full.struck
    noted = [step for step in steps if step.note]
    assert [step.note for step in noted] == [
        "Memory ran out: this goes on in one piece with 3 pairs of L-BFGS's history, from the last iterate "
        "with a fresh optimiser."
    ]
    assert all(step.step <= step.steps == 6 and step.done <= 1 for step in steps)
    assert found.shape == (1, 3, 32, 40) and bool(found.isfinite().all())
    assert steps[-1].losses["total"] < 1.5 * unlimited < 0.5 * steps[0].losses["total"]


def test_where_the_next_plan_gets_nowhere_either_the_one_after_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    for full in (Full(NO_MEMORY[0], 2), Full(NO_MEMORY[1], 2)):
        _in(RecipeObjective, "__call__")(monkeypatch, full)
    steps, found = walked(WHOLE, SHORT, Plan(history=2))
    assert [step.step for step in steps] == [1, 2, 3, 4, 5, 6]
    assert "with 2 pairs" in steps[2].note and bool(found.isfinite().all())


@pytest.mark.parametrize("reason", NO_MEMORY, ids=lambda reason: type(reason).__name__)
def test_every_way_to_say_so_is_understood(reason: Exception) -> None:
    assert memory.lacks_memory(reason)


def test_without_another_plan_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    _in(RecipeObjective, "__call__")(monkeypatch, Full(NO_MEMORY[0]))
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        walked(SHORT)


def test_any_other_failure_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    _in(RecipeObjective, "__call__")(monkeypatch, Full(RuntimeError("mat1 and mat2 shapes cannot be multiplied")))
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        walked(WHOLE, SHORT)
