"""Going downhill, one evaluation at a time: a generator of iterates that its caller drives.

The caller stops it by closing it, which takes effect within one evaluation. It knows an objective and a tensor,
and nothing of pictures but that they have samples from 0 to 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from impasto_protocol.errors import Code, ImpastoError
from torch import Tensor

Objective = Callable[[Tensor], Mapping[str, Tensor]]
"""From a tensor to named scalars; `total` is what goes down."""

RESCUES = 4
"""How often the optimiser may go back to the best iterate before it ends there."""
FIRST_STEP = 0.005
"""How far bounded L-BFGS's first step moves an element on average. PyTorch's own choice (1 over all elements together)
is so small on a picture that rounding swamps the first estimate of the curvature, and the second step flies off."""
LONGEST_STEP = 0.1
"""Root mean square by which one step of bounded L-BFGS may move the elements; longer ones are shortened, since early
estimates of the curvature are poor and there is no line search."""
BLOW_UP = 20.0
"""A total this many times the best one is a divergence of bounded L-BFGS and not a detour. Plain L-BFGS leaps far and
comes back, and Adam may have to climb out of the content: for them, only what is no number is one."""
ADVICE = "A smaller learning_rate may help, or optimiser=adam with learning_rate=0.02."


@dataclass(frozen=True)
class Walk:
    """How to go downhill: the recipe's fields of these names (see `recipes.Recipe`)."""

    optimiser: str = "bounded-lbfgs"
    learning_rate: float = 1.0
    history: int = 12
    betas: tuple[float, ...] = (0.9, 0.999)
    epsilon: float = 1e-8
    unit: float = 1.0
    clamp: bool = False
    average: float = 0.0


@dataclass(frozen=True)
class Iterate:
    """One evaluation: the losses at `x`, the tensor that is the result if the walk ends here, and a note if something
    was done.

    The losses are finite: an evaluation that diverged is told with the best iterate's tensor and losses. The caller
    must not change the tensors, nor keep `x`. state: all that a walk needs to go on from here, when called.
    """

    losses: Mapping[str, float]
    x: Tensor
    result: Tensor
    state: Callable[[], State]
    note: str = ""


@dataclass(frozen=True)
class State:
    """A walk between two evaluations; its tensors are the walk's own, so save them before it goes on.

    variable: where it stands, in the optimiser's unit; best: the best tensor so far and its losses; optimiser: of the
    optimiser in use (its name, its rate, its memory); scale: see `Evaluation`; mean: the running average's; rescues:
    how often it went back.
    """

    variable: Tensor
    best: Tensor
    losses: Mapping[str, float]
    optimiser: str
    rate: float
    memory: Mapping[str, Any]
    scale: float
    mean: Mapping[str, Any]
    rescues: int


class Adam:
    """Adam (Kingma & Ba 2015) with PyTorch's update."""

    scaled, blow_up, keeps_best = False, math.inf, False
    after_rescue = "adam"

    def __init__(self, x: Tensor, rate: float, walk: Walk) -> None:
        self._epsilon = walk.epsilon
        self._adam = torch.optim.Adam([x], lr=rate, betas=(walk.betas[0], walk.betas[1]), eps=walk.epsilon)

    def step(self, closure: Callable[[], Tensor]) -> None:
        """Evaluate once and move."""
        self._adam.step(closure)

    @property
    def memory(self) -> torch.optim.Optimizer:
        return self._adam


class KerasAdam(Adam):
    """Adam as TensorFlow has it: ε is added before the bias of v is corrected (ε̂ of Kingma & Ba 2015, section 2)."""

    after_rescue = "keras-adam"

    def step(self, closure: Callable[[], Tensor]) -> None:
        """Evaluate once and move."""
        (group,) = self._adam.param_groups
        done = sum(float(state["step"]) for state in self._adam.state.values())
        group["eps"] = self._epsilon / math.sqrt(1 - group["betas"][1] ** (done + 1))
        super().step(closure)


class LBFGS:
    """L-BFGS (Liu & Nocedal 1989) as PyTorch and Torch have it: no line search, a first step of length 1 in the sum of
    absolute values."""

    scaled, blow_up, keeps_best = False, math.inf, True
    after_rescue = "bounded-lbfgs"

    def __init__(self, x: Tensor, rate: float, walk: Walk) -> None:
        # One iteration a call: state is kept between calls, and each call evaluates once. Tolerances of zero because
        # the length is the caller's business.
        self._lbfgs = torch.optim.LBFGS(
            [x], lr=rate, max_iter=1, history_size=walk.history, tolerance_grad=0.0, tolerance_change=0.0
        )

    def step(self, closure: Callable[[], Tensor]) -> None:
        """Evaluate once and move."""
        self._lbfgs.step(closure)  # type: ignore[no-untyped-call]

    @property
    def memory(self) -> torch.optim.Optimizer:
        return self._lbfgs


class BoundedLBFGS(LBFGS):
    """L-BFGS with the first and the longest step bounded, on a scaled objective: far fewer evaluations on pictures."""

    scaled, blow_up = True, BLOW_UP

    def __init__(self, x: Tensor, rate: float, walk: Walk) -> None:
        super().__init__(x, rate, walk)
        self._x, self._rate, self._unit = x, rate, walk.unit

    def step(self, closure: Callable[[], Tensor]) -> None:
        """Evaluate once and move."""
        before, group = self._x.detach().clone(), self._lbfgs.param_groups[0]
        # Makes PyTorch's first step one of FIRST_STEP on average.
        group["lr"] = self._rate if self._lbfgs.state[self._x] else FIRST_STEP * self._unit * self._x.numel()
        super().step(closure)
        self._shorten(before)

    def _shorten(self, before: Tensor) -> None:
        """Bring the step just made within LONGEST_STEP, and tell L-BFGS (its `t`), whose history is made of steps."""
        state = self._lbfgs.state[self._x]
        if "t" not in state:
            return  # a gradient of nothing but zeros: no step was made
        with torch.no_grad():
            step = self._x - before
            length = step.square().mean().sqrt().clamp(min=1e-12)
            factor = (LONGEST_STEP * self._unit / length).clamp(max=1.0)
            self._x.copy_(before + factor * step)
            state["t"] = state["t"] * factor


OPTIMISERS: Mapping[str, type[Adam] | type[LBFGS]] = {
    "lbfgs": LBFGS,
    "bounded-lbfgs": BoundedLBFGS,
    "adam": Adam,
    "keras-adam": KerasAdam,
}


class Evaluation:
    """An optimiser's closure over an objective: in the optimiser's unit, and with the last losses at hand as numbers.

    scale: by what the total is multiplied. 0 asks for one that makes the first total equal the number of elements:
    gradients then are of order one an element whatever the formula's units, which L-BFGS's curvature test takes for
    granted.
    """

    def __init__(self, objective: Objective, variable: Tensor, unit: float, scale: float) -> None:
        self._objective, self._variable, self._unit, self.scale = objective, variable, unit, scale
        self.losses: dict[str, float] = {}

    def __call__(self) -> Tensor:
        self._variable.grad = None
        losses = self._objective(self._variable / self._unit if self._unit != 1 else self._variable)
        # One transfer from the device for all of them.
        self.losses = dict(zip(losses, torch.stack([loss.detach() for loss in losses.values()]).tolist()))
        first = self.losses["total"]
        if not self.scale:
            self.scale = self._variable.numel() / first if math.isfinite(first) and first > 0 else 1.0
        total = losses["total"] * self.scale
        total.backward()  # type: ignore[no-untyped-call]
        return total


class Average:
    """The running mean of tensors, decaying, without the bias of its start (Kingma & Ba 2015, section 3)."""

    def __init__(self, decay: float, state: Mapping[str, Any]) -> None:
        self._decay, self._sum, self._rest = decay, state.get("sum"), float(state.get("rest", 1.0))

    def add(self, x: Tensor) -> None:
        """One more tensor."""
        self._rest *= self._decay
        whole = torch.zeros_like(x) if self._sum is None else self._sum
        self._sum = whole * self._decay + x.detach() * (1 - self._decay)

    def get(self) -> Tensor:
        """The mean so far."""
        assert self._sum is not None
        mean: Tensor = self._sum / (1 - self._rest)
        return mean

    @property
    def state(self) -> dict[str, Any]:
        return {} if self._sum is None else {"sum": self._sum, "rest": self._rest}


def descend(
    objective: Objective, start: Tensor, steps: int, walk: Walk, state: State | None = None
) -> Generator[Iterate, None, None]:
    """Yield after each of at most `steps` (1 or more) evaluations of the objective.

    start: where to begin; not changed. state: go on from there instead, exactly as if the walk had not ended. When a
    loss is no number, or the total has blown up, the walk goes back to the best tensor so far with half the rate
    (L-BFGS: and its steps bounded); after `RESCUES` times it ends there. Its iterate says so in a note.
    Raises ImpastoError(DIVERGED) when a loss at the start is no number.
    """
    walker = _Walker(objective, start, walk, state)
    for _ in range(steps):
        yield walker.step()
        if walker.rescues > RESCUES:
            break


class _Walker:
    """A walk: the variable, its optimiser, and the best so far."""

    def __init__(self, objective: Objective, start: Tensor, walk: Walk, state: State | None) -> None:
        self._walk = walk
        begin = state.variable if state else start * walk.unit
        self._x = begin.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
        self._name, self._rate = (state.optimiser, state.rate) if state else (walk.optimiser, walk.learning_rate)
        self._optimiser = OPTIMISERS[self._name](self._x, self._rate, walk)
        scale = state.scale if state else float(not OPTIMISERS[self._name].scaled)
        self._evaluation = Evaluation(objective, self._x, walk.unit, scale)
        self._average = Average(walk.average, state.mean if state else {})
        self._best, self._losses = (state.best, dict(state.losses)) if state else (self._x, {})
        self.rescues = state.rescues if state else 0
        if state:
            self._optimiser.memory.load_state_dict(deepcopy(dict(state.memory)))  # optimisers write into it
        elif walk.average:
            self._average.add(self._x)

    def step(self) -> Iterate:
        """Evaluate once and move."""
        before = self._x.detach().clone()
        self._optimiser.step(self._evaluation)
        losses, total = self._evaluation.losses, self._evaluation.losses["total"]
        lowest = self._losses.get("total", math.inf)
        if not all(map(math.isfinite, losses.values())) or total > self._optimiser.blow_up * lowest:
            return self._rescue(total)
        if total < lowest:
            self._best, self._losses = before, losses
        if self._walk.clamp:
            with torch.no_grad():
                self._x.clamp_(0, self._walk.unit)
        if self._walk.average:
            self._average.add(torch.where(self._x.isfinite(), self._x, before))
        return self._iterate(losses, before)

    def _rescue(self, total: float) -> Iterate:
        if not self._losses:
            raise ImpastoError(Code.DIVERGED, f"The losses of this recipe are no numbers from the start. {ADVICE}")
        self.rescues += 1
        lowest = self._losses["total"]
        note = f"The optimiser diverged (loss {total:.3g} after {lowest:.3g}) and "
        if self.rescues > RESCUES:
            note += f"ended at its best iterate at this size. {ADVICE}"
        else:
            note += "went on from its best iterate with smaller steps: nothing is lost but time."
        with torch.no_grad():
            self._x.copy_(self._best)
        self._rate, self._name = self._rate / 2, self._optimiser.after_rescue
        if OPTIMISERS[self._name].scaled != self._optimiser.scaled:
            self._evaluation.scale = 0.0
        self._optimiser = OPTIMISERS[self._name](self._x, self._rate, self._walk)
        if self._walk.average:
            self._average = Average(self._walk.average, {})  # what is no number would stay in it for good
            self._average.add(self._x)
        return replace(self._iterate(self._losses, self._best), note=note)

    def _iterate(self, losses: Mapping[str, float], x: Tensor) -> Iterate:
        result = self._average.get() if self._walk.average else self._best if self._optimiser.keeps_best else x
        return Iterate(losses, self._picture(x), self._picture(result), self._state)

    def _picture(self, variable: Tensor) -> Tensor:
        return variable.detach() / self._walk.unit if self._walk.unit != 1 else variable.detach()

    def _state(self) -> State:
        return State(
            variable=self._x.detach(),
            best=self._best.detach(),
            losses=self._losses,
            optimiser=self._name,
            rate=self._rate,
            memory=self._optimiser.memory.state_dict(),
            scale=self._evaluation.scale,
            mean=self._average.state,
            rescues=self.rescues,
        )
