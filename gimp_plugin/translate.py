"""The catalogues of the plug-in's texts: `make translations` finds the texts, brings each language up to date and
packs it for gettext.

`po/` has the catalogues as translators edit them, impasto.pot the texts alone; the packed ones lie in the plug-in's own
folder, `impasto/locale/`, and are installed with it. Knows texts and files; nothing of GIMP.
"""

from __future__ import annotations

import io
from datetime import datetime, timezone
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

HERE = Path(__file__).resolve().parent
TEXTS, PLUG_IN = HERE / "po", HERE / "impasto"
NAME = "impasto"
LANGUAGES = ("de", "fr", "ru", "zh_CN")
KEYWORDS = {"_": None, "plural": (1, 2)}
"""The functions of `language`, and which of their arguments are texts."""
USEFUL = ("Language:", "Plural-Forms:", "Content-Type:", "Content-Transfer-Encoding:", "MIME-Version:")
"""The headers that are kept; the others have dates and names in them that nobody keeps up."""
UNDATED = datetime(1970, 1, 1, tzinfo=timezone.utc)
"""What a packed catalogue has in the place of the time at which it was packed."""


def main() -> None:
    """Bring every catalogue up to date, and say what is left to translate."""
    found = texts()
    write(found, TEXTS / f"{NAME}.pot")
    for language in LANGUAGES:
        path = TEXTS / f"{language}.po"
        catalogue = read(path) if path.exists() else Catalog(locale=language, project="Impasto")
        # A similar text may say the opposite: none is taken over.
        catalogue.update(found, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        write(catalogue, path)
        pack(catalogue, packed(language))
        print(f"{path.name}: {len(untranslated(catalogue))} of {len(catalogue)} texts are not translated")


def texts() -> Catalog:
    """All texts of the plug-in, by the files that they stand in."""
    catalogue = Catalog(project="Impasto", charset="utf-8")
    found = extract_from_dir(PLUG_IN, [("*.py", "python")], keywords=KEYWORDS, comment_tags=("Translators:",))
    for name, _line, message, comments, _context in sorted(found, key=lambda each: each[:2]):
        catalogue.add(message, locations=[(f"impasto/{name}", 0)], auto_comments=comments)
    return catalogue


def read(path: Path) -> Catalog:
    """A catalogue as a translator left it. Raises PoFileError where it is damaged."""
    with path.open("rb") as file:
        return read_po(file, locale=None if path.suffix == ".pot" else path.stem, abort_invalid=True)


def write(catalogue: Catalog, path: Path) -> None:
    """Without line numbers and dates, which would change with every commit."""
    catalogue.header_comment, catalogue.fuzzy = (
        f"# {NAME.capitalize()}'s plug-in for GIMP, under the MIT license.",
        False,
    )
    text = io.BytesIO()
    write_po(text, catalogue, width=0, include_lineno=False)
    head, _, rest = text.getvalue().decode("utf-8").partition("\n\n")
    kept = [line for line in head.splitlines() if not line.startswith('"') or line[1:].startswith(USEFUL)]
    path.write_text("\n".join(kept) + "\n\n" + rest, encoding="utf-8")


def packed(language: str) -> Path:
    """Where gettext looks for a language."""
    return PLUG_IN / "locale" / language / "LC_MESSAGES" / f"{NAME}.mo"


def pack(catalogue: Catalog, path: Path) -> None:
    """As gettext reads it; the same bytes whenever it is packed."""
    catalogue.creation_date = UNDATED
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_mo(file, catalogue)


def untranslated(catalogue: Catalog) -> list[str]:
    """The texts that have no translation, or one that nobody has looked at since the text changed."""
    return [str(each.id) for each in catalogue if each.id and (each.fuzzy or not all(strings(each)))]


def strings(message: Message) -> tuple[str, ...]:
    """A text's translation: one, or one for each form that the language has for numbers."""
    value = message.string
    return (value or "",) if isinstance(value, str | None) else tuple(value)


if __name__ == "__main__":
    main()
