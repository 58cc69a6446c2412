"""The device that is painted on: which it is, and what it is called. Its memory is the business of `engine.memory`."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Iterator

import torch
from impasto_protocol.errors import Code, ImpastoError

from .engine import memory
from .painting import ProcessSpent

log = logging.getLogger(__name__)

FAILURES = ("cuda error", "cublas_status", "cudnn_status", "cudnn error", "cusolver", "hip error", "device-side assert")
"""Words of a RuntimeError that say that a device has failed. Mostly nothing else works in that process any more."""
PAYS = 1.3
"""How much quicker half precision must be in convolutions alone: what else there is to do is not."""
QUEUED = 8
"""Trials of a GPU's speed between two waits for it: starting one takes longer than many a GPU needs for it."""


def chosen(name: str) -> str:
    """PyTorch's name of a device; `auto` is a GPU where there is one. Raises ImpastoError: BAD_REQUEST for one that is
    not here, OUT_OF_MEMORY for one that other programs have filled."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as reason:
        if memory.lacks_memory(reason):
            raise filled(name) from reason
        raise ImpastoError(
            Code.BAD_REQUEST,
            f"There is no device “{name}” for PyTorch here. Use cpu, or auto to take a GPU where there is one.",
            field="device",
        ) from reason
    return name


def allow_tf32(asked: bool) -> None:
    """Whether convolutions in float32 may round their factors to TF32's eleven bits, where a GPU has that. PyTorch
    allows it by itself; here it is for those who ask. Matrix products (Gram matrices, roots) are never rounded."""
    torch.backends.cudnn.allow_tf32 = asked


def speed(device: str, precision: torch.dtype = torch.float32) -> float:
    """Operations a second in 3×3 convolutions, both ways, by a trial of some hundredths of a second; on a CPU that has
    nothing else to do: what its threads worked counts, and not what they waited for others. 0 where the device
    cannot do them in this precision. Raises RuntimeError where it has no memory left, or has failed."""
    try:
        return _speed(device, precision)
    except RuntimeError as reason:
        if memory.lacks_memory(reason) or _failed(reason):
            raise
        log.info("%s has no convolutions of %s: %s", device, precision, reason)
        return 0.0


def half_speed(device: str, full: float) -> float:
    """The same of bfloat16; 0 where that is not much quicker than `full`, so that it does not pay."""
    half = speed(device, torch.bfloat16)
    return half if half > PAYS * full else 0.0


def _speed(device: str, precision: torch.dtype) -> float:
    allow_tf32(False)
    side = 128 if device == "cpu" else 512  # enough to keep a GPU busy
    x = (
        torch.rand(1, 64, side, side, device=device, dtype=precision)
        .contiguous(memory_format=torch.channels_last)
        .requires_grad_()
    )
    filters = torch.rand(64, 64, 3, 3, device=device, dtype=precision).contiguous(memory_format=torch.channels_last)
    times, best = 1 if device == "cpu" else QUEUED, math.inf
    clock, at_once = (time.process_time, torch.get_num_threads()) if device == "cpu" else (time.perf_counter, 1)
    for _ in range(4):
        began = clock()
        for _ in range(times):
            (slope,) = torch.autograd.grad(torch.nn.functional.conv2d(x, filters, padding=1).sum(), x)
        float(slope[0, 0, 0, 0])  # waits for the device
        best = min(best, clock() - began)
    return at_once * times * 2 * 2 * 9 * 64 * 64 * side**2 / best


def described(device: str) -> str:
    """Its name, and for a GPU its model, for people."""
    if device.startswith("cuda"):
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return device


@contextlib.contextmanager
def watched(name: str) -> Iterator[None]:
    """What PyTorch raises in here where a device has failed becomes ProcessSpent. name: as it is described."""
    try:
        yield
    except RuntimeError as reason:
        if not _failed(reason):
            raise
        why = next(iter(str(reason).splitlines()), "")
        raise ProcessSpent(
            Code.WORKER_DIED,
            f"{name} has failed ({why[:200]}). Try again: the next job gets a fresh start. If it fails once more, the "
            "machine needs a restart, or its driver does; meanwhile start the daemon with --device cpu.",
        ) from reason


def _failed(reason: RuntimeError) -> bool:
    """Not for lack of memory: that can be mended."""
    words = str(reason).lower()
    typed = isinstance(reason, getattr(torch, "AcceleratorError", ()))
    return not memory.lacks_memory(reason) and (typed or any(each in words for each in FAILURES))


def filled(name: str) -> ImpastoError:
    """The sentence for a device on which not even a start is possible."""
    return ImpastoError(
        Code.OUT_OF_MEMORY,
        f"{name} has no memory left for a start: other programs have filled it (`nvidia-smi` names them). End one of "
        "these, or start the daemon with --device cpu.",
    )
