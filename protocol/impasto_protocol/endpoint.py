"""Where the daemon of this user listens, unless told otherwise; and what an address on the network looks like."""

from __future__ import annotations

import getpass
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from .errors import Code, ImpastoError

VARIABLE = "IMPASTO_ENDPOINT"
LONGEST_PATH = 107
"""Bytes of a Unix socket's path, set by the kernel."""
TCP, IPC = "tcp://", "ipc://"
PORT = 7766
"""The port that Impasto's pages and commands propose."""

_TCP = re.compile(r"tcp://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?):([0-9]{1,5})")


def runtime_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's own folder for sockets: $XDG_RUNTIME_DIR/impasto, or one in the temporary folder."""
    base = environ.get("XDG_RUNTIME_DIR")
    if base:
        return Path(base) / "impasto"
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()  # Windows knows no numbers
    system = Path(f"/run/user/{user}")
    return system / "impasto" if system.is_dir() else Path(tempfile.gettempdir()) / f"impasto-{user}"


def default_endpoint(environ: Mapping[str, str] = os.environ) -> str:
    """$IMPASTO_ENDPOINT, or the ipc socket in the user's runtime folder."""
    return environ.get(VARIABLE) or f"ipc://{runtime_dir(environ) / 'daemon.sock'}"


def tcp_address(endpoint: str) -> tuple[str, int]:
    """Host (an IPv6 address in its brackets) and port, 0 to 65535. Raises ImpastoError(BAD_REQUEST)."""
    match = _TCP.fullmatch(endpoint)
    if not match or int(match[3]) > 65535:
        sentence = f"An endpoint on the network is tcp://HOST:PORT, as tcp://gpubox:{PORT}, and not {endpoint!r}."
        raise ImpastoError(Code.BAD_REQUEST, sentence)
    return match[1], int(match[3])
