"""Iterates are spread over a painting's way, and kept on disk beside its result as far as that leaves room."""

from __future__ import annotations

import contextlib
import errno
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from impasto_daemon import files
from impasto_daemon.course import Course
from impasto_daemon.painter import open_painter
from impasto_daemon.painting import Iterate, Painted
from impasto_daemon.results import Results
from impasto_daemon.spool import ITERATE, Spool
from impasto_daemon.worker import Reporter
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.messages import Preview, Result
from impasto_protocol.picture import Picture
from impasto_protocol.server_events import Finished

from tests.daemon.test_painter import request as painting
from tests.fakes.daemon import RunningDaemon, picture, request, submit, wait_for
from tests.fakes.painter import of_one_grey

ENOSPC = OSError(errno.ENOSPC, "No space left on device")


def iterate(step: int, steps: int, done: float | None = None, whole: Callable[[], Picture] = picture) -> Iterate:
    share = step / steps if done is None else done
    return Iterate(step, steps, share, {}, lambda side: picture(side, side), whole, lambda: None)


def kept_of(course: Course, iterates: list[Iterate]) -> list[int]:
    return [each.step for each in iterates if course.keeps(each)]


# Which are kept -------------------------------------------------------------------------------------------


def test_they_are_spread_evenly_over_a_painting_of_one_size_and_the_end_is_the_result_s() -> None:
    assert kept_of(Course(3), [iterate(step, 100) for step in range(1, 101)]) == [25, 50, 75]


def test_where_sizes_grow_neither_the_coarse_nor_the_fine_ones_have_all() -> None:
    """Half of the steps are a tenth of the work."""
    way = [iterate(step, 100, min(step, 50) / 500 + max(0, step - 50) * 0.018) for step in range(1, 101)]
    steps = kept_of(Course(9), way)
    assert len(steps) == 9 and len([step for step in steps if step <= 50]) == 3


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_of_a_short_painting_all_are_kept_but_the_last(steps: int) -> None:
    assert kept_of(Course(16), [iterate(step, steps) for step in range(1, steps + 1)]) == list(range(1, steps))


def test_a_painting_that_turns_out_shorter_than_was_thought_has_no_more_than_was_asked_for() -> None:
    way = [iterate(step, 1000) for step in range(1, 101)] + [iterate(step, 110) for step in range(101, 111)]
    assert len(kept_of(Course(4), way)) <= 4


def test_nobody_asked_nothing_is_kept() -> None:
    assert kept_of(Course(0), [iterate(step, 10) for step in range(1, 11)]) == []


def test_who_is_to_choose_sees_a_preview_of_each_that_is_kept_though_none_is_due() -> None:
    reporter = Reporter(submit("job", preview=8, iterates=1), 0.0, clock=lambda: 0.0)
    told = [message for step in range(1, 11) for message in reporter.tell(iterate(step, 10), 0.0)]
    assert [message.step for message in told if isinstance(message, Result)] == [5]
    assert [(message.step, message.kept) for message in told if isinstance(message, Preview)] == [(3, False)]
    reporter = Reporter(submit("job", preview=8, iterates=1), 0.0, clock=lambda: 0.0)
    (_, kept, preview) = reporter.tell(iterate(1, 2), 0.0)
    assert isinstance(kept, Result) and isinstance(preview, Preview) and preview.kept


def test_one_that_memory_is_too_little_for_is_left_out_and_the_record_says_so() -> None:
    def failing() -> Picture:
        raise MemoryError

    reporter = Reporter(submit("job", iterates=1), 0.0)
    assert not any(isinstance(message, Result) for message in reporter.tell(iterate(1, 2, whole=failing), 0.0))
    (result,) = reporter.tell(Painted(picture(), {"notes": ["a note"]}), 1.0)
    assert isinstance(result, Result)
    assert result.record["notes"] == ["a note", "One iterate was not kept: the daemon had too little memory."]


def test_an_iterate_is_what_the_painting_would_be_if_it_ended_there() -> None:
    asked = painting(settings={"steps": 8, "coarsest": 8, "noise": 0.1})
    for step in (2, 11):  # of a coarse size, and of the last
        for event in open_painter("cpu").paint(asked):
            if isinstance(event, Iterate) and event.step == step:
                whole = event.whole()
                event.enough()
        assert isinstance(event, Painted) and bytes(event.picture.data) == bytes(whole.data)


def test_where_memory_is_short_no_whole_iterate_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    walk = open_painter("cpu").paint(painting())
    first = next(event for event in walk if isinstance(event, Iterate))
    monkeypatch.setattr("impasto_daemon.painter.host_memory.free", lambda: 1000)
    with pytest.raises(MemoryError):
        first.whole()
    walk.close()
    assert torch.is_grad_enabled()


# Where they are kept --------------------------------------------------------------------------------------

SIZE = 300


def whole(job: str, step: int = 0, nbytes: int = SIZE) -> Result:
    record = {} if step else {"notes": ["a note"]}
    return Result(job=job, step=step, record=record, pictures=(Picture(1, nbytes // 3, 3, "u8", bytes(nbytes)),))


def finished(job: str) -> Finished:
    return Finished(job, "77aa", "test", "impasto", 1, 1, steps=5, seconds=1.5)


def keep(results: Results, job: str, *steps: int) -> Result:
    """The result as it is found when it is stored, after iterates of these steps."""
    for step in steps:
        results.keep_iterate(finished(job), whole(job, step))
    results.keep(finished(job), whole(job))
    results.settle()
    found = results.get(job)
    assert found
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "results" / "endpoint"


@pytest.fixture
def results(folder: Path) -> Iterator[Results]:
    results = Results(Spool(folder), budget=4 * SIZE)
    yield results
    results.close()


def test_a_result_names_its_iterates_and_each_is_found_by_its_step(results: Results, folder: Path) -> None:
    assert keep(results, "a", 28, 14).iterates == (14, 28)
    assert results.nbytes == 3 * SIZE
    assert results.get("a", 14) == Result(job="a", step=14, iterates=(14, 28), pictures=whole("a").pictures)
    assert results.get("a", 15) is None
    assert {path.stat().st_mode & 0o777 for path in folder.glob(f"*{ITERATE}")} == {0o600}


def test_they_are_forgotten_with_the_result(results: Results, folder: Path) -> None:
    keep(results, "a", 14, 28)
    results.forget("a")
    results.close()
    assert results.get("a", 14) is None and not folder.exists()


def test_those_of_a_job_that_comes_to_nothing_are_forgotten(results: Results, folder: Path) -> None:
    results.keep_iterate(finished("a"), whole("a", 14))
    results.forget("a")
    results.close()
    assert results.nbytes == 0 and not folder.exists()


def test_an_iterate_never_drives_out_a_result(results: Results) -> None:
    keep(results, "before", 14)
    found = keep(results, "a", 14, 28, 42)
    assert found.iterates == (14, 28)
    assert results.get("before") and found.record["notes"] == [
        "a note",
        "One iterate was not kept: the daemon had too little room.",
    ]


def test_results_drive_out_iterates_the_oldest_ones_first(results: Results) -> None:
    keep(results, "a", 14)
    keep(results, "b", 14)
    keep(results, "c")
    assert [results.steps(job) for job in "abc"] == [(), (14,), ()]
    assert all(results.get(job) for job in "abc")


def test_on_a_disk_that_is_nearly_full_the_room_is_the_result_s(
    results: Results, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(files, "room", lambda _: SIZE * 10)
    assert keep(results, "a", 14).iterates == (14,)
    monkeypatch.setattr(files, "room", lambda _: SIZE * 4)
    found = keep(results, "b", 14)
    assert found.iterates == () and "One iterate was not kept" in str(found.record)
    assert "the iterate of step 14 of job b is not kept: No space left on device" in caplog.text


def test_a_disk_that_fills_up_gives_up_iterates_for_the_result(
    results: Results, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, full = Spool.write, iter([True, False])

    def fails_once(spool: Spool, *what: object) -> Path:
        if next(full):
            raise ENOSPC
        return write(spool, *what)  # type: ignore[arg-type]

    monkeypatch.setattr(Spool, "write", fails_once)
    assert keep(results, "a", 14).iterates == ()
    assert not list(folder.glob(f"*{ITERATE}")) and [each.finished.job for each in Spool(folder).found()] == ["a"]


def test_a_slow_disk_is_not_waited_for_with_all_of_them_in_memory(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_write, write = threading.Event(), Spool.write_iterate
    monkeypatch.setattr("impasto_daemon.iterates.WAITING", SIZE)
    monkeypatch.setattr(Spool, "write_iterate", lambda *words: (may_write.wait(10), write(*words))[1])
    results.keep_iterate(finished("a"), whole("a", 14))
    results.keep_iterate(finished("a"), whole("a", 28))
    may_write.set()
    assert keep(results, "a").iterates == (14,)


def test_they_outlive_the_daemon_and_are_within_the_next_one_s_budget(results: Results, folder: Path) -> None:
    keep(results, "a", 14, 28)
    results.close()
    with contextlib.closing(Results(Spool(folder), budget=4 * SIZE)) as after:
        (found,) = after.take_over()
        assert (found.iterates, after.steps("a"), after.nbytes) == ({14: SIZE, 28: SIZE}, (14, 28), 3 * SIZE)
        assert after.get("a", 28)
        after.forget("a")
    assert not folder.exists()


@pytest.mark.parametrize(
    "way", ["without a result", "damaged", "of another start of the machine", "under a wrong name"]
)
def test_the_next_daemon_removes_what_is_nobody_s(
    results: Results, folder: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "without a result":
        results.keep_iterate(finished("a"), whole("a", 14))
        results.settle()
    else:
        keep(results, "a", 14)
    (path,) = folder.glob(f"*{ITERATE}")
    if way == "damaged":
        path.write_bytes(path.read_bytes()[:-1])
    elif way == "under a wrong name":
        path.rename(path.with_name(path.name.replace("-14", "-15")))
    elif way == "of another start of the machine":
        monkeypatch.setattr("impasto_daemon.spool._boot", lambda: "another")
    assert all(not found.iterates for found in Spool(folder).found())
    assert not list(folder.glob(f"*{ITERATE}"))


def test_one_that_was_damaged_meanwhile_is_not_given_out(results: Results, folder: Path) -> None:
    keep(results, "a", 14)
    (path,) = folder.glob(f"*{ITERATE}")
    path.write_bytes(path.read_bytes()[:-1])
    assert results.get("a", 14) is None and results.steps("a") == ()


# The whole way --------------------------------------------------------------------------------------------


def test_a_client_chooses_among_iterates_until_it_acknowledges(shared_daemon: RunningDaemon) -> None:
    asked, previews = request(60, 40, steps=8, delay=0.02), list[Preview]()
    with shared_daemon.client() as client:
        before = client.status()["kept_bytes"]
        result = client.stylize(asked, preview=16, iterates=3, on_preview=previews.append)
        assert result.iterates == (2, 4, 6)
        assert {preview.step for preview in previews if preview.kept} <= set(result.iterates)
        chosen = client.fetch(result.job, 4)
        assert (chosen.step, chosen.pictures[0].sha256()) == (4, of_one_grey(asked.content, 4).sha256())
        with pytest.raises(ImpastoError, match="the steps 2, 4, 6") as caught:
            client.fetch(result.job, 5)
        assert (caught.value.code, caught.value.problem.details) == (Code.RESULT_GONE, {"steps": [2, 4, 6]})
        client.stay()
        client.acknowledge(result.job)
        with pytest.raises(ImpastoError, match="not kept"):
            client.fetch(result.job, 4)
        assert client.status()["kept_bytes"] == before


def test_a_job_that_is_cancelled_leaves_none(shared_daemon: RunningDaemon) -> None:
    with shared_daemon.client() as client:
        before = client.status()["kept_bytes"]
        job = client.submit(request(steps=1000, delay=0.005), iterates=16).job
        wait_for(lambda: client.status()["kept_bytes"] > before)
        client.cancel(job)
        with pytest.raises(ImpastoError):
            client.wait(job)
        assert client.status()["kept_bytes"] == before
