"""The device that is painted on: which it is, what it is called, and what to do about its memory."""

from __future__ import annotations

import contextlib
import ctypes
import gc

import torch
from impasto_protocol.errors import Code, ImpastoError

OUT_OF_MEMORY_WORDS = (
    "defaultcpuallocator",
    "can't allocate memory",
    "could not create a primitive",
    "could not create a memory object",
)
"""On the CPU, PyTorch's allocator and oneDNN (the latter two: it gives no reason, and for the convolutions of our
networks has no other) raise a bare RuntimeError: its words alone tell."""


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


def described(device: str) -> str:
    """Its name, and for a GPU its model, for people."""
    if device.startswith("cuda"):
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return device


def keep_memory() -> None:
    """Tell glibc to keep what is freed and to use it again.

    By default it maps every activation above 32 MB afresh, and the kernel clears each page of it: that doubles and
    more the time of a step at 512 pixels. This process leaves when idle, which gives everything back.
    """
    mmap_max, trim_threshold = -4, -1  # malloc.h
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # another C library
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, -1)


def lacks_memory(reason: BaseException) -> bool:
    """Whether this exception says that the device, or the machine, has no memory left."""
    if isinstance(reason, (MemoryError, torch.OutOfMemoryError)):
        return True
    return type(reason) is RuntimeError and any(words in str(reason).lower() for words in OUT_OF_MEMORY_WORDS)


def release_memory() -> None:
    """Give back what is kept of freed memory. To be called when no traceback holds the tensors any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)
