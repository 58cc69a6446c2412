"""What is said of files that cannot be used: each sentence names the file and says what to do."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from impasto_protocol.errors import Code, ImpastoError

Note = Callable[[str], None]


def silent(note: str) -> None:
    """Notes go nowhere unless asked for."""


def bad(path: Path, sentence: str) -> ImpastoError:
    return ImpastoError(Code.BAD_REQUEST, sentence, path=str(path))


def damaged(path: Path, error: Exception) -> NoReturn:
    reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
    raise bad(path, f"{path} is damaged or incomplete ({reason}): save or copy it again") from None


def unwritable(path: Path, error: OSError) -> ImpastoError:
    remedies = {
        errno.ENOSPC: "the disk is full: free some space or name another folder",
        errno.EDQUOT: "your disk quota is used up: free some space or name another folder",
        errno.EACCES: f"you may not write in {path.parent}: name another folder",
        errno.EPERM: f"you may not write in {path.parent}: name another folder",
        errno.EROFS: f"{path.parent} is read-only: name another folder",
    }
    remedy = remedies.get(error.errno or 0, error.strerror or str(error))
    return bad(path, f"{path} cannot be written: {remedy}")
