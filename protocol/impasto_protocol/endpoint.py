"""Where the daemon of this user listens, unless told otherwise."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "IMPASTO_ENDPOINT"
LONGEST_PATH = 107
"""Bytes of a Unix socket's path, set by the kernel."""


def runtime_dir(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's own folder for sockets: $XDG_RUNTIME_DIR/impasto, or one in the temporary folder."""
    base = environ.get("XDG_RUNTIME_DIR")
    if base:
        return Path(base) / "impasto"
    system = Path(f"/run/user/{os.getuid()}")
    return system / "impasto" if system.is_dir() else Path(tempfile.gettempdir()) / f"impasto-{os.getuid()}"


def default_endpoint(environ: Mapping[str, str] = os.environ) -> str:
    """$IMPASTO_ENDPOINT, or the ipc socket in the user's runtime folder."""
    return environ.get(VARIABLE) or f"ipc://{runtime_dir(environ) / 'daemon.sock'}"
