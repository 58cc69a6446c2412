"""Slips: whoever finds one that nobody holds knows of a painting that outlived its GIMP."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from impasto_daemon import plugin_install


@pytest.fixture
def slips(without_gimp: None) -> Any:
    return importlib.import_module("slips")


def slip(slips: Any, job: str = "job") -> Any:
    return slips.Slip(job, "ipc:///a/b", "Layer — 1", "photo.xcf", ("starry_night.jpg", "été.png"))


def test_a_slip_is_held_as_long_as_somebody_waits_for_its_painting(slips: Any, tmp_path: Path) -> None:
    with slips.Held(slip(slips), tmp_path, {}):
        (found,) = slips.found(tmp_path)
        assert found.held and found.slip == slip(slips)
    assert slips.found(tmp_path) == []


def test_one_that_is_left_is_found_with_nobody_holding_it(slips: Any, tmp_path: Path) -> None:
    with slips.Held(slip(slips), tmp_path, {}) as held:
        held.leave()
    (found,) = slips.found(tmp_path)
    assert not found.held
    slips.drop(found.path)
    assert slips.found(tmp_path) == []


def test_a_process_that_is_killed_lets_go_of_its_slip(slips: Any, tmp_path: Path) -> None:
    code = (
        f"import sys, time; sys.path.insert(0, {str(plugin_install.source_folder())!r})\n"
        "import slips; from pathlib import Path\n"
        f"held = slips.Held(slips.Slip('job', 'e', 'l', 'i', ('s',)), Path({str(tmp_path)!r}), {{}})\n"
        "print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"held\n"
        assert [found.held for found in slips.found(tmp_path)] == [True]
        process.kill()
    assert [found.held for found in slips.found(tmp_path)] == [False]


def test_on_windows_what_is_locked_can_be_read_by_others(
    without_gimp: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """There a lock is of the bytes where the file stands, and nobody else reads them."""
    locked = set[tuple[int, int]]()

    def locking(file: int, _mode: int, number: int) -> None:
        place = os.fstat(file).st_ino, os.lseek(file, 0, os.SEEK_CUR)
        if number != 1 or place in locked:
            raise PermissionError
        locked.add(place)

    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2))
    slips = importlib.import_module("slips")
    with slips.Held(slip(slips), tmp_path, {"copies": ["iVBOR"]}):
        (found,) = slips.found(tmp_path)
        assert found.held and found.slip == slip(slips) and slips.about(found.path) == {"copies": ["iVBOR"]}
        assert all(place > 1_000_000 > found.path.stat().st_size for _file, place in locked)


NAMELESS = '{"job": "x", "styles": ["a"]}'
UNSTYLED = '{"job": "x", "endpoint": "e", "layer": "l", "image": "i", "styles": []}'


@pytest.mark.parametrize("content", ["", "{", "[]", '{"job": "x"}', "null", "\x00", NAMELESS, UNSTYLED])
def test_what_is_no_slip_is_passed_over(slips: Any, tmp_path: Path, content: str) -> None:
    folder = tmp_path / slips.FOLDER
    folder.mkdir()
    (folder / "x.json").write_text(content)
    (folder / "y.json").mkdir()
    assert slips.found(tmp_path) == []


def test_what_its_painting_is_to_keep_comes_with_it_and_goes_with_it_and_is_nobody_else_s(
    slips: Any, tmp_path: Path
) -> None:
    kept = {"source": {"name": "lake"}, "copies": ["iVBOR"], "files": ["/home/me/\udcff.png"]}
    with slips.Held(slip(slips), tmp_path, kept) as held:
        held.leave()
    (found,) = slips.found(tmp_path)
    assert slips.about(found.path) == kept
    assert os.name == "nt" or found.path.stat().st_mode & 0o077 == 0
    slips.drop(found.path)
    assert list((tmp_path / slips.FOLDER).iterdir()) == []


@pytest.mark.parametrize("second", ["", "\n", '\n{"copies": ["iVB', "\n[]\n"])
def test_a_slip_without_that_or_cut_off_is_one_all_the_same(slips: Any, tmp_path: Path, second: str) -> None:
    (tmp_path / slips.FOLDER).mkdir()
    (tmp_path / slips.FOLDER / "job.json").write_text(json.dumps(asdict(slip(slips))) + second)
    (found,) = slips.found(tmp_path)
    assert found.slip == slip(slips) and slips.about(found.path) == {}


def test_a_profile_that_cannot_be_written_is_no_reason_not_to_paint(slips: Any, tmp_path: Path) -> None:
    (tmp_path / slips.FOLDER).write_text("a file where the folder should be")
    with slips.Held(slip(slips), tmp_path, {}):
        pass


def test_slips_come_oldest_first(slips: Any, tmp_path: Path) -> None:
    for age, job in enumerate(("c", "a", "b")):
        slips.Held(slip(slips, job), tmp_path, {}).leave()
        path = tmp_path / slips.FOLDER / f"{job}.json"
        path.touch()
        os.utime(path, (1000 + age, 1000 + age))
    assert [found.slip.job for found in slips.found(tmp_path)] == ["c", "a", "b"]


class Gimp:
    """As much of GIMP as a canvas is swept up with. open: its images and its displays, by their kinds and numbers."""

    def __init__(self, kept: dict[str, bytes], *opened: str) -> None:
        self.kept, self.open = kept, set(opened)
        self.Image, self.Display = self._kind("image"), self._kind("display")

    def _kind(self, kind: str) -> SimpleNamespace:
        def get_by_id(number: int) -> SimpleNamespace:
            return SimpleNamespace(delete=lambda: self.open.remove(f"{kind} {number}"))

        return SimpleNamespace(get_by_id=get_by_id, id_is_valid=lambda number: f"{kind} {number}" in self.open)

    def get_parasite_list(self) -> list[str]:
        return list(self.kept)

    def get_parasite(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(get_data=lambda: self.kept[name])

    def detach_parasite(self, name: str) -> None:
        del self.kept[name]

    def get_images(self) -> list[SimpleNamespace]:
        """What a file brings is in its image, and nothing to go by."""
        brought = SimpleNamespace(get_data=lambda: b"x 1")
        return [SimpleNamespace(get_parasite=lambda _name: brought, delete=lambda: pytest.fail("closed"))]


@pytest.mark.parametrize("writable", [True, False])
def test_a_canvas_is_closed_where_slips_can_tell_that_nobody_waits_for_its_painting(
    slips: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writable: bool
) -> None:
    canvas = importlib.import_module("canvas")
    jobs = {"ours": b"2 2", "theirs": b"3 3", "shown": b"4 4", "hidden": b"5 0", "closed": b"6 1", "no": b"\xff"}
    kept = {"impasto-canvas-wanted": b"yes", **{f"{canvas.KEPT}{job}": data for job, data in jobs.items()}}
    artist_s = {"image 1", "display 1"}
    opened = {*artist_s, *(f"{kind} {number}" for kind in ("image", "display") for number in (2, 3, 4)), "image 5"}
    gimp = Gimp(kept, *opened)
    monkeypatch.setattr(canvas, "Gimp", gimp)
    if not writable:
        (tmp_path / slips.FOLDER).write_text("a file where the folder should be")
    with slips.Held(slip(slips, "ours"), tmp_path, {}), slips.Held(slip(slips, "theirs"), tmp_path, {}):
        canvas.sweep(tmp_path, "ours")
    assert opened - gimp.open == ({"display 4", "image 5"} if writable else set())
    assert len(gimp.kept) == (3 if writable else 7), "what is swept up is forgotten"
