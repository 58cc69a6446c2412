"""Going downhill, one evaluation at a time: a generator of iterates that its caller drives.

The caller stops it by closing it, which takes effect within one evaluation. It knows an objective and a tensor,
and nothing of pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace

import torch
from impasto_protocol.errors import Code, ImpastoError
from torch import Tensor

Objective = Callable[[Tensor], Mapping[str, Tensor]]
"""From a tensor to named scalars; `total` is what goes down."""

RESCUES = 4
"""How often the optimiser may go back to the best iterate before it ends there."""
FIRST_STEP = 0.005
"""How far L-BFGS's first step moves an element on average. PyTorch's own choice (1 over all elements together) is so
small on a picture that rounding swamps the first estimate of the curvature, and the second step flies off."""
LONGEST_STEP = 0.1
"""Root mean square by which one L-BFGS step may move the elements; longer ones are shortened, since early estimates
of the curvature are poor and there is no line search."""
BLOW_UP = 20.0
"""A total this many times the best one is a divergence and not a detour."""
ADVICE = "A smaller learning_rate may help, or optimiser=adam with learning_rate=0.02."


@dataclass(frozen=True)
class Iterate:
    """One evaluation: the losses at `x`, the best tensor so far, and a note if something was done.

    The losses are finite: an evaluation that diverged is told with the best iterate's tensor and losses. The caller
    must not change the tensors, nor keep `x`.
    """

    losses: Mapping[str, float]
    x: Tensor
    best: Tensor
    note: str = ""


class Adam:
    """Adam (Kingma & Ba 2015) with PyTorch's update and betas of 0.9 and 0.99."""

    def __init__(self, x: Tensor, rate: float, history: int) -> None:
        self._adam = torch.optim.Adam([x], lr=rate, betas=(0.9, 0.99))

    def step(self, closure: Callable[[], Tensor]) -> None:
        """Evaluate once and move."""
        self._adam.step(closure)


class LBFGS:
    """L-BFGS (Liu & Nocedal 1989), PyTorch's, without a line search but with the first and the longest step bounded."""

    def __init__(self, x: Tensor, rate: float, history: int) -> None:
        self._x, self._rate = x, rate
        # One iteration a call: state is kept between calls, and each call evaluates once. Tolerances of zero because
        # the length is the caller's business. The rate at first makes PyTorch's first step, of length 1 in the sum of
        # absolute values, one of FIRST_STEP on average.
        self._lbfgs = torch.optim.LBFGS(
            [x], lr=FIRST_STEP * x.numel(), max_iter=1, history_size=history, tolerance_grad=0.0, tolerance_change=0.0
        )

    def step(self, closure: Callable[[], Tensor]) -> None:
        """Evaluate once and move."""
        before = self._x.detach().clone()
        self._lbfgs.step(closure)  # type: ignore[no-untyped-call]
        self._lbfgs.param_groups[0]["lr"] = self._rate
        self._shorten(before)

    def _shorten(self, before: Tensor) -> None:
        """Bring the step just made within LONGEST_STEP, and tell L-BFGS (its `t`), whose history is made of steps."""
        state = self._lbfgs.state[self._x]
        if "t" not in state:
            return  # a gradient of nothing but zeros: no step was made
        with torch.no_grad():
            step = self._x - before
            factor = (LONGEST_STEP / step.square().mean().sqrt().clamp(min=1e-12)).clamp(max=1.0)
            self._x.copy_(before + factor * step)
            state["t"] = state["t"] * factor


OPTIMISERS: Mapping[str, Callable[[Tensor, float, int], Adam | LBFGS]] = {"lbfgs": LBFGS, "adam": Adam}


class Evaluation:
    """An optimiser's closure over an objective: scaled, and with the last losses at hand as numbers.

    The objective is scaled so that its first total equals the number of elements: gradients then are of order one an
    element whatever the formula's units, which L-BFGS's first step and its curvature test take for granted.
    """

    def __init__(self, objective: Objective, x: Tensor) -> None:
        self._objective, self._x, self._scale = objective, x, 0.0
        self.losses: dict[str, float] = {}

    def __call__(self) -> Tensor:
        self._x.grad = None
        losses = self._objective(self._x)
        # One transfer from the device for all of them.
        self.losses = dict(zip(losses, torch.stack([loss.detach() for loss in losses.values()]).tolist()))
        first = self.losses["total"]
        if not self._scale:
            self._scale = self._x.numel() / first if math.isfinite(first) and first > 0 else 1.0
        total = losses["total"] * self._scale
        total.backward()  # type: ignore[no-untyped-call]
        return total


def descend(
    objective: Objective, start: Tensor, steps: int, optimiser: str, rate: float, history: int
) -> Generator[Iterate, None, None]:
    """Yield after each of at most `steps` (1 or more) evaluations of the objective.

    start: where to begin; not changed. When a loss is no number, or the total has blown up, the walk goes back to the
    best tensor so far with half the rate; after `RESCUES` times it ends there. Its iterate says so in a note.
    Raises ImpastoError(DIVERGED) when a loss at the start is no number.
    """
    x = start.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
    evaluation, walker = Evaluation(objective, x), OPTIMISERS[optimiser](x, rate, history)
    best, lowest, rescues = Iterate({}, x, x.detach()), math.inf, 0
    for _ in range(steps):
        before = x.detach().clone()
        walker.step(evaluation)
        losses, total = evaluation.losses, evaluation.losses["total"]
        if all(map(math.isfinite, losses.values())) and total <= BLOW_UP * lowest:
            if total < lowest:
                best, lowest = Iterate(losses, before, before), total
            yield Iterate(losses, before, best.x)
            continue
        if not best.losses:
            raise ImpastoError(Code.DIVERGED, f"The losses of this recipe are no numbers from the start. {ADVICE}")
        rescues += 1
        went = "it ended at" if rescues > RESCUES else "it went back to"
        note = f"The optimiser diverged (loss {total:.3g}); {went} the best iterate (loss {lowest:.3g}). {ADVICE}"
        yield replace(best, note=note)
        if rescues > RESCUES:
            break
        with torch.no_grad():
            x.copy_(best.x)
        rate /= 2
        walker = OPTIMISERS[optimiser](x, rate, history)
