"""Reading a file that the artist chose: whatever the system has against it becomes a sentence. Knows files alone."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from impasto_protocol.errors import bad_request
from language import _


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """What is read of this file within. Raises ImpastoError where it is no file, is not there or may not be read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise bad_request(_("{path} is not a file. Choose another one.").format(path=path))
        yield
    except FileNotFoundError:
        raise bad_request(_("{path} does not exist (any more). Choose another file.").format(path=path)) from None
    except PermissionError:
        raise bad_request(_("{path} may not be read: its permissions forbid it.").format(path=path)) from None
    except OSError as error:
        raise bad_request(_("{path} cannot be read: {reason}.").format(path=path, reason=error.strerror)) from None
