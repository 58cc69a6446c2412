"""Adam for pictures of any size. It turns gradients into steps and knows nothing else.

Memory, in values for each element of the variable: 4 (variable, gradient, and the two running means). Steps are made in
these buffers and need no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1) with the steps of torch.optim.Adam; with `early`, of TensorFlow and Keras,
    where ε is added before the bias of v is corrected (ε̂ of section 2).

    x: the variable; written to. unit: gradients and steps are of a variable that is this many times x. No value is read
    by the host.
    """

    def __init__(
        self,
        x: Tensor,
        rate: float,
        betas: tuple[float, ...],
        epsilon: float,
        *,
        early: bool = False,
        unit: float = 1.0,
    ) -> None:
        self._x, self._rate, self._betas, self._epsilon = x.detach(), rate, betas, epsilon
        self._early, self._unit = early, unit
        self._m, self._v, self._count = torch.zeros_like(self._x), torch.zeros_like(self._x), 0

    @torch.no_grad()
    def move(self, gradient: Tensor) -> None:
        """Make one step. gradient: at x; it becomes this object's own, and is overwritten."""
        one, other = self._betas
        self._count += 1
        self._m.lerp_(gradient, 1 - one)
        self._v.mul_(other).addcmul_(gradient, gradient, value=1 - other)
        root = (1 - other**self._count) ** 0.5
        divisor = torch.sqrt(self._v, out=gradient).add_(self._epsilon * (1 if self._early else root))
        rate = self._rate * root / (1 - one**self._count)
        self._x.addcdiv_(self._m, divisor, value=-rate / self._unit)

    @property
    def memory(self) -> dict[str, Any]:
        """All that it needs to go on, in tensors that it will write to."""
        return {"m": self._m, "v": self._v, "count": self._count}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Go on from this memory. Its tensors are copied and never written to."""
        self._m.copy_(memory["m"])
        self._v.copy_(memory["v"])
        self._count = int(memory["count"])
