"""The style pictures painted with last: none is unpacked for nobody."""

from __future__ import annotations

import importlib
from pathlib import Path
from unittest.mock import MagicMock

import pytest


@pytest.mark.parametrize("end", ["unmap", "destroy"])
def test_what_waits_to_be_unpacked_is_not_once_nobody_sees_it(
    without_gimp: None, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    recent, shown = importlib.import_module("recent_styles"), list[str]()
    monkeypatch.setattr(recent.style_memory, "recent", lambda _most: [Path("a.png"), Path("b.png"), Path("c.png")])
    monkeypatch.setattr(recent, "_show", lambda path, _picture: shown.append(path.name))
    recent._fill(MagicMock(), MagicMock())
    (unpack,) = recent.GLib.idle_add.call_args.args
    assert unpack() and shown == ["a.png"]
    handlers = {call.args[0]: call.args[1] for call in recent.Gtk.FlowBox.return_value.connect.call_args_list}
    handlers[end](MagicMock())
    assert not unpack() and shown == ["a.png"]
