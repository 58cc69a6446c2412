"""Where a daemon may listen, and that it listens there alone."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import pytest
import zmq
from impasto_daemon.address import LONGEST, UnixDoor, claimed, links_of, short_temporary_folder, socket_path
from impasto_protocol.endpoint import LONGEST_PATH
from impasto_protocol.errors import Code, ImpastoError


@pytest.mark.parametrize(
    ("endpoint", "remedy"),
    [
        ("tcp://0.0.0.0:5555", "impasto daemon --listen"),
        ("ipc://relative/d.sock", "absolute path"),
        ("ipc://@abstract", "absolute path"),
        ("ipc://*", "absolute path"),
        ("", "ipc://"),
        ("/run/d.sock", "ipc://"),
        ("ipc:///" + "x" * LONGEST, "shorter"),
        ("ipc:///" + "ü" * 60, "shorter"),
    ],
)
def test_an_endpoint_that_cannot_be_used_is_refused_with_a_remedy(endpoint: str, remedy: str) -> None:
    with pytest.raises(ImpastoError) as refusal:
        socket_path(endpoint)
    assert refusal.value.code is Code.BAD_REQUEST
    assert remedy in str(refusal.value)


def test_the_longest_path_leaves_room_for_the_links_that_lie_beside_it() -> None:
    path = socket_path("ipc:///" + "x" * (LONGEST - 1))
    assert path == Path("/" + "x" * (LONGEST - 1))
    assert len(str(links_of(path) / "12345")) == LONGEST_PATH


def test_the_folder_is_made_private(socket_folder: Path) -> None:
    path = socket_folder / "new" / "d.sock"
    with claimed(path):
        assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o711, 0o770])
def test_a_folder_that_others_can_enter_is_refused(socket_folder: Path, mode: int) -> None:
    socket_folder.chmod(mode)
    with pytest.raises(ImpastoError, match="chmod 700"), claimed(socket_folder / "d.sock"):
        pass


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(socket_folder: Path) -> None:
    folder = socket_folder / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, -1)
    with pytest.raises(ImpastoError, match="another user"), claimed(folder / "d.sock"):
        pass
    link = socket_folder / "link"
    link.symlink_to(socket_folder)
    os.lchown(link, 12345, -1)
    with pytest.raises(ImpastoError, match="another user"), claimed(link / "d.sock"):
        pass


def test_a_folder_that_cannot_be_made_is_refused(socket_folder: Path) -> None:
    (socket_folder / "file").write_text("")
    with pytest.raises(ImpastoError, match="cannot be made"), claimed(socket_folder / "file" / "d.sock"):
        pass


def test_a_path_is_claimed_once_and_free_again_afterwards(socket_folder: Path) -> None:
    path = socket_folder / "d.sock"
    with claimed(path):
        with pytest.raises(ImpastoError, match="Another daemon listens on") as refusal, claimed(path):
            pass
        assert refusal.value.code is Code.CONFLICT
    with claimed(path):
        pass


def test_no_socket_is_left_behind(socket_folder: Path) -> None:
    path = socket_folder / "d.sock"
    with claimed(path):
        path.write_text("")
    assert not path.exists()


def test_what_a_killed_daemon_left_beside_its_socket_is_swept_up_and_nothing_else(socket_folder: Path) -> None:
    path, another = socket_folder / "d.sock", socket_folder / "e.sock"
    for each in (path, another):
        links_of(each).mkdir()
        (links_of(each) / "1").touch()
    with claimed(path):
        assert not links_of(path).exists()
        links_of(path).mkdir()
        (links_of(path) / "2").touch()
    assert not links_of(path).exists()
    assert (links_of(another) / "1").exists()


def test_another_program_s_socket_is_not_taken_over(socket_folder: Path) -> None:
    path = socket_folder / "d.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(ImpastoError, match="Another program listens"), claimed(path):
            pass
        assert path.is_socket()
    with claimed(path):
        pass
    assert not path.exists()


def test_a_temporary_folder_that_is_too_deep_for_a_socket_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("x" * 100)))
    assert short_temporary_folder() == "/tmp"
    monkeypatch.setattr(tempfile, "tempdir", "/tmp")
    assert short_temporary_folder() is None


class FrameFrom:
    """What a frame says of its sender."""

    def __init__(self, address: str | None) -> None:
        self._address = address

    def get(self, _: str) -> str:
        if self._address is None:
            raise zmq.ZMQError(zmq.EINVAL)
        return self._address


@pytest.mark.parametrize(
    ("address", "ours"),
    [(f"localhost:{os.getuid()}:0:1", True), ("localhost:0:0:1", True), ("localhost:54321:0:1", False), (None, True)],
)
def test_messages_of_other_users_are_told_apart_where_the_system_tells(address: str | None, ours: bool) -> None:
    assert UnixDoor(Path()).guest(FrameFrom(address)) == ("" if ours else None)  # type: ignore[arg-type]
