"""Starting daemons: what the launcher does beside the common case, which the command's own tests hold."""

from __future__ import annotations

import contextlib
import gc
import socket
import stat
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest
from impasto_daemon import launch
from impasto_protocol.endpoint import LONGEST_PATH
from impasto_protocol.errors import Code, ImpastoError

from tests.cli.conftest import House, alive, until


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    """This process in the house, so that what it starts is there too."""
    for name, value in house.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(tempfile, "tempdir", str(house.folder))


def test_a_daemon_that_listens_is_used_and_none_started(house: House) -> None:
    house.socket.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(house.socket))
        listener.listen()
        said = list[str]()
        assert launch.ensure_daemon(say=said.append) == house.environ["IMPASTO_ENDPOINT"]
    assert said == [] and not house.log.exists()


def test_the_log_of_the_last_daemons_is_put_aside_when_it_is_long(house: House) -> None:
    house.log.parent.mkdir(parents=True)
    house.log.write_bytes(b"x" * (launch.LOG_BYTES + 1))
    launch.ensure_daemon()
    assert house.log.with_suffix(".log.1").stat().st_size > launch.LOG_BYTES
    until(lambda: "ready" in house.log.read_text())


def test_a_daemon_starts_where_no_log_can_be_written(house: House) -> None:
    (house.folder / "state").touch()
    launch.ensure_daemon()
    assert house.run("status").returncode == 0


def test_only_the_user_can_enter_the_folder_of_a_private_daemon(house: House) -> None:
    with launch.private_daemon() as endpoint:
        folder = Path(endpoint.removeprefix("ipc://")).parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not folder.exists()


def test_a_private_daemon_ends_with_an_error_too(house: House) -> None:
    with pytest.raises(ZeroDivisionError), launch.private_daemon():
        pids = house.processes()
        assert pids
        raise ZeroDivisionError
    assert not any(map(alive, pids))


def test_a_temporary_folder_with_a_long_name_is_no_obstacle(house: House) -> None:
    deep = house.folder / ("x" * LONGEST_PATH)
    deep.mkdir()
    (house.folder / "my.pth").write_bytes(b"weights")
    house.environ["TMPDIR"] = str(deep)
    assert house.run(*house.stylize("--weights", "my.pth")).returncode == 0


def test_a_daemon_that_cannot_start_says_the_last_line_of_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        pytest.raises(ImpastoError, match="'purple' is not one of") as caught,
        launch.private_daemon("--log-level", "purple"),
    ):
        pass
    assert caught.value.code is Code.UNREACHABLE


def launched(house: House, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "impasto_daemon.launch", *words]
    return subprocess.run(command, env=house.environ, capture_output=True, text=True, timeout=60, check=False)


def test_a_command_that_is_interrupted_while_a_daemon_starts_says_nothing_of_that_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "executable", "/bin/true")
    monkeypatch.setattr(launch, "_await", interrupted)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with contextlib.suppress(KeyboardInterrupt):
            launch.ensure_daemon()
        gc.collect()
    assert [str(each.message) for each in said] == []


def test_gimps_plug_in_starts_a_daemon_with_one_command_which_ends_when_it_listens(house: House) -> None:
    done = launched(house, house.environ["IMPASTO_ENDPOINT"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert house.run("status").returncode == 0
    assert launched(house).returncode == 0, "the second time one is there"


def test_the_command_says_in_one_sentence_why_no_daemon_can_be_started(house: House) -> None:
    done = launched(house, "ipc:///proc/nowhere/daemon.sock")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "The folder /proc/nowhere of the socket cannot be made" in done.stderr


@pytest.mark.parametrize(
    ("reason", "other_user"),
    [("absent", False), ("refused", False), ("forbidden", True), ("foreign", True), ("other", False)],
)
def test_where_another_user_listens_no_daemon_is_started(
    monkeypatch: pytest.MonkeyPatch, reason: str, other_user: bool
) -> None:
    def probe(_: str) -> None:
        raise ImpastoError(Code.UNREACHABLE, "No daemon answers", reason=reason)

    monkeypatch.setattr(launch, "probe", probe)
    with pytest.raises(ImpastoError) if other_user else contextlib.nullcontext():
        assert not launch.somebody_listens("ipc:///anywhere")
