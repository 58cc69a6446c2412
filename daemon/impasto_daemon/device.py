"""The device that is painted on: which it is, and what it is called. Its memory is the business of `engine.memory`."""

from __future__ import annotations

import contextlib
import math
import time

import torch
from impasto_protocol.errors import Code, ImpastoError

PAYS = 1.3
"""How much quicker half precision must be in convolutions alone: what else there is to do is not."""


def chosen(name: str) -> str:
    """PyTorch's name of a device; `auto` is a GPU where there is one. Raises ImpastoError(BAD_REQUEST) for one that is
    not here."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as reason:
        raise ImpastoError(
            Code.BAD_REQUEST,
            f"There is no device “{name}” for PyTorch here. Use cpu, or auto to take a GPU where there is one.",
            field="device",
        ) from reason
    return name


def allow_tf32(asked: bool) -> None:
    """Whether products of float32 may be of factors that are rounded to TF32's eleven bits, where a GPU has that. For
    convolutions PyTorch allows it by itself; here it is for those who ask."""
    torch.backends.cudnn.allow_tf32 = asked
    torch.backends.cuda.matmul.allow_tf32 = asked


def speed(device: str, precision: torch.dtype = torch.float32) -> float:
    """Operations a second in 3×3 convolutions, both ways, by a trial of some hundredths of a second; 0 where the device
    cannot do them in this precision."""
    with contextlib.suppress(RuntimeError):
        return _speed(device, precision)
    return 0.0


def half_speed(device: str, full: float) -> float:
    """The same of bfloat16; 0 where that is not much quicker than `full`, so that it does not pay."""
    half = speed(device, torch.bfloat16)
    return half if half > PAYS * full else 0.0


def _speed(device: str, precision: torch.dtype) -> float:
    allow_tf32(False)
    x = (
        torch.rand(1, 64, 128, 128, device=device, dtype=precision)
        .contiguous(memory_format=torch.channels_last)
        .requires_grad_()
    )
    filters = torch.rand(64, 64, 3, 3, device=device, dtype=precision).contiguous(memory_format=torch.channels_last)
    best = math.inf
    for _ in range(4):
        began = time.perf_counter()
        (slope,) = torch.autograd.grad(torch.nn.functional.conv2d(x, filters, padding=1).sum(), x)
        float(slope[0, 0, 0, 0])  # waits for the device
        best = min(best, time.perf_counter() - began)
    return 2 * 2 * 9 * 64 * 64 * 128 * 128 / best


def described(device: str) -> str:
    """Its name, and for a GPU its model, for people."""
    if device.startswith("cuda"):
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return device
