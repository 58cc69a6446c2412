"""Where what jobs are resumed from is kept, and of which jobs something is: names of files alone. Knows no torch.

What is in the files is the business of `checkpoints`, which only the worker loads.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from . import files

SUFFIX = ".state"


def folder() -> Path:
    """Where the files are, in the user's state folder."""
    return files.state_folder() / "states"


def path_of(job: str) -> Path:
    """A job's file. Its name never becomes a path: the file is named by a digest of it."""
    return folder() / (hashlib.sha256(job.encode()).hexdigest()[:40] + SUFFIX)


def is_kept(job: str) -> bool:
    """Whether there is something to go on from, as far as can be told without reading it."""
    return path_of(job).exists()
