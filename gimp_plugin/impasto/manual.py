"""F1 in our windows opens the manual, as it does in GIMP's own dialogs and menus.

Knows GDK, and by which names GIMP knows our pages: the procedures'.
"""

from __future__ import annotations

from typing import Any

import gi

gi.require_version("Gdk", "3.0")
from gi.repository import Gdk, Gimp  # noqa: E402


def at_f1(window: Any, procedure: str) -> None:
    """Open the part of the manual that is about this procedure whenever the artist presses F1 in this window."""

    def pressed(_window: Any, event: Any) -> bool:
        if event.keyval != Gdk.KEY_F1:
            return False
        Gimp.help(None, procedure)
        return True

    window.connect("key-press-event", pressed)
