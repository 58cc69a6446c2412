"""The daemon's place on this machine: a socket path in a folder that only its user can enter, claimed by a lock.

ZeroMQ takes a socket path over without a word from whoever listens there, so the lock is what keeps two daemons
apart; and a path that a killed daemon left behind is free as soon as its lock is. The links to the workers lie beside
it, so that whoever has the lock knows whose they are.
"""

from __future__ import annotations

import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock
import zmq
from impasto_protocol.endpoint import LONGEST_PATH, TCP
from impasto_protocol.errors import Code, ImpastoError, bad_request

IPC = "ipc://"
LINKS = ".links"
LONGEST = LONGEST_PATH - len(f"{LINKS}/12345")
"""Bytes of the socket's path: those of the links have to be short enough as well."""


def socket_path(endpoint: str) -> Path:
    """The path of an ipc endpoint. Raises ImpastoError where the daemon cannot listen there."""
    if endpoint.startswith(TCP):
        raise bad_request(
            f"A daemon's own endpoint is a Unix socket, and not {endpoint}. To listen on the network beside it: "
            "impasto daemon --listen tcp://0.0.0.0:7766 (and no IMPASTO_ENDPOINT), then `impasto pair` for each client."
        )
    path = endpoint.removeprefix(IPC)
    if not endpoint.startswith(IPC) or not path.startswith("/"):
        raise bad_request(f"An endpoint is ipc:// and the absolute path of a socket, not {endpoint!r}.")
    if len(os.fsencode(path)) > LONGEST:
        raise bad_request(f"The path of a socket may have {LONGEST} bytes, and {path} is longer: use a shorter one.")
    return Path(path)


def links_of(path: Path) -> Path:
    """The folder beside a daemon's socket for the sockets that it shares with its workers, one after the other."""
    return Path(f"{path}{LINKS}")


@contextmanager
def claimed(path: Path, *, given: bool = False) -> Iterator[None]:
    """Own this socket path, in a private folder, until the end of the block; then no socket is left there, but for one
    that was `given` to us listening and stays with the giver. What a killed daemon left is swept up.

    Raises ImpastoError where the folder is not private or another daemon has the path.
    """
    _private_folder(path.parent)
    lock = filelock.FileLock(f"{path}.lock", timeout=0, mode=0o600)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise ImpastoError(
            Code.CONFLICT,
            f"Another daemon listens on {path} already: use it, stop it, or choose another endpoint.",
        ) from None
    except OSError as error:
        raise bad_request(f"The daemon cannot listen on {path}: {error.strerror or error}.") from error
    try:
        if not given and _somebody_listens(path):
            raise bad_request(f"Another program listens on {path}: stop it, or choose another endpoint.")
        shutil.rmtree(links_of(path), ignore_errors=True)
        try:
            yield
        finally:
            shutil.rmtree(links_of(path), ignore_errors=True)
            if not given:
                path.unlink(missing_ok=True)
    finally:
        lock.release()


@dataclass(frozen=True)
class UnixDoor:
    """A path in a private folder: only this user and root can reach it. `listening`: a descriptor that listens there
    already, if any."""

    path: Path
    listening: int | None = None

    def open(self, socket: zmq.Socket[bytes]) -> None:
        """Bind a socket to the path. Raises ImpastoError."""
        if self.listening is not None:
            socket.use_fd = self.listening
        try:
            socket.bind(f"{IPC}{self.path}")
            self.path.chmod(0o600)
        except (zmq.ZMQError, OSError) as error:
            raise bad_request(f"The daemon cannot listen on {self.path}: {error.strerror}.") from error

    def guest(self, route: zmq.Frame) -> str | None:
        """Nobody's but this user's and root's messages are heard, where the system tells who sent them."""
        try:
            user = str(route.get("Peer-Address")).split(":")[1]
        except (zmq.ZMQError, IndexError):
            return ""
        return "" if not user.isdigit() or int(user) in (os.getuid(), 0) else None


def _somebody_listens(path: Path) -> bool:
    """Whether a program that knows nothing of our lock has the path."""
    with socket.socket(socket.AF_UNIX) as attempt:
        attempt.settimeout(1.0)
        try:
            attempt.connect(str(path))
        except OSError:
            return False
    return True


def short_temporary_folder() -> str | None:
    """A folder for temporary folders in which a socket's path is short enough; None for the usual one."""
    needed = len(os.fsencode(tempfile.gettempdir())) + len("/impasto-12345678/daemon.sock")
    return "/tmp" if needed > LONGEST else None


def _private_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        itself, facts = folder.lstat(), folder.stat()
    except OSError as error:
        raise bad_request(f"The folder {folder} of the socket cannot be made: {error.strerror or error}.") from error
    if {itself.st_uid, facts.st_uid} != {os.getuid()}:  # a link can be changed by whoever owns it
        raise bad_request(f"The folder {folder} of the socket belongs to another user: choose one of your own.")
    if facts.st_mode & stat.S_ISVTX:
        raise bad_request(f"The folder {folder} of the socket is everybody's: choose one of your own.")
    if facts.st_mode & 0o077:
        raise bad_request(
            f"Other users can enter the folder {folder} of the socket: choose another one, or close it with "
            f"chmod 700 {folder}."
        )
