"""What is kept of finished jobs: whole or not at all, private, bounded, and never in anybody's way."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
import torch
from impasto_daemon import checkpoints, states
from impasto_daemon.checkpoints import Checkpoint, Checkpoints
from impasto_daemon.engine.optimise import Iterate, Walk, descend
from impasto_daemon.states import folder

SIDE = 64
"""Of the pictures, in pixels: three tensors of 48 KiB in a checkpoint at least."""


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty state folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def ended(steps: int = 4) -> Iterate:
    """The last iterate of a walk."""
    start = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(steps))
    *_, last = descend(lambda x: {"total": (x - 0.5).square().sum()}, start, steps, Walk("adam", 0.02, average=0.9))
    return last


def checkpoint(fingerprint: str = "same", steps: int = 4) -> Checkpoint:
    last = ended(steps)
    return Checkpoint(fingerprint, last.result, last.state())


def files() -> list[Path]:
    return sorted(folder().iterdir())


def test_what_was_kept_comes_back_whole() -> None:
    before = checkpoint("mark")
    Checkpoints().save("job", before)
    after = Checkpoints().load("job", "cpu")
    assert after is not None and after.fingerprint == "mark"
    assert after.state is not None and before.state is not None
    assert torch.equal(after.picture, before.picture) and torch.equal(after.state.variable, before.state.variable)
    assert after.state.losses == before.state.losses and after.state.rate == before.state.rate
    assert torch.equal(after.state.mean["sum"], before.state.mean["sum"])


def test_of_an_unknown_job_nothing_comes_back() -> None:
    assert Checkpoints().load("nobody", "cpu") is None


def test_a_job_that_is_kept_twice_has_its_last_state() -> None:
    for mark in ("old", "new"):
        Checkpoints().save("job", checkpoint(mark))
    after = Checkpoints().load("job", "cpu")
    assert after is not None and after.fingerprint == "new" and len(files()) == 1


def test_files_and_folder_are_this_user_s_alone() -> None:
    before = os.umask(0o000)
    try:
        Checkpoints().save("job", checkpoint())
    finally:
        os.umask(before)
    assert folder().stat().st_mode & 0o777 == 0o700 and files()[0].stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", ["../../escaped", "/etc/passwd", "a" * 64, "..", "job\0name"])
def test_a_job_s_name_is_no_path(tmp_path: Path, name: str) -> None:
    Checkpoints().save(name, checkpoint())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == files() and len(files()) == 1
    assert files()[0].name not in name and Checkpoints().load(name, "cpu") is not None


def test_the_oldest_go_when_all_of_them_are_too_large() -> None:
    store = Checkpoints(quota=3 * size_of(checkpoint()))
    for number, job in enumerate("abc"):
        store.save(job, checkpoint())
        os.utime(states.path_of(job), (number, number))
    store.save("d", checkpoint())
    assert [store.load(job, "cpu") is not None for job in "abcd"] == [False, False, True, True]


def test_of_one_that_is_too_large_the_picture_alone_is_kept_and_it_costs_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Checkpoints(quota=2 * size_of(checkpoint()))
    store.save("small", checkpoint())
    large = checkpoint()
    assert large.state is not None
    large.state.memory["history"] = [torch.zeros(3, SIDE, SIDE)] * 9  # type: ignore[index]
    with caplog.at_level(logging.INFO):
        store.save("large", store.fitting(large))
    after = store.load("large", "cpu")
    assert after is not None and after.state is None and torch.equal(after.picture, large.picture)
    assert "picture alone is kept" in caplog.text and store.load("small", "cpu") is not None


def test_one_whose_picture_is_too_large_is_not_kept_and_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    Checkpoints().save("small", checkpoint())
    with caplog.at_level(logging.INFO):
        store = Checkpoints(quota=size_of(Checkpoint("", checkpoint().picture, None)))
        store.save("large", store.fitting(checkpoint()))
    assert "nothing of it can be resumed" in caplog.text and Checkpoints().load("small", "cpu") is not None
    assert len(files()) == 1


def size_of(one: Checkpoint) -> int:
    return checkpoints.nbytes(checkpoints._plain(one))


def test_of_a_slice_only_what_it_shows_is_written() -> None:
    whole = torch.rand(9, 3, SIDE, SIDE)
    Checkpoints().save("job", Checkpoint("", whole[4:5], None))
    after = Checkpoints().load("job", "cpu")
    assert after is not None and torch.equal(after.picture, whole[4:5])
    assert files()[0].stat().st_size < 2 * whole[4:5].nbytes


def test_too_little_memory_to_read_one_is_not_taken_for_a_damaged_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Checkpoints().save("job", checkpoint())

    def failing(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(torch, "load", failing)
    with pytest.raises(MemoryError):
        Checkpoints().load("job", "cpu")


def test_a_file_that_goes_while_room_is_made_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    ghost = folder() / f"ghost{states.SUFFIX}"
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda path, pattern: [ghost, *glob(path, pattern)])
    Checkpoints().save("job", checkpoint())
    assert Checkpoints().load("job", "cpu") is not None


def test_the_disk_is_not_filled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("impasto_daemon.files.room", lambda _: 0)
    assert Checkpoints().fitting(checkpoint()) is None
    Checkpoints().save("job", None)
    assert not states.folder().exists()


def test_what_a_killed_worker_left_is_swept_away() -> None:
    folder().mkdir(parents=True)
    for sweeps in (Checkpoints, lambda: Checkpoints().save("job", checkpoint())):
        left = folder() / "half.unfinished"
        left.touch()
        os.utime(left, (0, 0))
        sweeps()
        assert not left.exists()


@pytest.mark.parametrize("damage", [b"", b"half a file", None], ids=["empty", "text", "another tree"])
def test_a_file_that_cannot_be_read_is_as_good_as_none_and_the_log_says_so(
    damage: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    Checkpoints().save("job", checkpoint())
    if damage is None:
        torch.save({"fingerprint": "same"}, files()[0])
    else:
        files()[0].write_bytes(damage)
    assert Checkpoints().load("job", "cpu") is None and "cannot be read" in caplog.text


def test_a_file_that_would_run_code_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "trapped"),)

    Checkpoints().save("job", checkpoint())
    torch.save({"fingerprint": Trap()}, files()[0])
    assert Checkpoints().load("job", "cpu") is None and not (tmp_path / "trapped").exists()
