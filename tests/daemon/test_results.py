"""Finished pictures stay within their budget, on disk where there is room, and outlive the daemon."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
from impasto_daemon import files
from impasto_daemon.results import Results
from impasto_daemon.spool import Spool
from impasto_protocol.messages import Result
from impasto_protocol.picture import Picture
from impasto_protocol.server_events import Finished

from tests.fakes.daemon import wait_for


def finished(job: str) -> Finished:
    return Finished(job, "77aa", "test", "impasto", 1, 1, steps=5, seconds=1.5)


def result(job: str, nbytes: int) -> Result:
    return Result(job=job, record={"recipe": "impasto"}, pictures=(Picture(1, nbytes // 3, 3, "u8", bytes(nbytes)),))


def keep(results: Results, job: str, nbytes: int) -> tuple[str, ...]:
    return results.keep(finished(job), result(job, nbytes))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "results" / "endpoint"


@pytest.fixture
def results(folder: Path) -> Iterator[Results]:
    results = Results(Spool(folder), budget=1000)
    yield results
    results.close()


def test_a_result_is_kept_until_it_is_forgotten(results: Results, folder: Path) -> None:
    assert keep(results, "a", 300) == ()
    assert results.get("a") == result("a", 300)
    assert (len(results), results.nbytes) == (1, 300)
    results.forget("a")
    assert results.get("a") is None
    assert (len(results), results.nbytes) == (0, 0)
    results.close()
    assert not folder.exists()


def test_a_result_on_disk_is_not_in_memory_as_well(results: Results) -> None:
    keep(results, "a", 300)
    wait_for(lambda: not results.in_memory)
    assert results.get("a") == result("a", 300)


def test_of_any_number_of_small_results_a_thousand_stay_those_kept_last(folder: Path) -> None:
    names = [f"{number}" for number in range(1001)]
    with contextlib.closing(Results(NowhereToWrite(folder))) as results:
        assert [gone for job in names for gone in keep(results, job, 3)] == ["0"]
        assert len(results) == 1000 and results.get("1") and results.get("1000")


class NowhereToWrite(Spool):
    """On a disk that takes nothing."""

    def write(self, finished: Finished, result: Result) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")


def told(results: Results) -> list[str]:
    """The next results that are stored."""
    results.settle()
    assert select.select(results.watched(), [], [], 10)[0]
    return results.stored(time.monotonic())


def test_a_result_is_stored_once_it_is_written(results: Results, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    may_sync, we = threading.Event(), threading.current_thread()
    monkeypatch.setattr(os, "fsync", lambda _: threading.current_thread() is we or may_sync.wait(10))
    keep(results, "a", 300)
    assert told(results) == ["a"] and results.stored(math.inf) == []
    assert results.in_memory == 1, "it is not on the disk itself"
    assert [each.finished for each in Spool(folder).found()] == [finished("a")]
    may_sync.set()


def test_the_next_result_does_not_wait_for_the_disk(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    may_sync = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda _: may_sync.wait(10))
    for job in ("a", "b"):
        keep(results, job, 300)
        assert told(results) == [job]
    may_sync.set()


def test_a_disk_that_does_not_answer_keeps_nobody_waiting_for_ever(
    results: Results, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    may_write, write = threading.Event(), Spool.write
    monkeypatch.setattr(Spool, "write", lambda *words: (may_write.wait(10), write(*words))[1])
    keep(results, "a", 300)
    due = results.deadline()
    assert due is not None and results.stored(due - 1) == []
    assert results.stored(due) == ["a"] and results.deadline() is None
    assert "the disk is slow" in caplog.text and results.get("a") == result("a", 300)
    may_write.set()
    assert told(results) == []


def test_who_acknowledges_more_quickly_than_the_disk_leaves_nothing_there(
    results: Results, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_sync = threading.Event()
    monkeypatch.setattr(os, "fsync", lambda _: may_sync.wait(10))
    for job in ("a", "b"):
        keep(results, job, 300)
        told(results)
        results.forget(job)
    may_sync.set()
    results.close()
    assert not folder.exists()


def test_results_outlive_those_who_kept_them(results: Results, folder: Path) -> None:
    for job in ("a", "b"):
        keep(results, job, 300)
    results.forget("a")
    results.close()
    successor = Results(Spool(folder))
    (found,) = successor.take_over()
    assert found.finished == finished("b") and found.age < 60
    assert (successor.get("b"), successor.nbytes) == (result("b", 300), 300)
    successor.forget("b")
    successor.close()
    assert not folder.exists()


def test_the_oldest_results_go_when_the_budget_is_exceeded(results: Results) -> None:
    for job in ("a", "b", "c"):
        keep(results, job, 300)
    assert keep(results, "d", 600) == ("a", "b")
    assert [job for job in "abcd" if results.get(job)] == ["c", "d"]


def test_results_that_were_found_have_the_same_budget(results: Results, folder: Path) -> None:
    for job in ("a", "b", "c"):
        keep(results, job, 300)
        wait_for(lambda: not results.in_memory)
    results.close()
    successor = Results(Spool(folder), budget=600)
    assert [found.finished.job for found in successor.take_over()] == ["b", "c"]
    successor.close()
    assert len(list(folder.iterdir())) == 2


def test_a_result_larger_than_the_budget_is_still_delivered(results: Results) -> None:
    assert keep(results, "a", 3000) == ()
    assert results.get("a") is not None
    assert keep(results, "b", 3) == ("a",)


def test_keeping_a_job_again_replaces_its_result(results: Results) -> None:
    keep(results, "a", 900)
    assert keep(results, "a", 600) == ()
    assert results.nbytes == 600
    wait_for(lambda: not results.in_memory)
    assert results.get("a") == result("a", 600)


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: os.truncate(path, 20)], ids=["gone", "cut short"])
def test_a_result_whose_file_is_lost_is_not_kept_any_more(
    results: Results, folder: Path, damage: Callable[[Path], None]
) -> None:
    keep(results, "a", 300)
    wait_for(lambda: not results.in_memory)
    assert told(results) == ["a"] and results.lost() == []
    damage(next(folder.iterdir()))
    assert results.get("a") is None
    assert select.select(results.watched(), [], [], 0)[0], "whoever sleeps hears of it"
    assert results.lost() == ["a"] and results.lost() == []
    assert (len(results), results.nbytes) == (0, 0)


def test_a_result_that_the_disk_cannot_read_now_is_still_kept(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(results, "a", 300)
    wait_for(lambda: not results.in_memory)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", Mock(side_effect=OSError(errno.EIO, "Input/output error")))
        with pytest.raises(OSError, match="Input/output"):
            results.get("a")
    assert results.get("a") == result("a", 300) and results.lost() == []


def test_forgetting_what_is_not_kept_is_harmless(results: Results) -> None:
    results.forget("never heard of")


def test_a_full_disk_costs_no_result(
    results: Results, folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(files, "ROOM_LEFT", 2**62)
    keep(results, "a", 300)
    wait_for(lambda: caplog.records)
    assert told(results) == ["a"]
    assert "job a is kept in memory alone" in caplog.text and "No space left" in caplog.text
    assert results.get("a") == result("a", 300)
    assert (results.in_memory, folder.exists()) == (1, False)


def test_a_disk_that_was_full_for_a_while_has_the_result_in_the_end(
    results: Results, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(files, "ROOM_LEFT", 2**62)
        keep(results, "a", 300)
        assert told(results) == ["a"] and results.in_memory == 1
    results.close()
    assert [each.finished for each in Spool(folder).found()] == [finished("a")]
