"""What the documentation tells people to type exists, and what it points to is there."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from impasto_daemon import explained
from impasto_daemon.cli.app import Commands
from impasto_daemon.engine.recipes import RECIPES
from impasto_protocol.errors import Code

from docs.make_codes import START

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "protocol" / "SPEC.md"])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def code(page: Path) -> list[str]:
    """Lines in blocks of code and pieces of code in sentences."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    lines = [line.split("#")[0].strip() for block in blocks for line in block.splitlines()]
    return lines + re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_and_their_options_exist(page: Path) -> None:
    group = Commands()
    for line in code(page):
        match = re.match(r"(?:\$ )?(?:\w+=\S+ )*impasto ([a-z][a-z-]*)(.*)", line)
        if not match:
            continue
        command = group.get_command(click.Context(group), match[1])
        assert command, f"{page.name}: impasto {match[1]}"
        inner = match[2].split()
        while isinstance(command, click.Group) and inner and inner[0] in command.commands:
            command = command.commands[inner.pop(0)]
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", " ".join(inner).split(" && ")[0]))
        assert named <= known, f"{page.name}: impasto {match[1]} has no {named - known}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_make_has_these_targets(page: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9.-]+):", (ROOT / "Makefile").read_text(), re.M))
    for line in code(page):
        if match := re.match(r"make ([a-z0-9.-]+)", line):
            assert match[1] in targets, f"{page.name}: make {match[1]}"


def test_the_page_says_of_every_error_what_doctor_says() -> None:
    page = (ROOT / explained.PAGE).read_text(encoding="utf-8")
    assert page.endswith(START + explained.markdown()), "python -m docs.make_codes writes it"
    assert all(f"\n### {code.value}\n" in page for code in Code)


def test_the_recipes_are_listed_in_one_order() -> None:
    table = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8").split("| --- |", 1)[1].split("\n\n")[0]
    assert re.findall(r"^\| `([\w-]+)`", table, re.M) == list(RECIPES)


def test_the_readme_installs_what_pip_understands() -> None:
    lines = [line for line in code(ROOT / "README.md") if line.startswith("pip install")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"pip install ('?)\.(\[daemon\])?\1", line), line
