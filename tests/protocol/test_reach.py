"""A client talks to its own user's daemon alone, and knows at once where there is none."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from impasto_protocol import reach
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.reach import probe


def test_nobody_there_is_known_at_once_and_by_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "d.sock"
    assert _reason(path) == "absent"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    assert _reason(path) == "refused"
    path.unlink()
    path.write_text("no socket")
    assert _reason(path) in {"refused", "other"}
    assert _reason(tmp_path / ("x" * 200)) == "other"


def test_another_user_s_daemon_gets_no_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "d.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        probe(f"ipc://{path}")
        monkeypatch.setattr(reach, "_is_ours", lambda connection: False)
        assert _reason(path) == "foreign"


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Path]:
    """A socket of this user's, in a folder of its own."""
    path = tmp_path / "mine" / "d.sock"
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        yield path


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o1777])
def test_where_others_can_change_the_folder_nobody_is_talked_to(listening: Path, mode: int) -> None:
    """They could let it lead to a socket of this user's for the look, and to one of their own afterwards."""
    probe(f"ipc://{listening}")
    listening.parent.chmod(mode)
    assert _reason(listening) == "foreign"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_another_user_s_folder_or_link_to_a_folder_is_not_believed(listening: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.symlink_to(listening.parent)
    probe(f"ipc://{theirs}/d.sock")
    os.lchown(theirs, 12345, -1)
    assert _reason(theirs / "d.sock") == "foreign"
    theirs.unlink()
    theirs.mkdir(mode=0o755)
    os.chown(theirs, 12345, -1)
    (theirs / "d.sock").symlink_to(listening)
    assert _reason(theirs / "d.sock") == "foreign"


def _reason(path: Path) -> object:
    with pytest.raises(ImpastoError) as caught:
        probe(f"ipc://{path}")
    assert caught.value.code is Code.UNREACHABLE
    return caught.value.problem.details["reason"]
