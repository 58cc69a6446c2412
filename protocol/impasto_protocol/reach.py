"""Whether anybody of ours can be listening at an endpoint, found out at once.

ZeroMQ would go on trying for as long as it is let, and over a Unix socket it would talk to anybody. Knows plain
sockets; nothing of ZeroMQ and of what is said over them.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from .endpoint import IPC, TCP, tcp_address
from .errors import Code, ImpastoError

SECONDS = 3.0
"""What a machine on the network has to answer."""


def probe(endpoint: str) -> None:
    """Raises ImpastoError(UNREACHABLE) where nobody of ours can be listening. Over the network who it is shows later.

    details: `reason`, one of "absent", "refused" (a socket is left, its daemon is gone; or no port is open),
    "forbidden", "foreign" (another user listens, or could the next time) and "other".
    """
    if endpoint.startswith(TCP):
        host, port = tcp_address(endpoint)
        with _told(endpoint, _ON_THE_NETWORK):
            socket.create_connection((host.strip("[]"), port), timeout=SECONDS).close()
    elif endpoint.startswith(IPC) and hasattr(socket, "AF_UNIX"):  # Windows' Python has none, its ZeroMQ has
        call(endpoint).close()


def call(endpoint: str, seconds: float = 1.0) -> socket.socket:
    """A connection to who listens at ipc://PATH and is of ours. Raises ImpastoError as `probe` does."""
    attempt = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path = Path(endpoint[len(IPC) :])
    try:
        attempt.settimeout(seconds)
        with _told(endpoint, _REASONS):
            attempt.connect(str(path))
            private = _is_private(path.parent)
        if not _is_ours(attempt):
            raise _unreachable(endpoint, "foreign", "another user listens there")
        if not private:
            sentence = f"other users can put a socket of theirs into {path.parent}, so use a folder that is yours alone"
            raise _unreachable(endpoint, "foreign", sentence)
    except BaseException:
        attempt.close()
        raise
    return attempt


@contextlib.contextmanager
def _told(endpoint: str, reasons: Mapping[type[OSError], tuple[str, str]]) -> Iterator[None]:
    """What the system has against it, as a sentence."""
    try:
        yield
    except OSError as error:
        raise _unreachable(endpoint, *reasons.get(type(error), ("other", error.strerror or str(error)))) from None


def _unreachable(endpoint: str, reason: str, sentence: str) -> ImpastoError:
    return ImpastoError(
        Code.UNREACHABLE,
        f"No daemon answers at {endpoint}: {sentence}. `impasto doctor` says what to do.",
        reason=reason,
    )


STARTS = "; one is started when there is something to paint"
_REASONS: dict[type[OSError], tuple[str, str]] = {
    FileNotFoundError: ("absent", f"no daemon runs{STARTS}"),
    ConnectionRefusedError: ("refused", f"the daemon that was there is gone{STARTS}"),
    PermissionError: ("forbidden", "it belongs to another user"),
}
_ON_THE_NETWORK: dict[type[OSError], tuple[str, str]] = {
    socket.gaierror: ("other", "no machine of that name is known"),
    TimeoutError: ("other", "the machine is off, or a firewall is in between"),
    ConnectionRefusedError: ("refused", "the machine is there, and no daemon listens (`impasto daemon --listen`)"),
}


def _is_ours(connection: socket.socket) -> bool:
    """Whether this user or root is at the other end, where the system tells (Linux)."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    peer = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", peer)
    return user in (os.getuid(), 0)


def _is_private(folder: Path) -> bool:
    """Whether none but this user and root can put another socket into this folder, or another folder in its place:
    ZeroMQ connects once more, after we have looked."""
    itself, facts = folder.lstat(), folder.stat()
    return {itself.st_uid, facts.st_uid} <= {os.getuid(), 0} and not facts.st_mode & 0o022
