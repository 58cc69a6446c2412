"""Picture files: whatever is in them becomes sRGB of 8 or 16 bits or one sentence; whatever is saved is whole or not
there."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from impasto_daemon import pictures
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.limits import Limits
from impasto_protocol.picture import Picture
from PIL import Image, ImageCms

LIMITS = Limits()


def loaded(path: Path, image: Image.Image, **options: Any) -> Image.Image:
    """What comes back of a picture that was saved as this file."""
    image.save(path, **options)
    return pictures.to_image(pictures.load(path, LIMITS))


def refused(path: Path, code: Code = Code.BAD_REQUEST, limits: Limits = LIMITS) -> str:
    """The sentence with which a file is refused."""
    with pytest.raises(ImpastoError) as caught:
        pictures.load(path, limits)
    assert caught.value.code == code
    assert path.name in str(caught.value) and "\n" not in str(caught.value)
    return str(caught.value)


def near(image: Image.Image, at: tuple[int, int], colour: tuple[int, ...], within: int = 3) -> bool:
    pixel = image.getpixel(at)
    assert isinstance(pixel, tuple) and len(pixel) == len(colour)
    return all(abs(a - b) <= within for a, b in zip(pixel, colour, strict=True))


# Reading


def test_an_rgb_picture_comes_through_exactly(tmp_path: Path) -> None:
    image = Image.effect_noise((7, 5), 90).convert("RGB")
    assert loaded(tmp_path / "a.png", image).tobytes() == image.tobytes()


def test_transparency_comes_through_exactly(tmp_path: Path) -> None:
    image = Image.new("RGBA", (3, 2), (200, 100, 50, 77))
    back = loaded(tmp_path / "a.png", image)
    assert back.mode == "RGBA" and back.tobytes() == image.tobytes()


@pytest.mark.parametrize(("mode", "colour"), [("1", 1), ("L", 90), ("LA", (90, 120)), ("P", 3), ("RGBX", (1, 2, 3, 0))])
def test_every_mode_of_tiff_becomes_rgb_or_rgba(tmp_path: Path, mode: str, colour: Any) -> None:
    image = Image.new(mode, (4, 3), colour)
    back = loaded(tmp_path / "a.tif", image)
    assert back.size == (4, 3)
    assert back.tobytes() == image.convert(back.mode).tobytes()


def test_a_palette_with_alpha_keeps_its_alpha(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    back = loaded(tmp_path / "a.png", image, transparency=bytes([40, 255]))
    assert [back.getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0, 40), (0, 0, 255, 255)]


def test_a_colour_that_a_png_declares_transparent_is_transparent(tmp_path: Path) -> None:
    back = loaded(tmp_path / "a.png", Image.new("RGB", (1, 1), (1, 2, 3)), transparency=(1, 2, 3))
    assert back.getpixel((0, 0)) == (1, 2, 3, 0)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(tmp_path: Path, suffix: str) -> None:
    samples = [0, 300, 32_768, 65_535]
    image = Image.frombytes("I;16", (4, 1), struct.pack("<4H", *samples))
    back = loaded(tmp_path / f"a{suffix}", image)
    assert [back.getpixel((x, 0)) for x in range(4)] == [(v, v, v) for v in (0, 1, 128, 255)]


def test_big_endian_sixteen_bit_grey_is_scaled_too(tmp_path: Path) -> None:
    image = Image.frombytes("I;16B", (2, 1), struct.pack(">2H", 32_768, 65_535))
    back = loaded(tmp_path / "a.tif", image)
    assert [back.getpixel((x, 0)) for x in range(2)] == [(128, 128, 128), (255, 255, 255)]


def test_float_grey_from_zero_to_one_is_scaled(tmp_path: Path) -> None:
    back = loaded(tmp_path / "a.tif", Image.frombytes("F", (3, 1), struct.pack("<3f", 0.0, 0.5, 1.0)))
    assert [back.getpixel((x, 0)) for x in range(3)] == [(v, v, v) for v in (0, 128, 255)]


def test_float_grey_of_another_range_is_stretched(tmp_path: Path) -> None:
    back = loaded(tmp_path / "a.tif", Image.frombytes("F", (3, 1), struct.pack("<3f", -2.0, 0.0, 2.0)))
    assert [back.getpixel((x, 0)) for x in range(3)] == [(v, v, v) for v in (0, 128, 255)]


def test_float_grey_that_is_no_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    Image.frombytes("F", (1, 1), struct.pack("<f", float("nan"))).save(path)
    assert "no numbers" in refused(path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_the_way_its_exif_says(tmp_path: Path, orientation: int) -> None:
    undone = {
        2: 0,
        3: 3,
        4: 1,
        5: 5,
        6: 2,
        7: 6,
        8: 4,
    }  # the transposition that takes the upright one to the stored one
    upright = Image.new("RGB", (16, 24), "white")
    upright.paste("red", (0, 0, 8, 8))
    upright.paste("blue", (8, 0, 16, 8))
    stored = upright.transpose(Image.Transpose(undone[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    back = loaded(tmp_path / "a.png", stored, exif=exif)
    assert back.tobytes() == upright.tobytes()


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    back = loaded(tmp_path / "a.jpg", Image.new("CMYK", (8, 8), (0, 255, 255, 0)), quality=100)
    assert near(back, (4, 4), (255, 0, 0))


def test_an_embedded_profile_is_applied(tmp_path: Path) -> None:
    swapped = _profile_with_red_and_blue_exchanged()
    back = loaded(tmp_path / "a.png", Image.new("RGBA", (2, 2), (255, 0, 0, 99)), icc_profile=swapped)
    assert near(back, (0, 0), (0, 0, 255, 99))


def test_an_srgb_profile_changes_nothing_to_speak_of(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    back = loaded(tmp_path / "a.png", Image.new("RGB", (2, 2), (10, 120, 240)), icc_profile=profile)
    assert near(back, (0, 0), (10, 120, 240), within=1)


@pytest.mark.parametrize("image", [Image.new("RGB", (2, 2), (9, 8, 7)), Image.new("CMYK", (2, 2), (9, 8, 7, 0))])
@pytest.mark.parametrize("profile", [b"nonsense", ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()])
def test_a_profile_that_cannot_be_used_is_left_out_and_said(tmp_path: Path, image: Image.Image, profile: bytes) -> None:
    path, notes = tmp_path / "a.tif", list[str]()
    image.save(path, icc_profile=profile)
    back = pictures.to_image(pictures.load(path, LIMITS, notes.append))
    assert back.tobytes() == image.convert("RGB").tobytes()
    assert len(notes) == 1 and "profile" in notes[0]


def test_of_an_animation_the_first_picture_is_taken_and_it_is_said(tmp_path: Path) -> None:
    path, notes = tmp_path / "a.gif", list[str]()
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "lime", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert near(pictures.to_image(pictures.load(path, LIMITS, notes.append)), (0, 0), (255, 0, 0))
    assert len(notes) == 1 and "first" in notes[0]


# Sixteen bits


def deep(channels: int, width: int = 37, height: int = 11, seed: int = 5) -> Picture:
    """Every sample its own value of 16 bits."""
    values = [(i * 40_503 + seed) % 65_536 for i in range(width * height * channels)]
    return Picture(width, height, channels, "u16", struct.pack(f"<{len(values)}H", *values))


def sixteen_bit_tiff(picture: Picture, order: str, compression: int = 1) -> bytes:
    """A TIFF as other programs write it, of either byte order, in strips of four rows."""
    count = picture.width * picture.height * picture.channels
    big = struct.pack(f"{order}{count}H", *struct.unpack(f"<{count}H", picture.data))
    stride = picture.width * picture.channels * 2
    strips = [big[y * stride : (y + 4) * stride] for y in range(0, picture.height, 4)]
    strips = [zlib.compress(strip) for strip in strips] if compression == 8 else strips
    channels, n = picture.channels, len(strips)
    places = [8 + sum(map(len, strips[:i])) for i in range(n)]
    lists = 8 + sum(map(len, strips)) + sum(map(len, strips)) % 2
    tags = [(256, 4, 1, picture.width), (257, 4, 1, picture.height), (258, 3, channels, lists + 8 * n)]
    tags += [(259, 3, 1, compression), (262, 3, 1, 2), (273, 4, n, lists), (277, 3, 1, channels)]
    tags += [(278, 3, 1, 4), (279, 4, n, lists + 4 * n)]
    tags += [(338, 3, 1, 2)] if channels == 4 else []
    parts = [b"MM" if order == ">" else b"II", struct.pack(f"{order}HI", 42, lists + 8 * n + 2 * channels), *strips]
    parts += [bytes(sum(map(len, strips)) % 2), struct.pack(f"{order}{2 * n}I", *places, *map(len, strips))]
    parts += [struct.pack(f"{order}{channels}H", *[16] * channels), struct.pack(f"{order}H", len(tags))]
    for tag, kind, many, value in tags:
        short = kind == 3 and many == 1
        parts.append(struct.pack(f"{order}HHI", tag, kind, many))
        parts.append(struct.pack(f"{order}HH", value, 0) if short else struct.pack(f"{order}I", value))
    return b"".join([*parts, bytes(4)])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bits_come_through_png_and_tiff_bit_for_bit(tmp_path: Path, suffix: str, channels: int) -> None:
    pictures.save(deep(channels), tmp_path / f"a{suffix}")
    back = pictures.load(tmp_path / f"a{suffix}", LIMITS)
    assert back == deep(channels)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_tiffs_of_other_programs_come_through_bit_for_bit(
    tmp_path: Path, order: str, compression: int, channels: int
) -> None:
    (tmp_path / "a.tif").write_bytes(sixteen_bit_tiff(deep(channels), order, compression))
    assert pictures.load(tmp_path / "a.tif", LIMITS) == deep(channels)


def test_a_deep_png_is_one_that_others_read_too(tmp_path: Path) -> None:
    """Pillow shows the high bytes, and checks every checksum and filter on its way there."""
    pictures.save(deep(4), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "RGBA" and image.tobytes() == bytes(deep(4).data)[1::2]


def test_floats_are_saved_with_sixteen_bits(tmp_path: Path) -> None:
    picture = Picture(2, 1, 3, "f32", struct.pack("<6f", 0.0, 1.0, 0.5, 1 / 65_535, -3.0, 7.0))
    for suffix in (".png", ".tif"):
        pictures.save(picture, tmp_path / f"a{suffix}")
        back = pictures.load(tmp_path / f"a{suffix}", LIMITS)
        assert struct.unpack("<6H", back.data) == (0, 65_535, 32_768, 1, 0, 65_535)


def test_sixteen_bit_grey_becomes_colour_of_sixteen_bits(tmp_path: Path) -> None:
    Image.frombytes("I;16", (3, 1), struct.pack("<3H", 1, 777, 65_534)).save(tmp_path / "a.png")
    back = pictures.load(tmp_path / "a.png", LIMITS)
    assert struct.unpack("<9H", back.data) == (1, 1, 1, 777, 777, 777, 65_534, 65_534, 65_534)


def test_sixteen_bits_are_turned_the_way_their_exif_says(tmp_path: Path) -> None:
    pictures.save(deep(3, 5, 4), tmp_path / "a.png")
    data, exif = (tmp_path / "a.png").read_bytes(), Image.Exif()
    exif[0x0112] = 3
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(body)) + b"eXIf" + body + struct.pack(">I", zlib.crc32(b"eXIf" + body))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    back = pictures.load(tmp_path / "a.png", LIMITS)
    pixels = [bytes(deep(3, 5, 4).data)[i : i + 6] for i in range(0, 120, 6)]
    assert bytes(back.data) == b"".join(reversed(pixels))


def with_profile(path: Path, profile: bytes) -> None:
    """Put a colour profile into a PNG."""
    data, body = path.read_bytes(), b"p\0\0" + zlib.compress(profile)
    chunk = struct.pack(">I", len(body)) + b"iCCP" + body + struct.pack(">I", zlib.crc32(b"iCCP" + body))
    path.write_bytes(data[:33] + chunk + data[33:])


def test_a_profile_that_is_srgb_costs_no_bits_and_another_is_applied_with_eight_which_is_said(tmp_path: Path) -> None:
    path, notes = tmp_path / "a.png", list[str]()
    pictures.save(deep(3), path)
    with_profile(path, ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    assert pictures.load(path, LIMITS, notes.append) == deep(3) and notes == []
    pictures.save(Picture(1, 1, 3, "u16", struct.pack("<3H", 65_535, 0, 0)), path)
    with_profile(path, _profile_with_red_and_blue_exchanged())
    back = pictures.load(path, LIMITS, notes.append)
    assert back.dtype == "u8" and near(pictures.to_image(back), (0, 0), (0, 0, 255))
    assert len(notes) == 1 and "8 bits" in notes[0]


# Masks


def mask_of(path: Path, image: Image.Image, **options: Any) -> list[int]:
    """The samples of a picture that was saved as this file and read as a mask."""
    image.save(path, **options)
    mask = pictures.load_mask(path, LIMITS)
    assert mask.channels == 1
    return list(struct.unpack(f"<{mask.width * mask.height}{'B' if mask.dtype == 'u8' else 'H'}", mask.data))


def test_a_grey_mask_is_its_samples(tmp_path: Path) -> None:
    assert mask_of(tmp_path / "a.png", Image.frombytes("L", (3, 1), bytes([0, 77, 255]))) == [0, 77, 255]
    assert mask_of(tmp_path / "a.png", Image.frombytes("1", (8, 1), b"\x0f")) == [0] * 4 + [255] * 4


def test_a_mask_of_sixteen_bits_keeps_them(tmp_path: Path) -> None:
    image = Image.frombytes("I;16", (3, 1), struct.pack("<3H", 0, 300, 65_535))
    assert mask_of(tmp_path / "a.png", image) == [0, 300, 65_535]


def test_of_a_mask_in_colour_the_luminance_counts(tmp_path: Path) -> None:
    image = Image.new("RGB", (2, 1), (0, 255, 0))
    image.putpixel((1, 0), (40, 40, 40))
    assert mask_of(tmp_path / "a.png", image) == [150, 40]
    assert mask_of(tmp_path / "a.png", image.quantize()) == [150, 40]


def test_what_is_transparent_in_a_mask_is_black(tmp_path: Path) -> None:
    image = Image.new("RGBA", (3, 1), (255, 255, 255, 0))
    image.putpixel((1, 0), (255, 255, 255, 128))
    image.putpixel((2, 0), (128, 128, 128, 255))
    assert mask_of(tmp_path / "a.png", image) == [0, 128, 128]


def test_a_mask_is_not_put_through_its_colour_profile(tmp_path: Path) -> None:
    swapped = _profile_with_red_and_blue_exchanged()
    assert mask_of(tmp_path / "a.png", Image.new("RGB", (1, 1), (255, 0, 0)), icc_profile=swapped) == [76]


def test_a_mask_that_cannot_be_read_is_refused_like_a_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no mask")
    for path in (tmp_path / "a.png", tmp_path / "nowhere.png"):
        with pytest.raises(ImpastoError, match=path.name):
            pictures.load_mask(path, LIMITS)


# Refusing


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "there is no file" in refused(tmp_path / "nowhere.png")


def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path / ("a" * 300 + ".png"))


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "is a folder" in refused(tmp_path)


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert "is not a file" in refused(tmp_path / "pipe.png")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert "is empty" in refused(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".gif", ".bmp"])
def test_a_truncated_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.effect_noise((64, 64), 90).convert("RGB").save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    refused(path)


def test_a_file_with_flipped_bytes_is_refused_or_read_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.effect_noise((32, 32), 90).convert("RGB").save(path)
    whole = path.read_bytes()
    for at in range(8, len(whole), 97):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        try:
            pictures.load(path, LIMITS)
        except ImpastoError as error:
            assert error.code in (Code.BAD_REQUEST, Code.TOO_LARGE)


@pytest.mark.parametrize(
    "data", [b"hello, painter\n", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"\0" * 999]
)
def test_what_is_not_a_picture_is_refused_with_the_formats_that_are(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    assert "PNG" in refused(tmp_path / "a.png")


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (1, 1)).save(path)
    path.chmod(0)
    with _as_somebody_else():
        assert "may not be read" in refused(path)


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    for side in (12_000, 30_000, 60_000):
        (tmp_path / "bomb.png").write_bytes(_png_header(side))
        assert "scale it down" in refused(tmp_path / "bomb.png", Code.TOO_LARGE)


def test_the_daemons_own_limits_count(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (20, 10)).save(path)
    assert "the limit is 19" in refused(path, Code.TOO_LARGE, Limits(side=19))
    assert "the limit is 199" in refused(path, Code.TOO_LARGE, Limits(pixels=199))
    assert pictures.load(path, Limits(side=20, pixels=200)).width == 20


# Writing


def painting(channels: int = 3, dtype: str = "u8") -> Picture:
    size = {"u8": 1, "u16": 2, "f32": 4}[dtype]
    samples = range(4 * 3 * channels)
    data = b"".join(struct.pack({"u8": "B", "u16": "<H", "f32": "<f"}[dtype], _sample(i, dtype)) for i in samples)
    assert len(data) == 12 * channels * size
    return Picture(4, 3, channels, dtype, data)


def _sample(i: int, dtype: str) -> float:
    return {"u8": i, "u16": i * 257, "f32": i / 255}[dtype]


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".webp", ".PNG"])
@pytest.mark.parametrize("dtype", ["u8", "u16", "f32"])
@pytest.mark.parametrize("channels", [3, 4])
def test_a_lossless_format_gives_back_every_sample_to_8_bits(
    tmp_path: Path, suffix: str, dtype: str, channels: int
) -> None:
    path = tmp_path / f"a{suffix}"
    pictures.save(painting(channels, dtype), path)
    expected = pictures.to_image(painting(channels))
    expected.putalpha(255) if channels == 4 and suffix == ".webp" else None
    back = pictures.to_image(pictures.load(path, LIMITS))
    if channels == 4 and suffix == ".webp":
        back.putalpha(255)
    assert back.tobytes() == expected.tobytes()


def test_float_samples_beyond_black_and_white_are_clipped(tmp_path: Path) -> None:
    picture = Picture(1, 1, 3, "f32", struct.pack("<3f", -0.5, 0.5, 7.0))
    assert pictures.to_image(picture).getpixel((0, 0)) == (0, 128, 255)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".bmp", ".ppm"])
def test_a_format_without_alpha_is_laid_on_white_and_it_is_said(tmp_path: Path, suffix: str) -> None:
    path, notes = tmp_path / f"a{suffix}", list[str]()
    pictures.save(Picture(8, 8, 4, "u8", bytes([0, 0, 0, 0] * 64)), path, notes.append)
    back = pictures.to_image(pictures.load(path, LIMITS))
    assert near(back, (0, 0), (255, 255, 255))
    assert len(notes) == 1 and "white" in notes[0]


def test_alpha_that_hides_nothing_is_dropped_without_a_word(tmp_path: Path) -> None:
    notes = list[str]()
    pictures.save(Picture(1, 1, 4, "u8", bytes([9, 9, 9, 255])), tmp_path / "a.jpg", notes.append)
    assert notes == []


def test_what_was_there_is_replaced_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("old")
    path.chmod(0o640)
    pictures.save(painting(), path)
    assert pictures.load(path, LIMITS).width == 4
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_new_file_has_the_usual_permissions_and_no_company(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        pictures.save(painting(), tmp_path / "a.png")
    finally:
        os.umask(old)
    assert (tmp_path / "a.png").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to(tmp_path / "real.png")
    pictures.save(painting(), tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink() and (tmp_path / "real.png").is_file()


def test_an_interrupted_save_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_text("old")

    def half(self: Image.Image, file: io.BytesIO, **_: object) -> None:
        file.write(b"half a picture")
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(KeyboardInterrupt):
        pictures.save(painting(), path)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_a_sentence_and_leaves_nothing() -> None:
    if not Path("/dev/full").exists():
        pytest.fail("this test needs /dev/full, which every Linux has")

    def full(self: Image.Image, file: io.BytesIO, **_: object) -> None:
        with Path("/dev/full").open("wb", buffering=0) as device:
            device.write(b"x")

    with pytest.MonkeyPatch.context() as patch, _temporary_folder() as folder:
        patch.setattr(Image.Image, "save", full)
        with pytest.raises(ImpastoError, match="disk is full"):
            pictures.save(painting(), folder / "a.png")
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["a", "a.xyz", "a.xcf", "png"])
def test_an_extension_that_names_no_format_is_refused_before_the_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImpastoError, match=r"\.png"):
        pictures.check_destination(tmp_path / name)


def test_a_picture_that_is_too_long_for_its_format_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(ImpastoError, match=r"save as \.png"):
        pictures.check_destination(tmp_path / "a.webp", 20_000, 10)


def test_a_destination_that_cannot_be_is_refused_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    for name, sentence in {
        "folder.png": "is a folder",
        "pipe.png": "is not a file",
        "nowhere/a.png": "there is no folder",
    }.items():
        with pytest.raises(ImpastoError, match=sentence):
            pictures.check_destination(tmp_path / name)


def test_a_folder_that_may_not_be_written_is_refused_before_the_work() -> None:
    with _temporary_folder() as folder:
        folder.chmod(0o555)
        with _as_somebody_else(), pytest.raises(ImpastoError, match="may not write"):
            pictures.check_destination(folder / "a.png")


def test_checking_a_destination_leaves_nothing_behind(tmp_path: Path) -> None:
    pictures.check_destination(tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


# Help


@contextmanager
def _as_somebody_else() -> Iterator[None]:
    """Root may read everything; the tests' users may be root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder that another user can reach, unlike pytest's."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)
        Path(name).chmod(0o755)


def _png_header(side: int) -> bytes:
    """A PNG that says it has side × side pixels and holds none."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def _profile_with_red_and_blue_exchanged() -> bytes:
    """sRGB's profile with the rXYZ and bXYZ tags' places exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, blue = profile.index(b"rXYZ"), profile.index(b"bXYZ")
    profile[red + 4 : red + 12], profile[blue + 4 : blue + 12] = (
        profile[blue + 4 : blue + 12],
        profile[red + 4 : red + 12],
    )
    return bytes(profile)
