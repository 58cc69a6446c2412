"""The manual that GIMP's Help opens: complete without a network, and every link in it leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from impasto_daemon import plugin_install, plugin_manual


@pytest.fixture(scope="module")
def manual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plug-in") / "help"
    plugin_manual.make(folder)
    return folder / plugin_manual.LANGUAGE


def anchors(page: Path) -> set[str]:
    return set(re.findall(r' id="([^"]+)"', page.read_text(encoding="utf-8")))


def test_every_link_and_every_picture_is_there_and_none_needs_a_network(manual: Path) -> None:
    pages = list(manual.glob("*.html"))
    assert {page.stem for page in pages} == set(plugin_manual.PAGES)
    for page in pages:
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r'(?:href|src)="([^"]+)"', text):
            name, _, place = target.partition("#")
            assert "://" not in target and (manual / name).exists(), target
            assert not place or place in anchors(manual / (name or page.name)), target
        assert "](" not in text, "a link that leads nowhere is its text"


def test_gimp_finds_a_part_of_it_for_each_procedure(manual: Path) -> None:
    contents = ElementTree.parse(manual / "gimp-help.xml").getroot()
    refs = {item.attrib.get("id", ""): item.attrib["ref"] for item in contents}
    main = (plugin_install.source_folder() / "impasto.py").read_text(encoding="utf-8")
    assert set(refs) - {""} <= set(re.findall(r'"(plug-in-[\w-]+)"', main)), "under names that the plug-in has"
    assert "" in refs, "and one for whatever else it has"
    for ref in refs.values():
        page, _, place = ref.partition("#")
        assert not place or place in anchors(manual / page)


def test_what_was_text_stays_text() -> None:
    text = plugin_manual.page("# A <b> & c\n\n[out](other.md) and [in](plugin.md#x) `impasto <NAME>`\n")
    assert "<title>A &lt;b&gt; &amp; c</title>" in text
    assert '<p>out and <a href="plugin.html#x">in</a> <code>impasto &lt;NAME&gt;</code></p>' in text
