"""Files with keys: in a folder of the user's own, mode 0600, and not believed where others could read or change them.

The only module of this package that writes files. What is in them is the business of whoever asks.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .endpoint import TCP, tcp_address
from .errors import Code, ImpastoError
from .pairing import KEY_BYTES, NAME, Pairing


def folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Where keys belong: impasto/keys in $XDG_CONFIG_HOME or ~/.config."""
    return next(_folders(environ))


def pairing_path(endpoint: str, inside: Path) -> Path:
    """The file of the pairing with the daemon at this endpoint (tcp://HOST:PORT), in a folder for keys."""
    host, port = tcp_address(endpoint)
    return inside / "daemons" / f"{host.lower()}:{port}.json"


def store_pairing(pairing: Pairing) -> Path:
    """Keep a pairing, in place of an earlier one with the same daemon; its file. Raises ImpastoError."""
    path = pairing_path(pairing.endpoint, folder())
    facts = {"name": pairing.name, "server": pairing.server.hex(), "secret": pairing.secret.hex()}
    write_private(path, {"endpoint": pairing.endpoint, **facts})
    return path


def load_pairing(endpoint: str) -> Pairing:
    """The pairing with the daemon at this endpoint.

    Raises ImpastoError: NOT_PAIRED where there is none, BAD_REQUEST where its file cannot be used.
    """
    paths = [pairing_path(endpoint, each) for each in _folders(os.environ)]
    path = next((each for each in paths if each.exists()), None)
    if path is None:
        raise ImpastoError(
            Code.NOT_PAIRED,
            f"This machine has no key for {endpoint}. On the machine with the daemon type `impasto pair`, and here "
            "`impasto pair CODE` with the line that it prints.",
        )
    facts = read_private(path)
    try:
        server, secret = bytes.fromhex(facts["server"]), bytes.fromhex(facts["secret"])
        if NAME.fullmatch(facts["name"]) and len(server) == len(secret) == KEY_BYTES:
            return Pairing(facts["name"], endpoint, server, secret)
    except (KeyError, TypeError, ValueError):
        pass
    raise _damaged(path)


def known_endpoints() -> list[str]:
    """The daemons that this machine has keys for, as tcp://HOST:PORT; whether the keys can be used shows later."""
    return sorted({f"{TCP}{path.stem}" for each in _folders(os.environ) for path in each.glob("daemons/*.json")})


def forget_pairing(endpoint: str) -> Path:
    """Take away the keys for the daemon at this endpoint; the file that they were in. What they allow is taken away at
    the daemon. Raises ImpastoError: NOT_PAIRED where there are none, BAD_REQUEST."""
    paths = [path for each in _folders(os.environ) if (path := pairing_path(endpoint, each)).exists()]
    if not paths:
        known = ", ".join(each.removeprefix(TCP) for each in known_endpoints()) or "none"
        sentence = f"This machine has no key for {endpoint}: check the address. It has keys for: {known}."
        raise ImpastoError(Code.NOT_PAIRED, sentence)
    for path in paths:
        try:
            path.unlink()
        except OSError as error:
            sentence = f"The key file {path} cannot be taken away: {error.strerror}. Check its folder's permissions."
            raise ImpastoError(Code.BAD_REQUEST, sentence) from error
    return paths[0]


def read_private(path: Path) -> dict[str, Any]:
    """A file's JSON object. Raises ImpastoError(BAD_REQUEST) where others can read or change it or it is damaged, and
    FileNotFoundError."""
    try:
        with path.open("rb") as file:
            _check(path, os.fstat(file.fileno()), 0o077)
            check_folders(path)
            found = json.loads(file.read())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ImpastoError(
            Code.BAD_REQUEST, f"The key file {path} cannot be read: {error.strerror}. Check its permissions."
        ) from error
    except ValueError:
        raise _damaged(path) from None
    if not isinstance(found, dict):
        raise _damaged(path)
    return found


def write_private(path: Path, facts: Mapping[str, Any]) -> None:
    """Write this as JSON that its user alone can read, whole or not at all. Raises ImpastoError(BAD_REQUEST), also
    where others could change it: it would not be read."""
    try:
        make_folders(path)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)  # mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(facts, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        sentence = f"The key file {path} cannot be written: {error.strerror}. Check the folder and the disk."
        raise ImpastoError(Code.BAD_REQUEST, sentence) from error


def make_folders(path: Path) -> None:
    """The folders for this key file, the user's alone whatever the umask. Raises OSError and, where others can change
    one that was there, ImpastoError."""
    inside = _inside(path)
    inside[0].parent.mkdir(parents=True, exist_ok=True)
    for each in inside:
        each.mkdir(mode=0o700, exist_ok=True)
    check_folders(path)


def check_folders(path: Path) -> None:
    """Raises ImpastoError where others can change a folder for keys that this file is in."""
    for each in _inside(path):
        _check(path, each.stat(), 0o022)


def _inside(path: Path) -> list[Path]:
    """The folders for keys that a file is in, the outermost first."""
    around = list(path.parents)
    outermost = next((around.index(each) for each in _folders(os.environ) if each in around), 0)
    return around[outermost::-1]


def _check(path: Path, facts: os.stat_result, forbidden: int) -> None:
    """Raises ImpastoError where facts of a key file, or of a folder around it, are not as its user would have them."""
    if facts.st_uid not in (os.getuid(), 0):
        raise ImpastoError(Code.BAD_REQUEST, f"The key file {path} belongs to another user: take it away.")
    if facts.st_mode & forbidden:
        raise ImpastoError(
            Code.BAD_REQUEST,
            f"Other users can reach the key file {path}: chmod 600 {path} and chmod 700 "
            f"{' '.join(map(str, _inside(path)))}; and if somebody may have read it, revoke the key and pair again.",
        )


def _folders(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where keys may be: a sandbox such as Flatpak's gives a program a $XDG_CONFIG_HOME that is not the user's."""
    if configured := environ.get("XDG_CONFIG_HOME"):
        yield Path(configured) / "impasto" / "keys"
    yield Path("~/.config").expanduser() / "impasto" / "keys"


def _damaged(path: Path) -> ImpastoError:
    return ImpastoError(Code.BAD_REQUEST, f"The key file {path} is damaged: take it away and pair again.")
