"""Going downhill, one evaluation at a time: a generator of iterates that its caller drives.

The caller stops it by closing it, which takes effect within one evaluation. It knows an objective and a tensor,
and nothing of pictures but that they have samples from 0 to 1. How a gradient becomes a step is the business of `lbfgs`
and `adam`.

Memory (`cost.held`), in values for each element of the tensor, while an evaluation hands over its gradient: L-BFGS 5
(variable, gradient, previous gradient, step, best) and 2 for each pair of its history (1 in half precision); Adam 5
(variable, gradient, two means, best); one more for the running mean. What the objective takes comes on top.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from impasto_protocol.errors import Code, ImpastoError
from torch import Tensor

from .adam import Adam
from .lbfgs import LBFGS, pieces

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
SETTLED_OVER = 20
"""Evaluations over which a walk's progress is judged (see `Walk.settle`)."""
ADVICE = "A smaller learning_rate may help, or optimiser=adam with learning_rate=0.02."


@dataclass(frozen=True)
class Walk:
    """How to go downhill: the recipe's fields of these names (see `recipe.Recipe`), and for whom it is done.

    pairs: how L-BFGS keeps its history, "full" (as the variable) or "half" (in bfloat16). check: the losses are read
    from the device at every so many evaluations, and at the first and the last; reading waits for the device. settle:
    the walk ends when over `SETTLED_OVER` evaluations the best total fell by no more than this share of it; 0: never.
    """

    optimiser: str = "bounded-lbfgs"
    learning_rate: float = 1.0
    history: int = 12
    betas: tuple[float, ...] = (0.9, 0.999)
    epsilon: float = 1e-8
    unit: float = 1.0
    clamp: bool = False
    average: float = 0.0
    pairs: str = "full"
    check: int = 1
    settle: float = 0.0


@dataclass(frozen=True)
class Iterate:
    """One evaluation: the losses at `x`, the tensor that is the result if the walk ends here, and a note if the result
    suffers from something; a remark if it does not. All of it holds until the walk goes on.

    losses: finite, those that were read last (see `Walk.check`); an evaluation that diverged is told with the best
    iterate's tensor and losses. x: the walk's own variable, not to be changed; it holds until `result` or `state` is
    asked for, since both may move it. result: not to be changed. state: all that a walk needs to go on from here.
    """

    losses: Mapping[str, float]
    x: Tensor
    finish: Callable[[], Tensor]
    state: Callable[[], State]
    note: str = ""
    remark: str = ""

    @property
    def result(self) -> Tensor:
        return self.finish()


@dataclass(frozen=True)
class State:
    """A walk between two evaluations; its tensors are the walk's own, so save them before it goes on. A walk that goes
    on from it never writes to its tensors, but does not copy the optimiser's history either (see `LBFGS.recall`).

    variable: where it stands; best: the best tensor so far and its losses; optimiser: of the optimiser in use (its
    name, its rate, its memory); scale: see `Evaluation`; mean: the running average's; rescues: how often it went back.
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


class Optimiser(Protocol):
    """From gradients to steps of a variable; see `LBFGS` and `Adam`."""

    def move(self, gradient: Tensor) -> None: ...

    @property
    def memory(self) -> dict[str, Any]: ...

    def recall(self, memory: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True)
class Kind:
    """How an optimiser is used. make: from a variable, a rate and a walk. after_rescue: which one follows when it
    diverged. scaled: on a scaled objective (see `Evaluation`). blow_up: what is a divergence. keeps_best: the result is
    its best iterate, not its last."""

    make: Callable[[Tensor, float, Walk], Optimiser]
    after_rescue: str
    scaled: bool = False
    blow_up: float = math.inf
    keeps_best: bool = False


PAIRS: Mapping[str, torch.dtype | None] = {"full": None, "half": torch.bfloat16}


def _adam(x: Tensor, rate: float, walk: Walk) -> Adam:
    return Adam(x, rate, walk.betas, walk.epsilon, unit=walk.unit)


def _keras_adam(x: Tensor, rate: float, walk: Walk) -> Adam:
    return Adam(x, rate, walk.betas, walk.epsilon, unit=walk.unit, early=True)


def _lbfgs(x: Tensor, rate: float, walk: Walk) -> LBFGS:
    """As PyTorch and Torch have it: no line search, a first step of length 1 in the sum of absolute values."""
    return LBFGS(x, rate, walk.history, unit=walk.unit, pairs=PAIRS[walk.pairs])


def _bounded_lbfgs(x: Tensor, rate: float, walk: Walk) -> LBFGS:
    """With the first and the longest step bounded: far fewer evaluations on pictures."""
    first, longest = FIRST_STEP * walk.unit * x.numel(), LONGEST_STEP * walk.unit
    return LBFGS(x, rate, walk.history, first=first, longest=longest, unit=walk.unit, pairs=PAIRS[walk.pairs])


OPTIMISERS: Mapping[str, Kind] = {
    "lbfgs": Kind(_lbfgs, after_rescue="bounded-lbfgs", keeps_best=True),
    "bounded-lbfgs": Kind(_bounded_lbfgs, "bounded-lbfgs", scaled=True, blow_up=BLOW_UP, keeps_best=True),
    "adam": Kind(_adam, after_rescue="adam"),
    "keras-adam": Kind(_keras_adam, after_rescue="keras-adam"),
}


class Evaluation:
    """An objective at a variable: its losses (n,), the total first, and the gradient in the optimiser's unit.

    scale: by what the total is multiplied. 0 asks for one that makes the first total equal the number of elements:
    gradients then are of order one an element whatever the formula's units, which L-BFGS's curvature test takes for
    granted.
    """

    def __init__(self, objective: Objective, variable: Tensor, unit: float, scale: float) -> None:
        self._objective, self._variable, self._unit, self.scale = objective, variable, unit, scale
        self._names: list[str] = []

    def __call__(self) -> tuple[Tensor, Tensor]:
        losses = self._objective(self._variable)
        self._names = ["total", *(name for name in losses if name != "total")]
        if not self.scale:
            first = float(losses["total"].detach())
            self.scale = self._variable.numel() / first if math.isfinite(first) and first > 0 else 1.0
        (losses["total"] * (self.scale / self._unit)).backward()  # type: ignore[no-untyped-call]
        gradient, self._variable.grad = self._variable.grad, None
        assert gradient is not None
        return torch.stack([losses[name].detach() for name in self._names]), gradient

    def read(self, losses: Tensor) -> dict[str, float]:
        """As numbers, in one transfer from the device, which is waited for."""
        return dict(zip(self._names, losses.tolist()))


class Best:
    """The best tensor so far, and its losses (n,) on the device. Where it is the variable as that stands, it is copied
    only when that moves."""

    def __init__(self, variable: Tensor, copy: Tensor | None) -> None:
        self._variable, self._copy, self._here = variable.detach(), copy, copy is None
        self.losses: Tensor | None = None

    @property
    def tensor(self) -> Tensor:
        return self._variable if self._here or self._copy is None else self._copy

    def take(self, losses: Tensor) -> None:
        """The variable is the best."""
        self._here, self.losses = True, losses

    def follow(self, losses: Tensor) -> None:
        """It is, if these losses say so. Nothing is read by the host, and one pass over the tensors made."""
        assert self.losses is not None and self._copy is not None
        better = losses.isfinite().all() & (losses[0] < self.losses[0])
        torch.where(better, self._variable, self._copy, out=self._copy)
        self.losses = torch.where(better, losses, self.losses)

    def leave(self) -> None:
        """The variable is about to move."""
        if self._here:
            self._copy = torch.empty_like(self._variable) if self._copy is None else self._copy
            self._copy.copy_(self._variable)
            self._here = False


class Average:
    """The running mean of tensors, decaying, without the bias of its start (Kingma & Ba 2015, section 3). Samples that
    are no numbers leave it as it is."""

    def __init__(self, decay: float, state: Mapping[str, Any]) -> None:
        self._decay, self._rest = decay, float(state.get("rest", 1.0))
        self._sum: Tensor | None = state["sum"].clone() if "sum" in state else None

    @torch.no_grad()
    def add(self, x: Tensor) -> None:
        """One more tensor, contiguous."""
        self._sum = torch.zeros_like(x) if self._sum is None else self._sum
        for mean, new in pieces(self._sum.view(-1), x.view(-1)):
            mean.lerp_(torch.where(new.isfinite(), new, mean / (1 - self._rest)), 1 - self._decay)
        self._rest *= self._decay

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

    start: where to begin; not changed. state: go on from there instead, exactly as if the walk had not ended (but
    whether it settles is judged anew). When the losses are read and one is no number, or the total has blown up, the
    walk goes back to the best tensor so far with half the rate (L-BFGS: and its steps bounded); after `RESCUES` times
    it ends there. Its iterate says so in a remark, the last one in a note. It moves on from an iterate when the next is
    asked for. Raises ImpastoError(DIVERGED) when a loss at the start is no number.
    """
    walker = _Walker(objective, start, walk, state)
    del start, state  # for whom else they are there is not known here
    for count in range(1, steps + 1):
        yield walker.step(count, count % walk.check == 0 or count in (1, steps))
        if walker.rescues > RESCUES or walker.settled:
            break


class _Walker:
    """A walk: the variable, its optimiser, and the best so far."""

    def __init__(self, objective: Objective, start: Tensor, walk: Walk, state: State | None) -> None:
        self._walk = walk
        begin = state.variable if state else start
        self._x = begin.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
        self._name, self._rate = (state.optimiser, state.rate) if state else (walk.optimiser, walk.learning_rate)
        self._kind = OPTIMISERS[self._name]
        self._optimiser = self._kind.make(self._x, self._rate, walk)
        self._evaluation = Evaluation(objective, self._x, walk.unit, state.scale if state else not self._kind.scaled)
        self._gradient: Tensor | None = None  # with which the variable is to move
        self._average = Average(walk.average, state.mean if state else {})
        self._best = Best(self._x, state.best.detach().clone() if state else None)
        self._losses = dict(state.losses) if state else {}  # the best's, as they were read
        self._behind = False  # there may be a better one by now
        self._told: Mapping[str, float] = self._losses
        self._trail: list[tuple[int, float]] = []  # counts of evaluations, and the lowest total that was known then
        self.rescues, self.settled = state.rescues if state else 0, False
        if state:
            self._optimiser.recall(state.memory)
        elif walk.average:
            self._average.add(self._x.detach())

    def step(self, count: int, read: bool) -> Iterate:
        """Move on from the last evaluation, and evaluate once more, the one of this number."""
        self._move()
        losses, self._gradient = self._evaluation()
        if not read:
            self._best.follow(losses)
            self._behind = True
            return self._iterate()
        here = self._evaluation.read(losses)
        if self._losses and self._best.losses is None:  # of a walk that goes on
            self._best.losses = losses.new_tensor([self._losses[name] for name in here])
        self._read_best()
        lowest = self._losses.get("total", math.inf)
        if not all(map(math.isfinite, here.values())) or here["total"] > self._kind.blow_up * lowest:
            return self._rescue(here["total"])
        if here["total"] < lowest:
            self._best.take(losses)
            self._losses = here
        self._told = here
        self._judge(count)
        return self._iterate()

    def _move(self) -> None:
        """On from the last evaluation, unless that is done."""
        if self._gradient is None:
            return
        gradient, self._gradient = self._gradient, None
        self._best.leave()
        self._optimiser.move(gradient)
        if self._walk.clamp:
            self._x.detach().clamp_(0, 1)
        if self._walk.average:
            self._average.add(self._x.detach())

    def _read_best(self) -> None:
        if self._behind and self._best.losses is not None:
            self._losses, self._behind = self._evaluation.read(self._best.losses), False

    def _judge(self, count: int) -> None:
        """Settle if the best total has hardly fallen of late."""
        lowest = self._losses["total"]
        self._trail.append((count, lowest))
        while len(self._trail) > 1 and count - self._trail[1][0] >= SETTLED_OVER:
            self._trail.pop(0)
        since, before = self._trail[0]
        hardly = before - lowest <= self._walk.settle * abs(before)
        self.settled = self._walk.settle > 0 and count - since >= SETTLED_OVER and hardly

    def _rescue(self, total: float) -> Iterate:
        if not self._losses:
            sentence = (
                "The losses are no numbers from the start: use the recipe's own settings, and check the weights file."
            )
            raise ImpastoError(Code.DIVERGED, sentence)
        self.rescues += 1
        lowest = self._losses["total"]
        said = f"The optimiser diverged (loss {total:.3g} after {lowest:.3g}) and "
        if self.rescues > RESCUES:
            note, remark = f"{said}ended at its best iterate at this size. {ADVICE}", ""
        else:
            note, remark = "", f"{said}went on from its best iterate with smaller steps: nothing is lost but time."
        self._gradient = None
        self._x.detach().copy_(self._best.tensor)
        self._rate, self._name = self._rate / 2, self._kind.after_rescue
        if OPTIMISERS[self._name].scaled != self._kind.scaled:
            self._evaluation.scale = 0.0
        self._kind = OPTIMISERS[self._name]
        self._optimiser = self._kind.make(self._x, self._rate, self._walk)
        if self._walk.average:
            self._average = Average(self._walk.average, {})
            self._average.add(self._x.detach())
        self._told, self._trail = self._losses, []
        return replace(self._iterate(), note=note, remark=remark)

    def _iterate(self) -> Iterate:
        return Iterate(dict(self._told), self._x.detach(), self._result, self._state)

    def _result(self) -> Tensor:
        if self._walk.average:
            self._move()  # the mean has the tensor that comes after the last evaluation
            return self._average.get()
        return self._best.tensor if self._kind.keeps_best else self._x.detach()

    def _state(self) -> State:
        self._move()
        self._read_best()
        return State(
            variable=self._x.detach(),
            best=self._best.tensor,
            losses=self._losses,
            optimiser=self._name,
            rate=self._rate,
            memory=self._optimiser.memory,
            scale=self._evaluation.scale,
            mean=self._average.state,
            rescues=self.rescues,
        )
