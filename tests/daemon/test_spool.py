"""What is on disk is for its user alone, whole or not there at all, and never believed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
from impasto_daemon.files import UNFINISHED
from impasto_daemon.spool import ABANDONED, AGE, LATE, LENGTH, Spool, folder_of
from impasto_protocol.messages import Result
from impasto_protocol.picture import Picture
from impasto_protocol.server_events import Finished

FINISHED = Finished("job", "77aa", "test", "impasto", 2, 3, steps=5, seconds=1.5)
RESULT = Result(job="job", record={"seconds": 1.5}, pictures=(Picture(2, 3, 3, "u8", bytes(range(18))),))


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "results" / "mine")
    keep(spool)
    return spool


@pytest.fixture
def file(tmp_path: Path, spool: Spool) -> Path:
    """The one file that is there."""
    (path,) = (tmp_path / "results" / "mine").iterdir()
    return path


def test_each_endpoint_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    one, another = folder_of("ipc:///a"), folder_of("ipc:///b")
    assert one != another and one.parent == another.parent == tmp_path / "impasto" / "results"


def test_files_and_folder_are_for_the_user_alone(file: Path) -> None:
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_what_was_written_is_read(spool: Spool) -> None:
    assert spool.read("job") == RESULT
    assert spool.read("another") is None
    (found,) = spool.found()
    assert (found.finished, found.nbytes) == (FINISHED, 18)


def test_what_an_older_daemon_wrote_is_read(spool: Spool, file: Path) -> None:
    whole = file.read_bytes()
    (length,) = LENGTH.unpack(whole[: LENGTH.size])
    facts = json.loads(whole[LENGTH.size : LENGTH.size + length])
    assert facts.pop("stand_in") == ""
    older = json.dumps(facts).encode()
    file.write_bytes(LENGTH.pack(len(older)) + older + whole[LENGTH.size + length :])
    assert [found.finished for found in spool.found()] == [FINISHED]


def test_a_result_that_was_fetched_stays_readable_whatever_becomes_of_its_file(spool: Spool, file: Path) -> None:
    result = spool.read("job")
    os.truncate(file, 0)
    assert result == RESULT


def test_pixels_that_nobody_asked_for_are_not_read(spool: Spool, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []

    def part(file: BinaryIO, length: int) -> bytes:
        lengths.append(length)
        return file.read(length)

    monkeypatch.setattr("impasto_daemon.spool._part", part)
    spool.found()
    assert lengths and 18 not in lengths
    spool.read("job")
    assert lengths[-1] == 18


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda whole: b"",
    "cut off": lambda whole: whole[:-1],
    "without pixels": lambda whole: whole[: -18 - LENGTH.size],
    "cut off in a length": lambda whole: whole[:3],
    "too long": lambda whole: whole + b"!",
    "of endless parts": lambda whole: whole + LENGTH.pack(0) * 100,
    "a claim of more than there is": lambda whole: LENGTH.pack(2**63) + whole[8:],
    "no json": lambda whole: whole.replace(b'{"job"', b'["job"'),
    "what is remembered has no end": lambda whole: LENGTH.pack(len(whole) * 9999) + bytes(len(whole) * 9999),
    "deeply nested": lambda whole: LENGTH.pack(50_000) + b"[" * 50_000,
    "another type": lambda whole: whole.replace(b'"steps": 5', b'"steps": {'),
    "not a number": lambda whole: whole.replace(b'"seconds": 1.5', b'"seconds": NaN'),
    "another protocol": lambda whole: whole.replace(b"IMPASTO\x01", b"IMPASTO\x02"),
    "of another job": lambda whole: whole.replace(b'"job": "job"', b'"job": "sue"'),
    "another job's result": lambda whole: whole.replace(b"\xa3job\xa3job", b"\xa3job\xa3sue"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_a_damaged_file_is_logged_and_passed_over(
    spool: Spool, file: Path, damage: Callable[[bytes], bytes], caplog: pytest.LogCaptureFixture
) -> None:
    whole = file.read_bytes()
    damaged = damage(whole)
    assert damaged != whole
    file.write_bytes(damaged)
    assert spool.found() == []
    assert spool.read("job") is None or "sue" in damaged.decode(errors="replace")
    assert caplog.text.count("is no result that can be read") == 1


def test_a_file_that_cannot_be_read_goes_when_it_is_old(spool: Spool, file: Path) -> None:
    misnamed = file.with_name("x.result")
    misnamed.write_bytes(file.read_bytes())
    assert [found.finished for found in spool.found()] == [FINISHED]
    assert misnamed.exists()
    age(misnamed)
    spool.found()
    assert not misnamed.exists() and file.exists()


def foreign(folder: Path) -> list[Path]:
    """What is not ours, however it came there: another file, a link, a pipe."""
    notes, elsewhere, link, pipe = (folder / name for name in ("notes", "elsewhere", "a.result", "b.result"))
    for path in (notes, elsewhere):
        path.write_text("x")
    link.symlink_to(elsewhere)
    for path in (pipe, folder / f".c{UNFINISHED}"):
        os.mkfifo(path)
    return [notes, elsewhere, link, *folder.glob("*b.result"), *folder.glob(f".c{UNFINISHED}")]


def test_what_is_not_ours_is_left_alone_however_old(spool: Spool, file: Path, tmp_path: Path) -> None:
    documents, another = tmp_path / "documents", file.parent.parent / "another"
    for folder in (documents, another):
        folder.mkdir()
    (file.parent.parent / "link").symlink_to(documents)
    (documents / "mine.result").write_text("x")
    others = [documents / "mine.result", *foreign(file.parent), *foreign(another)]
    for path in others:
        age(path)
    assert [found.finished for found in spool.found()] == [FINISHED]
    assert [path for path in others if not path.is_symlink() and not path.exists()] == []


def test_a_result_whose_place_is_taken_by_a_pipe_keeps_nobody_waiting(spool: Spool, file: Path) -> None:
    file.unlink()
    os.mkfifo(file)
    assert spool.read("job") is None


def test_what_was_written_before_a_sudden_end_is_finished_by_the_next_daemon(spool: Spool, file: Path) -> None:
    file.unlink()
    unfinished = spool.write(FINISHED, RESULT)
    assert not file.exists() and unfinished.stat().st_mode & 0o777 == 0o600
    assert [found.finished for found in Spool(file.parent).found()] == [FINISHED]
    assert list(file.parent.iterdir()) == [file] and spool.read("job") == RESULT


def test_what_was_written_by_half_is_removed_at_once(spool: Spool, file: Path) -> None:
    file.unlink()
    unfinished = spool.write(FINISHED, RESULT)
    for size in (0, 5, unfinished.stat().st_size - 1):
        os.truncate(unfinished, size)
        assert spool.found() == [] and list(file.parent.iterdir()) == []
        unfinished = spool.write(FINISHED, RESULT)


@pytest.mark.parametrize("boot", ["another", None])
def test_what_was_never_finished_is_not_believed_after_the_machine_was_started_anew(
    spool: Spool, file: Path, boot: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.write(FINISHED, replace(RESULT, job="other"))
    monkeypatch.setattr("impasto_daemon.spool.BOOT", tmp_path / "boot")
    if boot:
        (tmp_path / "boot").write_text(boot)
    assert [found.finished for found in spool.found()] == [FINISHED], "what was finished counts"
    assert list(file.parent.iterdir()) == [file]


def test_what_was_abandoned_at_other_endpoints_goes(spool: Spool, file: Path) -> None:
    another = file.parent.parent / "another"
    keep(Spool(another))
    Spool(another).write(FINISHED, RESULT)
    left = list(another.iterdir())
    assert len(left) == 2
    for path in left:
        age(path)
    spool.found()
    assert set(another.iterdir()) == set(left), "its own daemon may still come"
    for path in left:
        age(path, ABANDONED)
    spool.found()
    assert not another.exists()


def test_who_comes_late_or_with_a_wrong_clock_still_gets_a_result(spool: Spool, file: Path) -> None:
    age(file, 40 * AGE)
    (found,) = spool.found()
    assert found.age == AGE - LATE and file.exists()


def test_a_clock_that_was_put_back_makes_no_result_younger_than_now(spool: Spool, file: Path) -> None:
    os.utime(file, (time.time() + 9999,) * 2)
    assert [found.age for found in spool.found()] == [0.0]


def keep(spool: Spool) -> None:
    """Write it and finish it."""
    spool.finish(spool.write(FINISHED, RESULT), FINISHED.job)


def age(path: Path, seconds: float = AGE) -> None:
    """Let a file have been written longer ago than that."""
    long_ago = time.time() - seconds - 1
    os.utime(path, (long_ago, long_ago), follow_symlinks=False)
