"""L-BFGS for pictures of any size: little memory, known beforehand, and no waiting for the device.

It turns gradients into steps and knows nothing else: whoever calls it evaluates, and decides when to end.

Memory, in values for each element of the variable: 4 (variable, the gradient that is handed in, the one before, step)
and 2 for each pair of the history, which count half where pairs are kept in bfloat16. Steps are made in these buffers
and need no other, but for two pieces (see `PIECES`). A pair's place is taken when there is a pair, and the oldest
one's is used again when the history is full.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

LEAST_CURVATURE = 1e-10
"""A pair whose product y·s is no more than this says nothing about a valley, and is not used (PyTorch's bound)."""
PIECES: Mapping[str, int] = {"cpu": 2**18}
"""Elements worked on at a time, by the kind of device: on a CPU as many as its caches hold."""
PIECE = 2**24
"""On any other device."""


class LBFGS:
    """L-BFGS (Nocedal 1980; Liu & Nocedal 1989) with the steps of torch.optim.LBFGS without line search and tolerances,
    `max_iter=1` a call; and, if asked for, with bounds on the first and on every step.

    x: the variable, contiguous and of any shape; written to. rate: the length of a step, in directions. first: instead,
    the length of the very first, in gradients whose absolute values sum to 1 (PyTorch: the rate), and no more gradients
    than that. longest: the root mean square that no step exceeds. unit: gradients and steps are of a variable that is
    this many times x. history: pairs that are remembered, at most. pairs: the type they are kept in (None: x's); all
    arithmetic is in x's, and with the pairs as they are kept, so that y·s > 0 holds for what is used.

    No value is read by the host: what PyTorch decides by branches is decided on the device. Hence it differs in that
    a pair without curvature (see `LEAST_CURVATURE`) takes a place in the history, with no effect, where PyTorch keeps
    the older ones; a direction that leads uphill makes a step of 0 and its pair has no effect, so that the history that
    caused it leaves by and by, where PyTorch stands still for good; and a gradient of nothing but zeros is a step of 0
    like any other, where PyTorch forgets the evaluation.
    """

    def __init__(
        self,
        x: Tensor,
        rate: float,
        history: int,
        *,
        first: float | None = None,
        longest: float = math.inf,
        unit: float = 1.0,
        pairs: torch.dtype | None = None,
    ) -> None:
        self._x, self._rate, self._first, self._longest, self._unit = x.detach().view(-1), rate, first, longest, unit
        self._history, self._kept_as = history, pairs or x.dtype
        self._previous: Tensor | None = None
        self._step: Tensor | None = None  # what was added to the variable last, in its unit
        self._pairs: list[_Pair] = []  # the oldest first
        self._borrowed = 0  # how many of them, the oldest, are not ours to write to
        self._scale = x.new_ones(())

    @torch.no_grad()
    def move(self, gradient: Tensor) -> None:
        """Make one step. gradient: at x, contiguous; it becomes this object's own."""
        gradient = gradient.detach().view(-1)
        previous, last = self._previous, self._step
        self._previous = self._step = None  # should there be no room for what follows, nothing of it is held
        if previous is None or last is None:
            step = torch.neg(gradient)
            rate = self._rate if self._first is None else self._first
            length = (1 / _sum_of_sizes(gradient)).clamp(max=1.0) * rate
        else:
            buffer = self._remember(gradient, previous, last)
            del previous, last
            step = self._direction(gradient, buffer)
            length = torch.where(_dot(gradient, step) > 0, 0.0, self._scale.new_full((), self._rate))
        if self._longest < math.inf:
            size = length * (_dot(step, step) / step.numel()).sqrt()
            length = length * (self._longest / size.clamp(min=1e-12)).clamp(max=1.0)
        self._previous, self._step = gradient, step.mul_(length)
        self._x.add_(self._step, alpha=1 / self._unit)

    def _remember(self, gradient: Tensor, previous: Tensor, s: Tensor) -> Tensor:
        """Make a pair of the last step and of what it changed in the gradient; returns a buffer that is free now."""
        y = torch.sub(gradient, previous, out=previous)
        old = self._pairs.pop(0) if len(self._pairs) == self._history else None
        if old is not None and self._borrowed:
            old, self._borrowed = None, self._borrowed - 1
        free = s
        if self._kept_as == s.dtype:
            free = torch.empty_like(s) if old is None else old.s
        else:
            s, y = self._rounded(s, old.s if old else None), self._rounded(y, old.y if old else None)
        ys, yy = _dot(y, s, free.dtype), _dot(y, y, free.dtype)
        useful = (ys > LEAST_CURVATURE) & (_dot(gradient, gradient) > 0)
        self._scale = torch.where(useful, ys / yy, self._scale)
        self._pairs.append(_Pair(s, y, torch.where(useful, 1 / ys, 0.0)))
        return free

    def _rounded(self, value: Tensor, buffer: Tensor | None) -> Tensor:
        buffer = torch.empty_like(value, dtype=self._kept_as) if buffer is None else buffer
        return buffer.copy_(value)

    def _direction(self, gradient: Tensor, buffer: Tensor) -> Tensor:
        """−H·gradient, by Nocedal's two loops."""
        q, alphas = torch.neg(gradient, out=buffer), list[Tensor]()
        for pair in reversed(self._pairs):
            alphas.append(_dot(pair.s, q) * pair.rho)
            _add(q, -alphas[-1], pair.y)
        q.mul_(self._scale)
        for pair, alpha in zip(self._pairs, reversed(alphas)):
            _add(q, alpha - _dot(pair.y, q) * pair.rho, pair.s)
        return q

    @property
    def memory(self) -> dict[str, Any]:
        """All that it needs to go on, in tensors that it will write to: flat ones, and lists of them."""
        return {
            "previous": self._previous,
            "step": self._step,
            "scale": self._scale,
            "s": [pair.s for pair in self._pairs],
            "y": [pair.y for pair in self._pairs],
            "rho": [pair.rho for pair in self._pairs],
        }

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Go on from this memory; of a longer history with its newest pairs. Its tensors are never written to. Pairs on
        this device and of this type are not copied, and let go one by one as newer ones come: whoever wants their room
        back must not hold on to them."""

        def here(value: Tensor | None, dtype: torch.dtype) -> Tensor | None:
            return None if value is None else value.to(self._x.device, dtype, copy=True)

        self._previous, self._step = (here(memory[name], self._x.dtype) for name in ("previous", "step"))
        self._scale = memory["scale"].to(self._x)
        pairs = list(zip(memory["s"], memory["y"], memory["rho"]))[-self._history :]
        self._pairs = [self._recalled(*pair) for pair in pairs]
        self._borrowed = len(self._pairs)

    def _recalled(self, s: Tensor, y: Tensor, rho: Tensor) -> _Pair:
        here = _Pair(s.to(self._x.device, self._kept_as), y.to(self._x.device, self._kept_as), rho.to(self._x))
        if s.dtype == self._kept_as:
            return here
        ys = _dot(here.y, here.s, self._x.dtype)
        return replace(here, rho=torch.where((here.rho > 0) & (ys > LEAST_CURVATURE), 1 / ys, 0.0))


@dataclass(frozen=True)
class _Pair:
    """A step s, the change y of the gradient over it, and rho = 1 / y·s, or 0 where the pair is of no use."""

    s: Tensor
    y: Tensor
    rho: Tensor


def pieces(*flat: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The same pieces of each of these flat tensors."""
    size = PIECES.get(flat[0].device.type, PIECE)
    return zip(*(torch.split(each, size) for each in flat))


def _dot(one: Tensor, other: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Their product, worked out in this type or the other one's: a scalar tensor."""
    dtype = dtype or other.dtype
    return _sum([torch.dot(a.to(dtype), b.to(dtype)) for a, b in pieces(one, other)])


def _sum_of_sizes(flat: Tensor) -> Tensor:
    return _sum([piece.abs().sum() for (piece,) in pieces(flat)])


def _sum(parts: list[Tensor]) -> Tensor:
    return torch.stack(parts).sum() if len(parts) > 1 else parts[0]


def _add(to: Tensor, factor: Tensor, what: Tensor) -> None:
    """to += factor · what, in place."""
    for a, b in pieces(to, what):
        a.addcmul_(b.to(a.dtype), factor)
