"""The machine's own memory: what it could still give, and what a control group leaves of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from impasto_daemon.engine import host_memory

GIB = 1024**3


def group(folder: Path, limit: str, taken: int, cached: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{taken}\n")
    (folder / "memory.stat").write_text(f"anon 7\ninactive_file {cached}\n")


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "cgroup").write_text("0::/user.slice/impasto.service\n")
    return tmp_path / "cgroup"


def test_a_group_s_limit_leaves_what_it_has_not_taken_and_cached_files(tmp_path: Path, own: Path) -> None:
    group(tmp_path / "groups" / "user.slice" / "impasto.service", str(4 * GIB), 3 * GIB, GIB // 2)
    assert host_memory.left_by_groups(own, tmp_path / "groups") == [GIB + GIB // 2]


def test_the_groups_around_it_have_limits_too(tmp_path: Path, own: Path) -> None:
    group(tmp_path / "groups" / "user.slice" / "impasto.service", "max", GIB)
    group(tmp_path / "groups" / "user.slice", str(2 * GIB), 3 * GIB)
    assert host_memory.left_by_groups(own, tmp_path / "groups") == [0]


def test_without_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert host_memory.left_by_groups(tmp_path / "nowhere", tmp_path) == []


def test_the_least_of_all_is_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 2000 kB\n")
    monkeypatch.setattr(host_memory, "left_by_groups", lambda: [5000, 4096])
    assert host_memory.available(tmp_path / "meminfo") == 4096


def test_this_machine_has_some() -> None:
    found = host_memory.available()
    assert found is None or found > 0
