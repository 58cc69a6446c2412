"""The daemon as a systemd service of one user: its unit files, and systemctl around them. Knows nothing of what is
said over a socket.

systemd holds the socket and starts the daemon for whoever asks first. Where no user manager answers (a container, a
login without systemd) the files are written all the same, and the caller is told what to type once there is one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from impasto_protocol.errors import Code, ImpastoError

from . import files

NAME, SOCKET = "impasto.service", "impasto.socket"
UNITS = (NAME, SOCKET)
TEMPLATES = Path(__file__).parent
ENABLE = ("daemon-reload",), ("enable", "--now", SOCKET)
DISABLE = (("disable", "--now", *UNITS),)
WANTED = f"default.target.wants/{NAME}", f"sockets.target.wants/{SOCKET}"
"""What `enable` makes beside the units, of the daemon's own only for who lets it listen on the network."""


@dataclass(frozen=True)
class Status:
    """unit: the service's file, if it is there. current: it and the socket's are what this version would write.
    enabled, active: systemd's own words of the socket, and running: of the daemon; `unknown` where no user manager
    answers."""

    unit: Path | None
    current: bool
    enabled: str
    active: str
    running: str


@dataclass(frozen=True)
class Outcome:
    """What was done: the units' paths, and what is left for the user to type (nothing, if systemd answered)."""

    units: tuple[Path, ...]
    left: tuple[str, ...]


def unit_path(name: str = NAME) -> Path:
    """Where systemd looks for the units that a user wrote."""
    config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(config).expanduser() / "systemd" / "user" / name


def unit_text(name: str = NAME, python: str = sys.executable) -> str:
    """The unit file for this Python."""
    return (TEMPLATES / name).read_text(encoding="utf-8").replace("@PYTHON@", quoted(python))


def quoted(word: str) -> str:
    """A word of ExecStart, with what systemd would replace in it made plain; in the first word it leaves $ alone."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def install() -> Outcome:
    """Write the units, have the daemon started when it is needed from now on. Raises ImpastoError."""
    paths = tuple(unit_path(name) for name in UNITS)
    for path in paths:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with files.whole(path) as file:
                file.write(unit_text(path.name).encode())
        except OSError as error:
            raise _failed(f"{path} cannot be written: {error.strerror}. Check the folder's permissions") from None
    return Outcome(paths, _systemctl_all(ENABLE))


def uninstall() -> Outcome | None:
    """Stop the service and take its units away; None where there were none. Raises ImpastoError."""
    paths = tuple(path for path in map(unit_path, UNITS) if path.exists())
    if not paths:
        return None
    left = _systemctl_all(DISABLE)
    for path in paths:
        try:
            path.unlink()
        except OSError as error:
            raise _failed(f"{path} cannot be taken away: {error.strerror}. Check the folder's permissions") from None
    # Without a manager, what `enable` made is taken away by hand.
    for link in WANTED:
        (unit_path().parent / link).unlink(missing_ok=True)
    left = _systemctl_all((("daemon-reload",),)) if not left else ()
    return Outcome(paths, left)


def status() -> Status:
    """How the service stands."""
    current = True
    for name in UNITS:
        try:
            current &= unit_path(name).read_text(encoding="utf-8") == unit_text(name)
        except OSError:
            current = False
    if not unit_path().exists():
        return Status(None, False, "unknown", "unknown", "unknown")
    asked = ("is-enabled", SOCKET), ("is-active", SOCKET), ("is-active", NAME)
    known = has_manager()
    return Status(unit_path(), current, *(_word(*words) if known else "unknown" for words in asked))


def has_manager() -> bool:
    """Whether a systemd user manager answers here."""
    return _systemctl("show-environment").returncode == 0


def _systemctl_all(commands: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Run these one after the other; what is left to type where no manager answers. Raises ImpastoError."""
    if not has_manager():
        return tuple(" ".join(("systemctl", "--user", *command)) for command in commands)
    for command in commands:
        done = _systemctl(*command)
        if done.returncode:
            reason = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
            raise _failed(
                f"systemctl --user {' '.join(command)} failed: {reason[-1]}. `systemctl --user status {NAME}` says more"
            )
    return ()


def _word(verb: str, unit: str) -> str:
    return _systemctl(verb, unit).stdout.strip() or "unknown"


def _systemctl(*words: str) -> subprocess.CompletedProcess[str]:
    """systemctl of the user; a failed result where there is none or it does not answer."""
    command = ["systemctl", "--user", "--no-pager", *words]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def _failed(sentence: str) -> ImpastoError:
    return ImpastoError(Code.INTERNAL, sentence)
