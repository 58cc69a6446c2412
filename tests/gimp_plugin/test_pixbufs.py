"""Picture files shown small: what a header promises is known without unpacking what follows."""

from __future__ import annotations

import importlib
import struct
from pathlib import Path
from typing import Any

import pytest
from PIL import Image


@pytest.fixture
def size_of(without_gimp: None, monkeypatch: pytest.MonkeyPatch) -> Any:
    """With a GdkPixbuf that knows no file."""
    pixbufs = importlib.import_module("pixbufs")
    monkeypatch.setattr(pixbufs.GdkPixbuf.Pixbuf, "get_file_info", lambda path: (None, 0, 0))
    return pixbufs.size_of


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_the_size_of_a_picture_is_read_from_its_header(size_of: Any, tmp_path: Path, form: str) -> None:
    path = tmp_path / "picture"
    Image.new("RGB", (300, 2)).save(path, form)
    assert size_of(path) == (300, 2)
    path.write_bytes(path.read_bytes()[:24])  # nothing that follows is looked at: it may be of any size
    assert size_of(path) == (300, 2)


def test_a_gif_that_promises_more_than_any_memory_has_is_told_at_once(size_of: Any, tmp_path: Path) -> None:
    path = tmp_path / "bomb.gif"
    path.write_bytes(b"GIF89a" + struct.pack("<HH", 65_535, 65_535))
    assert size_of(path) == (65_535, 65_535)


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"a text"])
def test_of_what_is_no_picture_no_size_is_known(size_of: Any, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert size_of(path) is None
