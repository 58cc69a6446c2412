"""How much of its own memory the machine could still give. No torch here: forecasts want to know it too."""

from __future__ import annotations

import contextlib
from pathlib import Path

MEMINFO, OWN = Path("/proc/meminfo"), Path("/proc/self/statm")
GROUP, GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def free() -> int | None:
    """Bytes that this process may still take: what the machine can spare, or less where the process or its control
    group has a limit. None where the system does not say."""
    found = [each for each in (available(), left_by_limit()) if each is not None]
    return min([*found, *left_by_groups()], default=None)


def available(path: Path = MEMINFO) -> int | None:
    """Bytes that the kernel says programs could still have; None where it says nothing."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None


def left_by_limit(path: Path = OWN) -> int | None:
    """Bytes of addresses that this process may still take (RLIMIT_AS, `ulimit -v`); None where it has no such limit."""
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY:
        return None
    try:
        return max(0, limit - int(path.read_text(encoding="ascii").split()[0]) * resource.getpagesize())
    except (OSError, ValueError, IndexError):
        return None


def limited() -> bool:
    """Whether this process, and those that it starts, have a limit of their own (RLIMIT_AS)."""
    return left_by_limit() is not None


def left_by_groups(own: Path = GROUP, root: Path = GROUPS) -> list[int]:
    """Bytes that this process's control group and those around it still allow (systemd's MemoryMax, a container's
    limit); only those that have a limit. Files that are cached count as free."""
    try:
        inside = own.read_text(encoding="utf-8").strip().rpartition("::")[2].lstrip("/")
    except (OSError, ValueError):
        return []
    place, found = root / inside, []
    for group in (place, *(each for each in place.parents if each.is_relative_to(root))):
        with contextlib.suppress(OSError, ValueError, StopIteration):  # the root has no limit, most others "max"
            limit, taken = (int((group / f"memory.{name}").read_text(encoding="ascii")) for name in ("max", "current"))
            lines = (group / "memory.stat").read_text(encoding="ascii").splitlines()
            cached = next(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
            found.append(max(0, limit - taken + cached))
    return found
