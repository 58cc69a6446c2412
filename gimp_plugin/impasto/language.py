"""The artist's language: every text that is shown goes through `_`, or through `plural` where it counts something.

The catalogues lie beside this file in `locale/`, in gettext's own form; a text that has none stays English. Knows
nothing of the texts themselves. GIMP hands its language on in the environment, where GLib finds it.
"""

from __future__ import annotations

import gettext
import itertools
import struct
from collections.abc import Iterable
from pathlib import Path

from gi.repository import GLib

CATALOGUES = Path(__file__).resolve().parent / "locale"


def catalogue(languages: list[str], folder: Path = CATALOGUES) -> gettext.NullTranslations:
    """The catalogue of the first of these languages that has one; English, the language of the texts, ends the search.

    A catalogue that cannot be read is none: a text in English is better than a filter that is not there.
    """
    before_english = list(itertools.takewhile(lambda name: name.partition("_")[0] not in ("en", "C"), languages))
    try:
        return gettext.translation("impasto", folder, before_english)
    except (OSError, ValueError, struct.error):
        return gettext.NullTranslations()


def numeral(value: float, decimals: int = 0) -> str:
    """A number as the texts' language writes it, such as 1,234.5. Python's `locale` would take the system's language,
    which need be neither GIMP's nor that of the catalogue."""
    return f"{value:,.{decimals}f}".translate({ord(","): _SAMPLE[1], ord("."): _SAMPLE[-2]})


def listed(parts: Iterable[str]) -> str:
    """One after the other."""
    return _BETWEEN.join(parts)


_here = catalogue(list(GLib.get_language_names()))
_, plural = _here.gettext, _here.ngettext
is_english = type(_here) is gettext.NullTranslations
# Translators: this number as your language writes it. Its two separators are taken for all numbers.
_SAMPLE = _("1,234.5")
# Translators: what stands between the parts of a list, such as: 4000×3000, about 3 min, 5.1 GB
_BETWEEN = _(", ")
