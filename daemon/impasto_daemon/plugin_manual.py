"""The manual that the plug-in's Help opens: two pages of docs/ as HTML, made at the installation; it needs no network.

GIMP finds a plug-in's pages by `gimp-help.xml` in a folder for each language. Knows Markdown and files; nothing of
GIMP's profiles.
"""

from __future__ import annotations

import html
import re
import shutil
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

FOLDER = "help"
"""In the plug-in's folder; `impasto.py` tells GIMP of it."""
LANGUAGE = "en"
"""The language of the pages, which is what GIMP shows where it finds none in its own."""

PAGES = ("plugin", "troubleshooting")
"""What an artist reads; links to other pages become plain text."""
ENTRIES = {
    "plug-in-impasto-style-transfer": "plugin.html",
    "plug-in-impasto-restyle": "plugin.html#a-living-layer",
    "plug-in-impasto-batch": "plugin.html#several-in-a-row",
    "plug-in-impasto-paintings": "plugin.html#in-the-background",
}
"""The part of the manual for each procedure of its own."""
START = "plugin.html"
"""What stands for all others."""

PAGE = """\
<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 sans-serif; }}
body {{ max-width: 50em; margin: 2em auto; padding: 0 1em; }}
img {{ max-width: 100%; }}
table {{ border-collapse: collapse; }}
th, td {{ border: 1px solid #8888; padding: .3em .6em; text-align: left; vertical-align: top; }}
pre {{ overflow-x: auto; background: #8882; padding: .6em; }}
</style>
</head>
<body>
{body}</body>
</html>
"""


def make(folder: Path, source: Path | None = None) -> None:
    """Write the manual into this folder, which is made. source: where the Markdown lies."""
    source, target = source or source_folder(), folder / LANGUAGE
    target.mkdir(parents=True)
    for name in PAGES:
        text = (source / f"{name}.md").read_text(encoding="utf-8")
        (target / f"{name}.html").write_text(page(text), encoding="utf-8")
        for picture in set(re.findall(r"\]\((images/[\w.-]+)\)", text)):
            (target / picture).parent.mkdir(exist_ok=True)
            shutil.copyfile(source / picture, target / picture)
    (target / "gimp-help.xml").write_text(contents(), encoding="utf-8")


def source_folder() -> Path:
    """The pages: beside this module in an installed wheel, in the checkout otherwise."""
    packaged = Path(__file__).parent / "manual"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "docs"


def contents() -> str:
    """What GIMP reads: which part of the manual belongs to which help id."""
    items = "".join(f'  <help-item id="{entry}" ref="{ref}"/>\n' for entry, ref in ENTRIES.items())
    missing = f'  <help-missing ref="{START}"/>\n'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<gimp-help>\n{items}{missing}</gimp-help>\n'


def page(markdown: str) -> str:
    """A page of Markdown as HTML. Headings get the anchors that links name them by."""
    reader = MarkdownIt("commonmark").enable("table")
    tokens = reader.parse(markdown)
    title = ""
    for before, token in pairwise(tokens):
        if before.type == "heading_open":
            before.attrSet("id", anchor(token.content))
            title = title or token.content
        if token.children:
            token.children = linked(token.children)
    return PAGE.format(
        language=LANGUAGE, title=html.escape(title), body=reader.renderer.render(tokens, reader.options, {})
    )


def linked(parts: list[Token]) -> list[Token]:
    """The parts of a line, with links that lead to where their page is; of those whose page is not here, the text."""
    kept, leads = [], list[bool]()
    for part in parts:
        if part.type == "link_open":
            part.attrSet("href", home(str(part.attrGet("href"))))
            leads.append(bool(part.attrGet("href")))
        if part.type not in ("link_open", "link_close") or leads[-1]:
            kept.append(part)
        if part.type == "link_close":
            leads.pop()
    return kept


def home(link: str) -> str:
    """Where a link leads from a page of this manual; nothing where the page that it names is not in it."""
    if "://" in link or link.startswith("#"):
        return link
    name, _, place = link.partition("#")
    if name.removesuffix(".md") not in PAGES:
        return ""
    return f"{name.removesuffix('.md')}.html" + (f"#{place}" if place else "")


def anchor(heading: str) -> str:
    """By what a link names a heading, as on the pages where people read Markdown."""
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")
