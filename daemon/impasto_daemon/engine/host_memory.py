"""How much of its own memory the machine could still give. No torch here: forecasts want to know it too."""

from __future__ import annotations

from pathlib import Path

MEMINFO = Path("/proc/meminfo")


def available(path: Path = MEMINFO) -> int | None:
    """Bytes, whatever limits a process has of its own; None where the system does not say."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None
