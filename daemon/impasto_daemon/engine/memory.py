"""The memory of a device and of this machine: how much is free, how to tell that it ran out, how to give it back.

Knows no pictures.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os

import torch

from . import host_memory

OUT_OF_MEMORY_WORDS = (
    "defaultcpuallocator",
    "can't allocate memory",
    "could not create a primitive",
    "could not create a memory object",
    "cuda error: out of memory",
    "cublas_status_alloc_failed",
    "cudnn_status_alloc_failed",
    "device_allocation_failed",
    "host_allocation_failed",
    "unable to find an engine to execute this computation",
)
"""On the CPU, PyTorch's allocator and oneDNN (the latter two: it gives no reason, and for the convolutions of our
networks has no other) raise a bare RuntimeError, and on a GPU CUDA and its libraries do beside PyTorch's allocator:
words alone tell. The last is PyTorch's where no convolution of cuDNN gets the room that it works in."""
BARE = (RuntimeError, getattr(torch, "AcceleratorError", RuntimeError))
"""What is raised without a type of its own; CUDA's has one since PyTorch 2.8."""


PREPARED = 256
"""How many operations at one size oneDNN keeps compiled, instead of 1024: an evaluation has about 100, and those of
sizes that are done with take hundreds of megabytes, which lie scattered among what is freed."""


def keep_memory() -> None:
    """Tell glibc to keep what is freed and to use it again, and oneDNN to keep no more than it needs. To be called
    before the first operation.

    By default it maps every activation above 32 MB afresh, and the kernel clears each page of it: that doubles and
    more the time of a step at 512 pixels. This process leaves when idle, which gives everything back.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(PREPARED))
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
    return type(reason) in BARE and any(words in str(reason).lower() for words in OUT_OF_MEMORY_WORDS)


def release_memory() -> None:
    """Give back what is kept of freed memory. To be called when no traceback holds the tensors any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


def free(device: str) -> int | None:
    """Bytes that this process may still take on a device: of a GPU what nobody has, and what PyTorch holds in reserve;
    on the CPU see `host_memory`. None where nobody knows."""
    if device.startswith("cuda"):
        spare, _ = torch.cuda.mem_get_info(device)
        return spare + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return host_memory.free()
