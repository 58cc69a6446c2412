"""The catalogues of the plug-in's texts: complete, fit to be filled in, and installed as they are."""

from __future__ import annotations

from collections.abc import Iterator
from gettext import GNUTranslations
from string import Formatter

import pytest
from babel.messages import Catalog

from gimp_plugin import translate


def test_the_texts_are_those_of_the_plug_in() -> None:
    kept = translate.read(translate.TEXTS / "impasto.pot")
    assert {each.id for each in kept} - {""} == {each.id for each in translate.texts()} - {""}, "make translations"


@pytest.fixture(params=translate.LANGUAGES)
def catalogue(request: pytest.FixtureRequest) -> Catalog:
    return translate.read(translate.TEXTS / f"{request.param}.po")


def test_a_catalogue_is_complete(catalogue: Catalog) -> None:
    assert {each.id for each in catalogue} - {""} == {each.id for each in translate.texts()} - {""}, "make translations"
    assert translate.untranslated(catalogue) == []


def test_a_translation_has_the_fields_of_its_text(catalogue: Catalog) -> None:
    """A field that the text has not would end the filter with an error."""
    for text, translation in pairs(catalogue):
        assert fields(translation) == fields(text), translation


def test_a_translation_has_a_mnemonic_where_its_text_has_one(catalogue: Catalog) -> None:
    for text, translation in pairs(catalogue):
        assert translation.count("_") == text.count("_"), translation


def test_a_language_s_way_of_writing_numbers_is_a_number(catalogue: Catalog) -> None:
    """Its separators are taken from there."""
    ((_, written),) = (pair for pair in pairs(catalogue) if pair[0] == "1,234.5")
    assert len(written) == 7 and f"{written[0]}{written[2:5]}{written[6]}" == "12345" and written[1] != written[5]


def test_what_is_installed_is_the_catalogue_as_it_is(catalogue: Catalog) -> None:
    with translate.packed(catalogue.locale_identifier or "").open("rb") as file:
        installed = GNUTranslations(file)
    for each in catalogue:
        if each.id and isinstance(each.id, str):
            assert installed.gettext(each.id) == each.string, "make translations"
        elif each.id:
            assert installed.ngettext(each.id[0], each.id[1], 1) == translate.strings(each)[0], "make translations"


def pairs(catalogue: Catalog) -> Iterator[tuple[str, str]]:
    """Each text with its translation, the forms for numbers one by one."""
    for each in catalogue:
        text = each.id if isinstance(each.id, str) else each.id[-1]
        yield from ((text, string) for string in translate.strings(each) if text)


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}
