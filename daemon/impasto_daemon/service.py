"""The daemon as a systemd service of one user: its unit file, and systemctl around it. Knows nothing of sockets.

Where no user manager answers (a container, a login without systemd) the file is written all the same, and the
caller is told what to type once there is one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from impasto_protocol.errors import Code, ImpastoError

NAME = "impasto.service"
TEMPLATE = Path(__file__).with_name(NAME)
ENABLE = ("daemon-reload",), ("enable", "--now", NAME)
DISABLE = (("disable", "--now", NAME),)


@dataclass(frozen=True)
class Status:
    """unit: the file, if it is there. current: it is what this version would write. enabled, active: systemd's own
    words, `unknown` where no user manager answers."""

    unit: Path | None
    current: bool
    enabled: str
    active: str


@dataclass(frozen=True)
class Outcome:
    """What was done: the unit's path, and what is left for the user to type (nothing, if systemd answered)."""

    unit: Path
    left: tuple[str, ...]


def unit_path() -> Path:
    """Where systemd looks for the units that a user wrote."""
    config = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(config).expanduser() / "systemd" / "user" / NAME


def unit_text(python: str = sys.executable) -> str:
    """The unit file for this Python."""
    return TEMPLATE.read_text(encoding="utf-8").replace("@PYTHON@", quoted(python))


def quoted(word: str) -> str:
    """A word of ExecStart, with what systemd would replace in it made plain; in the first word it leaves $ alone."""
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def install() -> Outcome:
    """Write the unit, have it started now and at every login. Raises ImpastoError."""
    path = unit_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(unit_text(), encoding="utf-8")
        new.replace(path)
    except OSError as error:
        raise _failed(f"{path} cannot be written: {error.strerror}. Check the folder's permissions") from None
    return Outcome(path, _systemctl_all(ENABLE))


def uninstall() -> Outcome | None:
    """Stop the service and take its unit away; None where there was none. Raises ImpastoError."""
    path = unit_path()
    if not path.exists():
        return None
    left = _systemctl_all(DISABLE)
    try:
        path.unlink()
    except OSError as error:
        raise _failed(f"{path} cannot be taken away: {error.strerror}. Check the folder's permissions") from None
    # Without a manager, what `enable` made is taken away by hand.
    (path.parent / "default.target.wants" / NAME).unlink(missing_ok=True)
    left = _systemctl_all((("daemon-reload",),)) if not left else ()
    return Outcome(path, left)


def status() -> Status:
    """How the service stands."""
    path = unit_path()
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return Status(None, False, "unknown", "unknown")
    known = has_manager()
    enabled, active = (_word(verb) if known else "unknown" for verb in ("is-enabled", "is-active"))
    return Status(path, text == unit_text(), enabled, active)


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


def _word(verb: str) -> str:
    return _systemctl(verb, NAME).stdout.strip() or "unknown"


def _systemctl(*words: str) -> subprocess.CompletedProcess[str]:
    """systemctl of the user; a failed result where there is none or it does not answer."""
    command = ["systemctl", "--user", "--no-pager", *words]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def _failed(sentence: str) -> ImpastoError:
    return ImpastoError(Code.INTERNAL, sentence)
