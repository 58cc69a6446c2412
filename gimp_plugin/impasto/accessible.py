"""What a screen reader says of a widget that has no words of its own: pictures, bars, and GIMP's sliders.

Knows GTK alone.
"""

from __future__ import annotations

from typing import Any

import gi

gi.require_version("Atk", "1.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Atk, Gtk  # noqa: E402

FOCUS = b"frame.focused > border { border: 1px solid currentColor; }"


def named(widget: Any, name: str) -> Any:
    """The widget, under a name; the _ of a mnemonic is no part of it."""
    widget.get_accessible().set_name(name.replace("_", ""))
    return widget


def described(widget: Any, by: Any) -> None:
    """Have the widget explained by a label elsewhere, such as what its row is about."""
    widget.get_accessible().add_relationship(Atk.RelationType.DESCRIBED_BY, by.get_accessible())


def shows_focus(frame: Any, within: Any) -> None:
    """Have a frame seen while the keys go to what is in it."""
    provider = Gtk.CssProvider()
    provider.load_from_data(FOCUS)
    style = frame.get_style_context()
    style.add_provider(provider, Gtk.STYLE_PROVIDER_PRIORITY_APPLICATION)
    within.connect("focus-in-event", lambda *_: style.add_class("focused"))
    within.connect("focus-out-event", lambda *_: style.remove_class("focused"))
