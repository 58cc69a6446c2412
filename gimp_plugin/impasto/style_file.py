"""The style file as a Picture, read by GIMP itself: whatever GIMP opens can be a style.

Every way in which a file can be unfit becomes a sentence. Knows files and GIMP; nothing of jobs or sockets.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pixbufs
import pixels
import readable
import whole
from gi.repository import Gimp, Gio
from impasto_protocol.errors import Code, ImpastoError, bad_request
from impasto_protocol.limits import Limits
from impasto_protocol.picture import Picture
from language import _, numeral

ANIMATIONS = (b"GIF8", b"RIFF", b"\x8aMNG", b"\x89PNG")
"""First bytes of the formats whose layers are frames in time, the first one lowest."""

SAYS_NOTHING = ("execution error", "calling error", "success")
"""What GIMP answers where a loader gave no reason."""


def checked(file: Gio.File | None, limits: Limits) -> Path:
    """The style file's path, once it is worth opening. Raises ImpastoError."""
    if file is None:
        raise bad_request(_("Choose a style picture first: no style file was given."))
    if file.get_path() is None:
        raise bad_request(
            _("The style file {uri} is not on this machine. Save it here first.").format(uri=file.get_uri())
        )
    path = Path(file.get_path())
    _check_not_empty(path)
    _check_size(path, limits)
    if whole.is_cut_off(path):
        raise bad_request(
            _("The style file {path} is cut off: its picture is not all there. Get the file again.").format(path=path)
        )
    return path


def load(path: Path, limits: Limits) -> Picture:
    """The picture in the file: upright, all its layers merged; of an animation the first frame."""
    try:
        image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(str(path)))
    except Exception as error:  # GLib.Error, with a text that is GIMP's own
        raise _unfit(path, _plain(error)) from None
    finally:
        Gimp.progress_end()  # the loader's, which would stay in the status bar, with a Cancel that ends this process
    if image is None:
        pdb = Gimp.get_pdb()
        raise _unfit(path, (pdb.get_last_error() or "").strip())
    try:
        if not image.get_layers():
            raise _unfit(path, _("it holds no pixels"))
        image.policy_rotate(False)
        _check_pixels(path, image.get_width(), image.get_height(), limits)
        picture = pixels.read(_one_layer(image, path))
    finally:
        image.delete()
    return picture


def _one_layer(image: Any, path: Path) -> Any:
    layers = image.get_layers()
    with path.open("rb") as file:
        animation = file.read(4) in ANIMATIONS
    if any(layer.get_visible() for layer in layers) and len(layers) > 1 and not animation:
        return image.merge_visible_layers(Gimp.MergeType.CLIP_TO_IMAGE)
    return layers[-1]


def _check_not_empty(path: Path) -> None:
    with readable.reading(path), path.open("rb") as file:
        if not file.read(1):
            raise bad_request(_("The style file {path} is empty. Choose another one.").format(path=path))


def _check_size(path: Path, limits: Limits) -> None:
    """Refuse by the file's header what would fill the memory, before a pixel is unpacked."""
    size = pixbufs.size_of(path)
    if size is not None:
        _check_pixels(path, *size, limits)


def _check_pixels(path: Path, width: int, height: int, limits: Limits) -> None:
    if max(width, height) > limits.side or width * height > limits.pixels:
        raise ImpastoError(
            Code.TOO_LARGE,
            _(
                "The style file {path} has {width}×{height} pixels, more than Impasto takes ({side} a side, "
                "{pixels} in all). A small copy of it serves as well."
            ).format(path=path, width=width, height=height, side=numeral(limits.side), pixels=numeral(limits.pixels)),
        )


def _plain(error: Exception) -> str:
    return str(getattr(error, "message", error)).strip()


def _unfit(path: Path, reason: str) -> ImpastoError:
    if not reason or reason in SAYS_NOTHING:
        return bad_request(
            _("The style file {path} cannot be opened as a picture. Choose another one.").format(path=path)
        )
    sentence = _("The style file {path} cannot be opened as a picture. GIMP says: {reason} Choose another one.")
    return bad_request(sentence.format(path=path, reason=f"{reason.rstrip('.')}."))
