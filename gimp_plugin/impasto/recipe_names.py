"""The daemon's recipes as an artist reads of them.

What is said here is what docs/recipes.md and docs/quality.md have measured or counted, in a painter's words.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from language import _


class Recipe(NamedTuple):
    """What it is called in the list, and what the line below says of it."""

    name: str
    about: str


RECIPES = {
    "impasto": Recipe(
        _("Impasto: best for most pictures"), _("Strokes of all sizes that follow the motif; closest to the style.")
    ),
    "gatys": Recipe(
        _("Gatys 2016: as in the first paper"), _("The motif grows out of noise and may stay loose. Slow.")
    ),
    "gatys-hires": Recipe(
        _("Gatys' notebook: clear outlines"), _("Begins with the layer and keeps its outlines. Slow.")
    ),
    "neural-style": Recipe(
        _("neural-style: the classic program"), _("The motif grows out of noise, in a thousand steps. Very slow.")
    ),
    "pytorch": Recipe(
        _("PyTorch's tutorial: crisp and grainy"), _("Small strokes and strong colours; no large shapes of the style.")
    ),
    "tensorflow": Recipe(
        _("TensorFlow's tutorial: step by step"), _("Begins with the layer and changes it little by little. Very slow.")
    ),
    "peixeiro": Recipe(
        _("Peixeiro's article: a rough surface"), _("Begins with the layer under noise; some stays as grain. Slow.")
    ),
    "vgg16": Recipe(
        _("VGG16: the smaller network"), _("The motif grows out of noise. Slow; needs weights of its own.")
    ),
    "wasserstein": Recipe(
        _("Crowson: calm and smooth"), _("Stays close to the motif, from small to full size. Very slow.")
    ),
    "wavelets": Recipe(
        _("Wavelets: colours and strokes"), _("The style's palette and strokes without its shapes. Needs no weights.")
    ),
}
"""The daemon's recipes in its order. A test holds that they are the daemon's own."""


def short(recipe: str) -> str:
    """Its name without what is said of it, such as `Wavelets`; the daemon's own name where that is all there is."""
    name = RECIPES[recipe].name if recipe in RECIPES else recipe
    return re.split(r"\s*[:\N{FULLWIDTH COLON}]", name, maxsplit=1)[0]
