"""Weights: fetched with resume and checksum from a real HTTP server on this machine, and loaded or refused."""

from __future__ import annotations

import errno
import hashlib
import http.server
import io
import os
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import filelock
import pytest
import torch
from impasto_daemon import weights
from impasto_protocol.errors import Code, ImpastoError

from tests.engine.networks import random_vgg, random_vgg19

BODY = hashlib.shake_256(b"weights").digest(3_300_000)
NAME = f"net-{hashlib.sha256(BODY).hexdigest()[:8]}.pth"


class Server(http.server.ThreadingHTTPServer):
    """Serves BODY; its fields say how it misbehaves, and it notes the Range headers it gets."""

    body = BODY
    ranges_allowed = True
    cut_after: int | None = None  # bytes after which it closes the first connection
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []

    def known(self) -> weights.Known:
        return weights.Known("net", f"http://127.0.0.1:{self.server_address[1]}/models/{NAME}")

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is part of these tests."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        body, status = self.server.body, self.server.status
        if status != 200:
            self.send_error(status)
            return
        if wanted and self.server.ranges_allowed:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(body):
                self.send_error(416)
                return
            body, status = body[start:], 206
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut, self.server.cut_after = self.server.cut_after, None
        self.wfile.write(body[:cut])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def fetched(item: weights.Known, folder: Path) -> tuple[Path, list[weights.Progress]]:
    walk, seen = weights.fetch(item, folder), []
    while True:
        try:
            seen.append(next(walk))
        except StopIteration as stop:
            return stop.value, seen


def refused(item: weights.Known, folder: Path, code: Code = Code.MISSING_WEIGHTS) -> ImpastoError:
    with pytest.raises(ImpastoError) as caught:
        fetched(item, folder)
    assert caught.value.code is code
    return caught.value


def test_a_file_is_fetched_with_progress_and_stands_there_whole(server: Server, tmp_path: Path) -> None:
    path, seen = fetched(server.known(), tmp_path / "new" / "weights")
    assert path.read_bytes() == BODY and path.name == NAME
    assert seen[0] == weights.Progress(0, len(BODY)) and seen[-1] == weights.Progress(len(BODY), len(BODY))
    assert [p.name for p in path.parent.iterdir() if p.suffix != ".lock"] == [NAME]


def test_after_a_cut_connection_the_next_fetch_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.cut_after = 2_000_000
    error = refused(server.known(), tmp_path)
    assert "what has come so far is kept" in str(error)
    assert not (tmp_path / NAME).exists()
    path, seen = fetched(server.known(), tmp_path)
    assert path.read_bytes() == BODY
    assert server.asked == [None, "bytes=2000000-"]
    assert seen[0] == weights.Progress(2_000_000, len(BODY))


def test_a_fetch_that_is_closed_keeps_what_has_come_and_lets_others_on(server: Server, tmp_path: Path) -> None:
    walk = weights.fetch(server.known(), tmp_path)
    next(walk)
    next(walk)
    walk.close()
    assert (tmp_path / (NAME + ".part")).stat().st_size == weights.CHUNK
    assert fetched(server.known(), tmp_path)[0].read_bytes() == BODY
    assert server.asked[-1] == f"bytes={weights.CHUNK}-"


@pytest.mark.parametrize("spoilt", [b"", BODY[:-1000], b"x" + BODY[1:]], ids=["empty", "cut", "changed"])
def test_a_damaged_file_is_set_aside_and_fetched_again(server: Server, tmp_path: Path, spoilt: bytes) -> None:
    (tmp_path / NAME).write_bytes(spoilt)
    assert fetched(server.known(), tmp_path)[0].read_bytes() == BODY
    assert (tmp_path / (NAME + ".bad")).read_bytes() == spoilt and server.asked == [None]


def test_a_sound_file_is_left_as_it_is(server: Server, tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(BODY)
    assert fetched(server.known(), tmp_path) == (tmp_path / NAME, []) and server.asked == []


def test_a_file_of_another_size_is_not_even_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / NAME).write_bytes(BODY)
    item = weights.Known("net", f"https://example.org/{NAME}", len(BODY) / weights.MEBIBYTE)
    assert weights.is_sound(item, tmp_path / NAME)
    monkeypatch.setattr(weights, "sha256", lambda path: pytest.fail("it was read"))
    (tmp_path / NAME).write_bytes(BODY[:-2000])
    assert not weights.is_sound(item, tmp_path / NAME)


def test_a_sound_file_in_torch_hub_s_cache_is_taken_before_a_damaged_one_in_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, hub_s = tmp_path / "ours" / NAME, tmp_path / "hub" / NAME
    monkeypatch.setattr(weights, "places", lambda item: (ours, hub_s))
    for path, content in ((ours, b"spoilt"), (hub_s, BODY)):
        path.parent.mkdir()
        path.write_bytes(content)
    assert weights.find_sound(weights.Known("net", f"https://example.org/{NAME}")) == hub_s


def test_a_server_without_ranges_sends_it_all_again(server: Server, tmp_path: Path) -> None:
    server.ranges_allowed = False
    (tmp_path / (NAME + ".part")).write_bytes(BODY[:1_000_000])
    assert fetched(server.known(), tmp_path)[0].read_bytes() == BODY


@pytest.mark.parametrize("part", [BODY, b"x" * 1000, BODY + b"more"], ids=["whole", "other", "longer"])
def test_a_partial_file_that_is_whole_or_wrong_is_sorted_out(server: Server, tmp_path: Path, part: bytes) -> None:
    (tmp_path / (NAME + ".part")).write_bytes(part)
    assert fetched(server.known(), tmp_path)[0].read_bytes() == BODY


def test_a_wrong_checksum_is_tried_once_more_and_then_refused(server: Server, tmp_path: Path) -> None:
    server.body = b"wrong" + BODY[5:]
    error = refused(server.known(), tmp_path, Code.BAD_WEIGHTS)
    assert NAME in str(error) and len(server.asked) == 2
    assert not (tmp_path / NAME).exists() and not (tmp_path / (NAME + ".part")).exists()


@pytest.mark.parametrize("status", [404, 500])
def test_a_server_that_says_no_is_quoted(server: Server, tmp_path: Path, status: int) -> None:
    server.status = status
    assert f"the server answered {status}" in str(refused(server.known(), tmp_path))


def test_a_server_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    error = refused(weights.Known("net", f"http://127.0.0.1:{port}/{NAME}"), tmp_path)
    assert str(error).startswith("Check the network, then try again") and "cannot be reached" in str(error)


def test_a_full_disk_is_a_clear_error_and_leaves_nothing_behind(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full after a megabyte (as the file system would say it: ENOSPC from write)."""

    class FullDisk(io.FileIO):
        def write(self, data: object) -> int:
            if self.tell() >= weights.CHUNK:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data)  # type: ignore[arg-type]

    honest = Path.open

    def opening(self: Path, mode: str = "r", *rest: object) -> IO[bytes]:
        return FullDisk(self, mode) if mode in ("wb", "ab") else honest(self, mode, *rest)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", opening)
    error = refused(server.known(), tmp_path)
    assert "disk is full" in str(error) and str(tmp_path) in str(error)
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".lock"] == []


def test_a_limit_on_file_sizes_is_told_like_a_full_disk(server: Server, tmp_path: Path) -> None:
    """The kernel refuses the write itself (EFBIG)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * weights.CHUNK, before[1]))
    try:
        error = refused(server.known(), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "disk is full" in str(error)


def test_a_folder_that_cannot_be_made_is_told(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert NAME in str(refused(server.known(), tmp_path / "file" / "weights"))


def test_two_who_want_the_same_file_fetch_it_once(server: Server, tmp_path: Path) -> None:
    other = filelock.FileLock(str(tmp_path / NAME) + ".lock")
    other.acquire()
    walk = weights.fetch(server.known(), tmp_path)
    assert next(walk) == weights.Progress(0, 0)  # waits, and lets its caller breathe
    (tmp_path / NAME).write_bytes(BODY)  # the other one is done
    other.release()
    with pytest.raises(StopIteration):
        next(walk)
    assert server.asked == []


@pytest.mark.parametrize(("network", "mebibytes"), [("vgg19", 548), ("vgg16", 527)])
def test_the_address_the_size_and_the_checksum_are_torchvision_s(network: str, mebibytes: int) -> None:
    item = weights.known()[network]
    assert item.network == network and mebibytes < item.mebibytes < mebibytes + 1
    assert item.file.startswith(f"{network}-") and len(item.sha256_prefix) == 8 and item.sha256_prefix in item.file


def test_weights_are_looked_for_in_our_cache_and_then_in_torch_hub_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    item = weights.Known("net", f"https://example.org/{NAME}", 5 / weights.MEBIBYTE)
    monkeypatch.setattr(weights, "known", lambda: {"net": item})
    (row,) = weights.listing()
    assert weights.find(item) is None and not row.present and row.path.parent == weights.cache_folder()
    for path in reversed(weights.places(item)):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"12345")
        assert weights.find(item) == path
    (row,) = weights.listing()
    assert row.present and row.size == 5 and row.path == weights.cache_folder() / item.file


def test_a_file_of_another_size_is_listed_as_damaged_unless_a_whole_one_is_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, hub_s = tmp_path / "ours" / NAME, tmp_path / "hub" / NAME
    item = weights.Known("net", f"https://example.org/{NAME}", len(BODY) / weights.MEBIBYTE)
    monkeypatch.setattr(weights, "places", lambda item: (ours, hub_s))
    monkeypatch.setattr(weights, "known", lambda: {"net": item})
    for path, content in ((ours, BODY[:-2000]), (hub_s, BODY)):
        path.parent.mkdir()
        (row,) = weights.listing()
        assert not row.present and row.damaged == ours.exists()
        path.write_bytes(content)
    (row,) = weights.listing()
    assert row == weights.Listing("net", hub_s, len(BODY), item.sha256_prefix, present=True, damaged=False, partial=0)


# Loading.


def test_a_partial_state_dict_loads_and_the_classifier_stays_on_the_disk(tmp_path: Path) -> None:
    state = random_vgg19(3)
    torch.save({**state, "classifier.0.weight": torch.zeros(10, 10)}, tmp_path / "part.pth")
    found = weights.load(tmp_path / "part.pth")
    assert set(found) == set(state)
    assert all(torch.equal(found[name], state[name]) for name in state)


def test_layers_after_a_gap_are_left_on_the_disk_unchecked(tmp_path: Path) -> None:
    state = random_vgg19(3)
    del state["features.2.bias"]
    state["features.5.weight"] = torch.full((128, 64, 3, 3), torch.nan)
    torch.save(state, tmp_path / "gap.pth")
    assert set(weights.load(tmp_path / "gap.pth")) == {"features.0.weight", "features.0.bias"}


def test_what_an_error_advises_depends_on_who_chose_the_file(tmp_path: Path) -> None:
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    with pytest.raises(ImpastoError, match="leave --weights out"):
        weights.load(tmp_path / "bad.pth", given=True)
    with pytest.raises(ImpastoError, match="`impasto weights fetch` repairs it") as caught:
        weights.load(tmp_path / "bad.pth", given=False)
    assert "--weights" not in str(caught.value) and caught.value.code is Code.BAD_WEIGHTS


def test_the_old_format_of_torch_loads_as_well(tmp_path: Path) -> None:
    torch.save(random_vgg19(1), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert set(weights.load(tmp_path / "old.pth")) == {"features.0.weight", "features.0.bias"}


class Payload:
    """Would run code if it were unpickled freely."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("exit 1",)


def bad_files() -> dict[str, object]:
    good = random_vgg19(2)
    nan = {**good, "features.2.bias": torch.full((64,), torch.nan)}
    return {
        "empty": b"",
        "text": b"not weights at all\n" * 50,
        "picture": b"\x89PNG\r\n\x1a\n" + bytes(500),
        "a list": [1, 2, 3],
        "a tensor": torch.zeros(3),
        "code": {"features.0.weight": Payload()},
        "another network": {**good, "features.3.weight": torch.zeros(64, 64, 3, 3)},
        "other names": {"conv1.weight": torch.zeros(64, 3, 3, 3)},
        "no first layer": {name: value for name, value in good.items() if ".0." not in name},
        "another shape": {**good, "features.0.weight": torch.zeros(64, 3, 5, 5)},
        "integers": {**good, "features.0.bias": torch.zeros(64, dtype=torch.int64)},
        "no tensors": {"features.0.weight": "hello", "features.0.bias": "you"},
        "nan": nan,
    }


def test_what_a_file_must_hold_depends_on_the_network(tmp_path: Path) -> None:
    for network, other in (("vgg16", "vgg19"), ("vgg19", "vgg16")):
        torch.save(random_vgg(network, 8), tmp_path / "net.pth")
        assert len(weights.load(tmp_path / "net.pth", network)) == 16
        with pytest.raises(ImpastoError, match=f"{other.upper()} has no features") as caught:
            weights.load(tmp_path / "net.pth", other)
        assert caught.value.code is Code.BAD_WEIGHTS and f"Give a state dict of {other.upper()}" in str(caught.value)
        with pytest.raises(ImpastoError, match=f"`{weights.fetch_command(other)}` repairs it"):
            weights.load(tmp_path / "net.pth", other, given=False)


def test_a_path_is_checked_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty.pth").touch()
    for path, why in (("empty.pth", "is empty"), ("none.pth", "there is no weights file"), (".", "is a folder")):
        with pytest.raises(ImpastoError, match=why) as caught:
            weights.check_weights_path(tmp_path / path)
        assert caught.value.code is Code.BAD_WEIGHTS
    monkeypatch.chdir(tmp_path)
    Path("some.pth").write_bytes(b"x")
    assert weights.check_weights_path(Path("some.pth")) == tmp_path / "some.pth"


def test_looking_at_paths_and_places_loads_no_torch() -> None:
    code = "import sys, impasto_daemon.weights; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "torchvision", "numpy"} & set(done.stdout.split())


@pytest.mark.parametrize("kind", bad_files())
def test_a_file_that_is_no_vgg19_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    path, content = tmp_path / "bad.pth", bad_files()[kind]
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ImpastoError) as caught:
        weights.load(path)
    assert caught.value.code is Code.BAD_WEIGHTS and str(path) in str(caught.value)
    assert caught.value.problem.details == {"file": str(path)}


def test_a_truncated_file_a_folder_and_no_file_are_refused_by_name(tmp_path: Path) -> None:
    whole = tmp_path / "whole.pth"
    torch.save(random_vgg19(2), whole)
    (tmp_path / "cut.pth").write_bytes(whole.read_bytes()[:-3000])
    for path in (tmp_path / "cut.pth", tmp_path, tmp_path / "absent.pth"):
        with pytest.raises(ImpastoError) as caught:
            weights.load(path)
        assert caught.value.code is Code.BAD_WEIGHTS and str(path) in str(caught.value)
