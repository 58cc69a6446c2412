"""How much of its own memory the machine could still give. No torch here: forecasts want to know it too."""

from __future__ import annotations

import contextlib
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
GROUP, GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def available(path: Path = MEMINFO) -> int | None:
    """Bytes that are left of the machine's memory, or of what this process's control group may take; None where the
    system does not say. Limits of the process itself do not count."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        spare = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    return min([spare, *left_by_groups()])


def limited() -> bool:
    """Whether this process, and those that it starts, have a limit of their own (RLIMIT_AS)."""
    import resource

    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


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
