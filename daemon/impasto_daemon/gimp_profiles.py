"""Where each kind of GIMP 3 keeps its profiles, and which Python starts a plug-in there.

A profile is a folder that is named after GIMP's version (3.0, then 3.2): an upgrade begins a new one, and a plug-in
belongs into each. Knows folders and programs; nothing of what the plug-in is made of.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import platformdirs


@dataclass(frozen=True)
class Kind:
    """A way in which GIMP comes. name: for people. mark: the part of a path that tells its profiles from others.
    places: patterns for the folder that holds them, in the user's own; none for the system's folder for settings."""

    name: str
    mark: str = ""
    places: tuple[str, ...] = ()


COMMON = {"darwin": "GIMP for macOS", "win32": "GIMP for Windows"}
SYSTEM = Kind(COMMON.get(sys.platform, "GIMP of the system, as AppImage or from Flatpak"))
"""The folder that most share. Flatpak's GIMP 3 does: it asks for `xdg-config/GIMP`."""

KINDS = (
    SYSTEM,
    Kind("GIMP from Flatpak", ".var", (".var/app/org.gimp.GIMP*/config/GIMP",)),
    Kind("GIMP from Snap", "snap", ("snap/gimp*/current/.config/GIMP", "snap/gimp*/common/.config/GIMP")),
    Kind("GIMP from the Microsoft Store", "Packages", ("AppData/Local/Packages/GIMP*/LocalCache/Roaming/GIMP",)),
)
"""Every kind. A Flatpak that may not see the shared folder has one of its own; Snap's older revisions are copies."""

VERSIONS = ("3.0", "3.2")
"""Those whose programs are looked for where none was started yet."""
_PROFILE = re.compile(r"3\.\d+")

USUAL_PYTHON = Path("/usr/bin/python3")
"""The one that a distribution's GIMP is installed for, whatever another Python may be first on the PATH."""
WHICHEVER = "/usr/bin/env python3"
"""What GIMP's own plug-ins begin with. A GIMP that brings a Python along has it first on the PATH of its plug-ins; on
Windows it knows the word `python3` itself (interpreters/pygimp.interp)."""


def find() -> list[Path]:
    """The profile folders of every GIMP 3 that was started on this machine, or the one it will make.

    $GIMP3_DIRECTORY stands alone when set, as it does for GIMP.
    """
    named = os.environ.get("GIMP3_DIRECTORY")
    if named:
        return [Path(named)]
    places = [place for kind in KINDS for place in _places(kind)]
    there = [path for place in places for path in sorted(place.glob("3.*")) if _PROFILE.fullmatch(path.name)]
    found = {path.resolve(): path for path in reversed(there) if path.is_dir()}  # of two names the first
    return sorted(found.values()) or [_settings() / version for version in installed_versions() or VERSIONS[:1]]


def _places(kind: Kind) -> list[Path]:
    if not kind.places:
        return [_settings()]
    return [path for pattern in kind.places for path in Path.home().glob(pattern)]


def _settings() -> Path:
    """$XDG_CONFIG_HOME/GIMP, ~/Library/Application Support/GIMP, or %APPDATA%/GIMP."""
    return platformdirs.user_config_path("GIMP", appauthor=False, roaming=True)


def kind_of(profile: Path) -> Kind:
    """Whose profile it is."""
    return next((kind for kind in KINDS if kind.mark in profile.parts), SYSTEM)


def installed_versions() -> list[str]:
    """Versions of GIMP on the PATH that a distribution installed."""
    return [version for version in VERSIONS if shutil.which(f"gimp-{version}")]


# Python -----------------------------------------------------------------------------------------------------


def python_for(profile: Path) -> str:
    """What starts a plug-in in this profile: the system's Python where it has GIMP's bindings, else GIMP's own."""
    if kind_of(profile) is SYSTEM and sys.platform == "linux" and has_bindings(USUAL_PYTHON):
        return str(USUAL_PYTHON)
    return WHICHEVER


def has_bindings(python: Path) -> bool:
    """Whether this Python can talk to GIMP."""
    return said(python, "import gi; gi.require_version('Gimp', '3.0')") is not None


def said(python: Path, code: str) -> str | None:
    """What this Python prints when it runs the code to its end, else None."""
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout.strip()
