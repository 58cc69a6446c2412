"""Picture files shown small: what a header promises is known without unpacking what follows."""

from __future__ import annotations

import base64
import importlib
import io
import struct
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from impasto_protocol import preset
from impasto_protocol.picture import Picture
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


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"comment": b"c" * 60_000}], ids=["plain", "progressive", "long"]
)
def test_of_a_jpeg_too(without_gimp: None, options: dict[str, Any]) -> None:
    file = io.BytesIO()
    Image.new("RGB", (300, 2)).save(file, "JPEG", **options)
    promised = importlib.import_module("pixbufs").promised
    assert promised(io.BytesIO(file.getvalue())) == (300, 2)
    for cut in (3, 4, 30):
        assert promised(io.BytesIO(file.getvalue()[:cut])) is None


@pytest.mark.parametrize(("form", "size"), [("PNG", (12_000, 12_000)), ("JPEG", (513, 1)), ("PNG", (1, 513))])
def test_nothing_is_unpacked_of_a_style_s_copy_that_is_larger_than_we_make_them(
    without_gimp: None, monkeypatch: pytest.MonkeyPatch, form: str, size: tuple[int, int]
) -> None:
    style_copy = importlib.import_module("style_copy")
    monkeypatch.setattr(style_copy.GdkPixbuf.PixbufLoader, "new_with_type", lambda kind: pytest.fail("unpacked"))
    file = io.BytesIO()
    Image.new("1" if form == "PNG" else "RGB", size).save(file, form)
    with pytest.raises(ValueError, match="too large"):
        style_copy.unpacked(base64.b64encode(file.getvalue()))


def test_a_copy_that_turns_out_larger_than_its_header_promises_is_refused(without_gimp: None) -> None:
    style_copy = importlib.import_module("style_copy")
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, "PNG")
    pixbuf = style_copy.GdkPixbuf.PixbufLoader.new_with_type.return_value.get_pixbuf.return_value
    pixbuf.get_width.return_value, pixbuf.get_height.return_value = 12_000, 9
    with pytest.raises(ValueError, match="another size"):
        style_copy.unpacked(base64.b64encode(file.getvalue()))


def test_a_copy_that_memory_has_no_room_for_at_its_style_s_size_is_none(without_gimp: None) -> None:
    style_copy, pixbuf = importlib.import_module("style_copy"), MagicMock()
    pixbuf.get_width.return_value, pixbuf.get_height.return_value = 10, 40
    pixbuf.scale_simple.return_value = None
    with pytest.raises(ValueError, match="memory"):
        style_copy.enlarged(pixbuf, (30_000, 30_000), 40_000)
    assert pixbuf.scale_simple.call_args.args[:2] == (100, 400), "and never at a size beyond the most"


def test_all_of_a_style_is_gone_through_once_however_often_its_copy_is_tried(
    without_gimp: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    style_copy, seen = importlib.import_module("style_copy"), list[tuple[int, int]]()

    def shrunk(picture: Picture, side: int) -> Picture:
        seen.append(picture.size)
        return Picture(side, 1, 3, "u8", bytes(3 * side))

    monkeypatch.setattr(style_copy.pixels, "shrunk", shrunk)
    too_large = (True, bytes(preset.COPY + 1))
    style_copy.GdkPixbuf.Pixbuf.new_from_bytes.return_value.save_to_bufferv.return_value = too_large
    assert style_copy.made(Picture(900, 1, 3, "u8", bytes(2700))) == b""
    assert seen.count((900, 1)) == 1
    assert set(seen) == {(900, 1), (512, 1)}


def test_a_gif_that_promises_more_than_any_memory_has_is_told_at_once(size_of: Any, tmp_path: Path) -> None:
    path = tmp_path / "bomb.gif"
    path.write_bytes(b"GIF89a" + struct.pack("<HH", 65_535, 65_535))
    assert size_of(path) == (65_535, 65_535)


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"a text"])
def test_of_what_is_no_picture_no_size_is_known(size_of: Any, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    assert size_of(path) is None


def test_a_picture_is_made_to_fit_in_one_way(without_gimp: None) -> None:
    fitting = importlib.import_module("pixbufs").fitting
    assert fitting(300, 200, 480) == (300, 200)
    assert fitting(300, 200, 480, enlarge=True) == (480, 320)
    assert fitting(4000, 10, 40) == (40, 1) == fitting(4000, 10, 40, enlarge=True), "there is always something to see"
