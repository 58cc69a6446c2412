"""Colour profiles: what a picture's colours are in sRGB."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops, ImageCms

from .sentences import Note, silent


def keeps_colours(image: Image.Image) -> bool:
    """Whether the colours are sRGB's as they stand: there is no profile, or one that changes next to nothing."""
    if not image.info.get("icc_profile"):
        return True
    ramp = Image.linear_gradient("L").resize((16, 16))
    probe = ramp if image.mode[0] in "IF" else Image.merge("RGB", (ramp, ramp.rotate(90), ramp.rotate(180)))
    probe.info["icc_profile"] = image.info["icc_profile"]
    seen = to_srgb(probe, Path(), silent)
    extrema: Any = ImageChops.difference(seen, probe.convert("RGB")).getextrema()
    return all(high <= 1 for _, high in extrema)


_PROFILED = {
    "RGB ": ("RGB", ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "YCbCr")),
    "GRAY": ("L", ("1", "L", "LA", "La")),
    "CMYK": ("CMYK", ("CMYK",)),
}
"""For a colour profile of this space: the mode it is applied to, and the modes that may be brought to that."""


def to_srgb(image: Image.Image, path: Path, note: Note) -> Image.Image:
    """The colours alone, through the embedded profile if there is one. A profile that cannot be used is left out:
    its picture is still the picture."""
    embedded = image.info.get("icc_profile")
    if embedded:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
            mode, fitting = _PROFILED[profile.profile.xcolor_space]
            if image.mode not in fitting:
                raise ValueError("a profile of other colours than the picture's")
            converted = ImageCms.profileToProfile(
                image.convert(mode),
                profile,
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except (ImageCms.PyCMSError, ImportError, KeyError, OSError, ValueError):
            note(f"the colour profile in {path.name} cannot be used: its colours are taken as sRGB")
        else:
            if converted is not None:
                return converted
    return image.convert("RGB")
