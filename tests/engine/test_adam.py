"""Adam of our own: PyTorch's steps in four values an element. TensorFlow's are in `test_trajectories`."""

from __future__ import annotations

import pytest
import torch
from impasto_daemon.engine.adam import Adam

from .watching import Watch

BETAS, EPSILON = (0.9, 0.99), 1e-3


@pytest.mark.parametrize("unit", [1.0, 255.0])
def test_its_steps_are_pytorch_s(unit: float) -> None:
    aim = torch.linspace(-1, 2, 50, dtype=torch.float64)
    x, theirs = torch.zeros_like(aim), torch.zeros_like(aim).requires_grad_()
    mine = Adam(x, 0.02 * unit, BETAS, EPSILON, unit=unit)
    adam = torch.optim.Adam([theirs], lr=0.02 * unit, betas=BETAS, eps=EPSILON)
    for _ in range(30):
        mine.move(4 * (x - aim) ** 3 / unit)
        theirs.grad = 4 * (theirs.detach() / unit - aim) ** 3 / unit
        adam.step()
        torch.testing.assert_close(x * unit, theirs.detach(), rtol=1e-12, atol=1e-12)


def test_no_step_reads_a_value() -> None:
    x = torch.zeros(9, device="meta")
    adam = Adam(x, 0.02, BETAS, EPSILON)
    for _ in range(3):
        adam.move(torch.ones_like(x))


def test_it_holds_four_values_an_element(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 2**16
    with Watch(monkeypatch) as watch:
        x = torch.zeros(count)
        adam = Adam(x, 0.02, BETAS, EPSILON)
        for _ in range(3):
            adam.move(torch.sub(x, 1.0))
    assert watch.most == 4 * 4 * count


def test_going_on_does_not_write_to_what_it_was_given() -> None:
    x = torch.zeros(9)
    first, second = Adam(x, 0.02, BETAS, EPSILON), Adam(x, 0.02, BETAS, EPSILON)
    first.move(torch.ones(9))
    memory = first.memory
    before = memory["m"].clone()
    second.recall(memory)
    second.move(torch.ones(9))
    assert torch.equal(memory["m"], before) and not torch.equal(second.memory["m"], before)
