"""Convolutions with frozen weights, and sums over their activations, in as few passes over memory as can be.

In half precision a convolution takes hardly more time than a pass over what it gives: what costs are such passes.
Where this PyTorch and this processor can do better than PyTorch's plain operations it is tried once, and used where it
gives the right numbers; everything has a plain form.

Activations are (1, C, h, w) in channels last. The picture alone has a gradient, the weights have none. Knows no
networks and no losses.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

import torch
from torch import Tensor

# Sums over positions ----------------------------------------------------------------------------------------


def exactly(activations: Tensor) -> Tensor:
    """In no less than float32: sums over many positions need it, whatever the network's precision."""
    return activations.float() if activations.dtype.itemsize < 4 else activations


def gram(activations: Tensor, weights: Tensor | None = None) -> Tensor:
    """Σ_k w_k·F_ik·F_jk of (1, C, h, w) as (C, C), in float32 at least; differentiable in the activations. weights:
    (1, 1, h, w), None for 1."""
    found: Tensor = _Gram.apply(activations) if weights is None else _WeightedGram.apply(activations, weights)
    return found


class _Gram(torch.autograd.Function):
    """F·Fᵀ with one product in the backward pass; autograd, not knowing that both factors are one, makes two."""

    @staticmethod
    def forward(ctx: Any, activations: Tensor) -> Tensor:
        ctx.save_for_backward(activations)
        return _product(_flat(activations))

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Tensor:
        (activations,) = ctx.saved_tensors
        _, channels, height, width = activations.shape
        both = (upstream[0] + upstream[0].T).to(activations.dtype)
        slope: Tensor = (_flat(activations) @ both).view(1, height, width, channels).permute(0, 3, 1, 2)
        return slope


STRIP = 2**16
"""Positions that are weighed at a time."""


class _WeightedGram(torch.autograd.Function):
    """F·diag(w)·Fᵀ, strip by strip: each region of a picture would keep a weighed copy of every layer else."""

    @staticmethod
    def forward(ctx: Any, activations: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(activations, weights)
        total = torch.zeros((), device=activations.device)
        strips = (torch.split(flat, STRIP) for flat in (_flat(activations), weights.reshape(-1, 1)))
        for part, weight in zip(*strips):
            exact = exactly(part)
            total = total + exact.T @ (exact * weight)
        return total

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        activations, weights = ctx.saved_tensors
        _, channels, height, width = activations.shape
        both = (upstream[0] + upstream[0].T).to(activations.dtype)
        slope = _flat(activations) @ both
        slope.mul_(weights.reshape(-1, 1))
        return slope.view(1, height, width, channels).permute(0, 3, 1, 2), None


def _flat(activations: Tensor) -> Tensor:
    """(h·w, C), as they lie in memory."""
    return activations.permute(0, 2, 3, 1).reshape(-1, activations.shape[1])


def _product(flat: Tensor) -> Tensor:
    """flatᵀ·flat of (N, C), in float32 at least, without a copy of flat in float32 where that can be avoided."""
    if flat.dtype.itemsize < 4 and _widens(flat.dtype, flat.device.type):
        return torch.mm(flat.T, flat, out_dtype=torch.float32)
    if flat.dtype.itemsize < 4 and _compensates(flat.dtype, flat.device.type):
        return _compensated(flat)
    flat = exactly(flat)
    return flat.T @ flat


def _compensated(flat: Tensor) -> Tensor:
    """Products of half precision are summed in float32 and rounded at the end. What was rounded off is the same
    product once more, begun at minus the rounded one."""
    rounded = flat.T @ flat
    return rounded.float() + torch.addmm(rounded, flat.T, flat, beta=-1)


@cache
def _widens(precision: torch.dtype, device: str) -> bool:
    """Whether products of this precision can be had in float32."""
    ones = torch.ones(1021, 16, dtype=precision, device=device)
    try:
        found = torch.mm(ones.T, ones + 1 / 64, out_dtype=torch.float32)
        return bool((found == 1021 * 65 / 64).all())  # which half precision would round
    except (RuntimeError, TypeError):
        return False


@cache
def _compensates(precision: torch.dtype, device: str) -> bool:
    """Whether they are summed in float32 on the CPU, so that `_compensated` is exact."""
    generator = torch.Generator().manual_seed(0)
    flat = torch.rand(4096, 16, generator=generator).to(precision)
    exact = flat.double().T @ flat.double()
    return device == "cpu" and float((_compensated(flat) / exact - 1).abs().max()) < 1e-4


def energy(activations: Tensor) -> Tensor:
    """Σ F² over all channels and positions of (1, C, h, w), a scalar in float32 at least. Differentiable."""
    found: Tensor = _Energy.apply(activations)
    return found


class _Energy(torch.autograd.Function):
    """Squares and sums in float32 of which none is kept: autograd would keep a copy in float32."""

    @staticmethod
    def forward(ctx: Any, activations: Tensor) -> Tensor:
        ctx.save_for_backward(activations)
        precision = torch.promote_types(activations.dtype, torch.float32)
        norms: Tensor = torch.linalg.vector_norm(activations, dim=1, dtype=precision)
        return norms.square().sum()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Tensor:
        (activations,) = ctx.saved_tensors
        slope: Tensor = activations * (2 * upstream[0]).to(activations.dtype)
        return slope


# Convolutions -----------------------------------------------------------------------------------------------


THEN = ("nothing", "relu", "pool")
"""What may follow a convolution in one with it: `pool` is ReLU and then the maxima of 2×2."""


class Fused:
    """A 3×3 convolution of fixed weight (O, I, 3, 3) and bias (O,), what follows it, and its gradient: of oneDNN, with
    weights in the order that it likes best. Only where `fuses` says so."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._there, self._bias = _packed(weight), bias
        self._back = _packed(weight.flip(2, 3).transpose(0, 1))

    def __call__(self, x: Tensor, padding: int, then: str) -> Tensor:
        """(1, I, h, w) → (1, O, …), differentiable. padding: 0 or 1 pixels of zeros around x; then: one of THEN."""
        found: Tensor = _Convolve.apply(x, self, padding, then)
        return found

    def forward(self, x: Tensor, padding: int, relu: bool) -> Tensor:
        """Without gradients and poolings."""
        return _pointwise(x, self._there, self._bias, padding, "relu" if relu else "none")

    def backward(self, slope: Tensor, padding: int) -> Tensor:
        """From the gradient (1, O, …) for what comes before ReLU to that for x."""
        return _pointwise(slope.contiguous(memory_format=torch.channels_last), self._back, None, 2 - padding, "none")


class _Convolve(torch.autograd.Function):
    """Keeps only what it gives, and of maxima where they were. What is pooled need not be kept: where a maximum is 0
    ReLU stops the gradient, and to other places than that of the maximum there is none."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, fused: Fused, padding: int, then: str) -> Tensor:
        ctx.fused, ctx.padding, ctx.then = fused, padding, then
        y = fused.forward(x, padding, relu=then != "nothing")
        if then == "pool":
            ctx.shape = y.shape
            y, where = torch.ops.aten.max_pool2d_with_indices(y, [2, 2], [2, 2])
            ctx.save_for_backward(y, where)
        elif then == "relu":
            ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> Any:
        (slope,) = upstream
        if ctx.then != "nothing":
            slope = torch.ops.aten.threshold_backward(slope, ctx.saved_tensors[0], 0)
        if ctx.then == "pool":
            like = torch.empty(ctx.shape, dtype=slope.dtype, memory_format=torch.channels_last)
            window = ([2, 2], [2, 2], [0, 0], [1, 1], False)
            slope = torch.ops.aten.max_pool2d_with_indices_backward(slope, like, *window, ctx.saved_tensors[1])
        return ctx.fused.backward(slope, ctx.padding), None, None, None


def _packed(weight: Tensor) -> Tensor:
    packed: Tensor = torch._C._nn.mkldnn_reorder_conv2d_weight(weight.contiguous().to_mkldnn(), [1], [1], [1], 1)
    return packed


def _pointwise(x: Tensor, weight: Tensor, bias: Tensor | None, padding: int, then: str) -> Tensor:
    around, one = [padding, padding], [1, 1]
    found: Tensor = torch.ops.mkldnn._convolution_pointwise(x, weight, bias, around, one, one, 1, then, [], "")
    return found


@cache
def fuses(precision: torch.dtype, device: str) -> bool:
    """Whether `Fused` can be had in this precision on this device, and gives what PyTorch's convolutions do, there and
    back. Its operators are PyTorch's own but no part of its interface: another version may lack them. In full
    precision it is not worth a second copy of the weights: convolutions are then nearly all of the time."""
    if device != "cpu" or precision.itemsize >= 4:
        return False
    try:
        return all(_gives_the_same(precision, *each) for each in product((3, 16), (0, 1), THEN))
    except (RuntimeError, AttributeError, TypeError):
        return False


def _gives_the_same(precision: torch.dtype, inputs: int, padding: int, then: str) -> bool:
    """On numbers so small and whole that nothing is rounded, in whatever order it is summed."""
    generator = torch.Generator().manual_seed(0)

    def whole(low: int, high: int, *size: int) -> Tensor:
        return torch.randint(low, high + 1, size, generator=generator).to(precision)

    x, weight, bias = whole(0, 1, 1, inputs, 8, 7), whole(-1, 1, 16, inputs, 3, 3), whole(-4, 4, 16)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    plain = torch.nn.functional.conv2d(x.float(), weight.float(), bias.float(), padding=padding).to(precision)
    plain = plain if then == "nothing" else plain.relu()
    plain = torch.nn.functional.max_pool2d(plain, 2) if then == "pool" else plain
    upstream = whole(0, 1, *plain.shape)
    (wanted,) = torch.autograd.grad(plain, x, upstream)
    fused = Fused(weight, bias)(x, padding, then)
    (slope,) = torch.autograd.grad(fused, x, upstream)
    return torch.equal(fused, plain) and torch.equal(slope, wanted)
