"""What a sandbox around GIMP lets through: where a daemon outside can be met, and what to type for one to be there.

A GIMP from Flatpak or Snap may start no program of the system and sees few of its sockets, but each of the two has a
folder that both sides see under one name. Knows environments and paths; nothing of GIMP, sockets or processes.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from impasto_protocol.endpoint import IPC, VARIABLE, default_endpoint, runtime_dir

FLATPAK, SNAP = "Flatpak", "Snap"
FLATPAK_SAYS = Path("/.flatpak-info")
"""Lies in every Flatpak, and nowhere else."""


def around(environ: Mapping[str, str] = os.environ) -> str | None:
    """The kind of sandbox that GIMP runs in, if it does."""
    if FLATPAK_SAYS.exists():
        return FLATPAK
    # Whatever is started from a program in a Snap inherits $SNAP: it has to be GIMP's own.
    return SNAP if environ.get("SNAP") and environ.get("SNAP_NAME", "").startswith("gimp") else None


def endpoint(environ: Mapping[str, str] = os.environ) -> str:
    """Where this GIMP looks for the daemon: $IMPASTO_ENDPOINT, else the user's own place, or one that a sandbox shows.

    In a Flatpak that is a folder of GIMP's own, which is there without asking, unless the user opened the usual one. In
    a Snap, $XDG_RUNTIME_DIR itself is such a folder.
    """
    usual = runtime_dir(environ)
    if environ.get(VARIABLE) or around(environ) != FLATPAK or usual.is_dir():
        return default_endpoint(environ)
    ours = usual.parent / "app" / environ.get("FLATPAK_ID", "org.gimp.GIMP")
    return f"{IPC}{ours / 'impasto' / 'daemon.sock'}"


def command(endpoint: str, environ: Mapping[str, str] = os.environ) -> str:
    """What to type in a terminal, outside the sandbox, for a daemon to be at this endpoint."""
    ours = f"{IPC}{runtime_dir(environ) / 'daemon.sock'}"
    if endpoint == ours and around(environ) != SNAP:  # what `impasto daemon` means out there too
        return "impasto daemon"
    return f"impasto daemon --endpoint {shlex.quote(endpoint)}"
