"""What is higher than the display is scrolled, so that a dialog's buttons stay in sight. Knows GTK alone."""

from __future__ import annotations

from typing import Any

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GLib, Gtk  # noqa: E402

AROUND = 190
"""Pixels of the display that a dialog's title and buttons take, and that stay free."""


def scrolled(content: Any) -> Any:
    """The content, in something that is as high as it is, but not higher than the display has room for."""
    pane = Gtk.ScrolledWindow(hscrollbar_policy=Gtk.PolicyType.NEVER, visible=True)
    pane.add(content)
    pane.get_child().set_shadow_type(Gtk.ShadowType.NONE)
    most = max(AROUND, _room() - AROUND)

    def fit() -> bool:
        pane.set_min_content_height(min(content.get_preferred_height()[1], most))
        return False

    content.connect("size-allocate", lambda *_: GLib.idle_add(fit))  # it is another's size once it is known
    fit()
    return pane


def _room() -> int:
    """The height in pixels of the lowest display that there is."""
    display = Gdk.Display.get_default()
    return int(min(display.get_monitor(number).get_workarea().height for number in range(display.get_n_monitors())))
