"""Many jobs by many clients leave nothing behind in the daemon."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .soak import run

GROWTH = 4000
"""kB by which memory may differ: allocators keep some of what they were given."""


def test_nothing_grows_with_the_number_of_jobs() -> None:
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        found = run(Path(folder), jobs=300, clients=6)
    assert found.waiting == 0
    for name, before in found.before.items():
        after = found.after[name]
        assert (after.descriptors, after.threads) == (before.descriptors, before.threads), name
        assert after.memory - before.memory < GROWTH, name
