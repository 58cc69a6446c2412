"""The plug-in's modules without GIMP: what they compute by themselves, with GIMP's library replaced by nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType
from unittest.mock import MagicMock

import pytest
from impasto_daemon import plugin_install


@pytest.fixture
def without_gimp(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`gi` that can be imported and does nothing; the plug-in's folder on the path, as GIMP has it."""
    gi = ModuleType("gi")
    repository = MagicMock(name="gi.repository")
    gi.require_version = lambda *_: None  # type: ignore[attr-defined]
    gi.repository = repository  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "gi", gi)
    monkeypatch.setitem(sys.modules, "gi.repository", repository)
    monkeypatch.syspath_prepend(str(plugin_install.source_folder()))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        del sys.modules[name]
