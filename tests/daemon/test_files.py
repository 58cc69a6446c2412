"""A file takes its place whole or not at all, for its user alone, and what a killed writer left goes."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from impasto_daemon import files


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    return path


@pytest.mark.parametrize("sync", [False, True])
def test_a_file_takes_its_place_when_it_is_whole(path: Path, sync: bool) -> None:
    with files.whole(path, sync=sync) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and list(path.parent.iterdir()) == [path]


def test_a_file_is_for_its_user_alone_from_the_beginning(path: Path) -> None:
    with files.whole(path):
        (unfinished,) = set(path.parent.iterdir()) - {path}
        assert unfinished.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), files.whole(path) as file:
        file.write(b"half a f")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old" and list(path.parent.iterdir()) == [path]


def test_a_place_that_cannot_be_taken_leaves_nothing_else(path: Path) -> None:
    with pytest.raises(OSError, match="directory"), files.whole(path.parent / "file") as file:
        path.unlink()
        path.mkdir()
        file.write(b"new")
    assert list(path.parent.iterdir()) == [path]


def test_what_is_synced_is_on_the_disk_before_it_takes_its_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(os, "fsync", lambda handle: seen.append((os.fstat(handle).st_size, path.read_bytes())))
    with files.whole(path, sync=True) as file:
        file.write(b"longer")
    assert seen == [(6, b"old")]


def test_what_a_killed_writer_left_is_swept_away_after_a_while(path: Path) -> None:
    old, young = (path.with_name(f".{name}{files.UNFINISHED}") for name in ("old", "young"))
    for each in (old, young):
        each.touch()
    for each in (old, path):
        os.utime(each, (time.time() - files.STALE - 1,) * 2)
    files.sweep(path.parent)
    assert set(path.parent.iterdir()) == {young, path}
    files.sweep(path.parent, stale=0.0)
    assert set(path.parent.iterdir()) == {path}


def test_a_writer_leaves_what_is_swept_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)  # as if it were killed
    with pytest.raises(KeyboardInterrupt), files.whole(path):
        raise KeyboardInterrupt
    monkeypatch.undo()
    assert len(list(path.parent.iterdir())) == 2
    files.sweep(path.parent, stale=0.0)
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    folder = tmp_path / "one" / "two"
    assert files.private(folder) == folder
    folder.chmod(0o755)
    files.private(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_some_of_the_disk_is_left_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = {tmp_path: SimpleNamespace(free=files.ROOM_LEFT + 5)}
    monkeypatch.setattr(shutil, "disk_usage", usage.__getitem__)
    assert files.room(tmp_path) == files.room(tmp_path / "not" / "there" / "yet") == 5
