"""Every bound of the protocol in one place.

`Limits` are announced by the daemon in `welcome` and checked on both sides: by the client before it sends, by
the daemon before it allocates. The constants are part of the protocol itself and the same everywhere.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

HEADER_BYTES = 64 * 1024
"""The msgpack header of any message."""
HEADER_ITEMS = 256
"""Entries of any array or map inside a header."""
DEPTH = 16
"""Maps and arrays inside each other, below a key of a header."""
TEXT = 4096
"""Characters of any text inside a header."""
NAME = 64
"""Characters of a name: job, client, recipe, setting, feature."""
SETTINGS = 64
"""Settings of one request."""
SETTING = 256
"""Characters of a setting that is a text."""
SETTINGS_BYTES = 24 * 1024
"""Names and texts of one request's settings together, in UTF-8: they come back in the record, and must fit into a
header with it."""
PICTURES = 16
"""Pixel frames of one message: the content, the styles and the masks."""
ITERATES = 16
"""Iterates of one job that are kept beside its result."""


@dataclass(frozen=True)
class Limits:
    """What one daemon accepts. A larger value in `welcome` is not an invitation: hardware decides too."""

    side: int = 32_768
    """Width or height of a picture in pixels."""
    pixels: int = 100_000_000
    """Width times height of one picture."""
    frame_bytes: int = 1_600_000_000
    """One pixel frame."""
    message_bytes: int = 2_000_000_000
    """All frames of one message together."""
    styles: int = 8
    """Style pictures of one request."""
    queue: int = 32
    """Jobs that wait."""
    queue_bytes: int = 4_000_000_000
    """Pixels of the jobs that wait."""

    def to_wire(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_wire(cls, values: dict[str, int]) -> Limits:
        """Limits as another side announced them; what it does not name keeps this version's value."""
        known = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})
