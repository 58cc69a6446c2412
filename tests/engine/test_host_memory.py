"""The machine's own memory: what it could still give, and what a control group leaves of it."""

from __future__ import annotations

import subprocess
import sys
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


@pytest.mark.parametrize(
    ("available", "limit", "groups", "free"),
    [(9000, None, [5000, 4096], 4096), (9000, 700, [5000], 700), (None, None, [0], 0), (None, None, [], None)],
)
def test_the_least_of_all_is_what_there_is(
    monkeypatch: pytest.MonkeyPatch, available: int | None, limit: int | None, groups: list[int], free: int | None
) -> None:
    monkeypatch.setattr(host_memory, "available", lambda: available)
    monkeypatch.setattr(host_memory, "left_by_limit", lambda: limit)
    monkeypatch.setattr(host_memory, "left_by_groups", lambda: groups)
    assert host_memory.free() == free


def test_a_limit_of_the_process_leaves_what_it_has_not_taken(tmp_path: Path) -> None:
    assert host_memory.left_by_limit() is None and not host_memory.limited()
    (tmp_path / "statm").write_text("1000 7 7 7 0 7 0\n")
    code = f"""
import resource
import subprocess
import sys
from pathlib import Path
from impasto_daemon.engine import host_memory
resource.setrlimit(resource.RLIMIT_AS, ({GIB},) * 2)
page = resource.getpagesize()
print(host_memory.left_by_limit(Path({str(tmp_path / "statm")!r})) == {GIB} - 1000 * page, host_memory.limited())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


def test_this_machine_has_some() -> None:
    found = host_memory.free()
    assert found is None or found > 0
