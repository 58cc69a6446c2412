"""What a painted layer keeps of how it was painted, apart from GIMP: others may have written it, so it is checked."""

from __future__ import annotations

import copy
import importlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request, Style

pytestmark = pytest.mark.usefixtures("without_gimp")

CONTENT, STYLE = (Picture(width, 2, 3, "u8", bytes(6 * width)) for width in (8, 3))
REQUEST = Request(CONTENT, (Style(STYLE),), "gatys", 70.0, 300, 7, {"style_size": 2.0})
KEPT = {
    "impasto": "0",
    "style": "été.png",
    "record": {"request": REQUEST.describe()},
    "job": "0123abcd",
    "source": {"tattoo": 3, "name": "lake"},
}
ORIGINAL = {"sha256": "ab" * 32, "width": 900, "height": 600}
SEVERAL: Any = {
    **KEPT,
    "record": {"request": replace(REQUEST, styles=(Style(STYLE, 0.25), Style(CONTENT, 0.5))).describe()},
    "more": [{"style": "b", "copy_of": ORIGINAL}],
}


def module(name: str) -> Any:
    return importlib.import_module(name)


def parsed(kept: object) -> Any:
    return module("record").parsed(json.dumps(kept).encode())


def test_the_filter_s_arguments_come_back_from_the_request() -> None:
    painted = parsed(KEPT)
    weights = {"style-weight": 100, "style-weight-2": 100, "style-weight-3": 100, "style-weight-4": 100}
    values = {"recipe": "gatys", "strength": 70, "stroke-size": 50, "max-size": 300, "seed": 7}
    assert painted.arguments == {**values, **weights}
    (style,) = painted.styles
    assert (style.name, style.size, style.digest) == ("été.png", (3, 2), STYLE.sha256())
    assert (painted.job, painted.tattoo, painted.source_name, painted.source_size) == ("0123abcd", 3, "lake", (8, 2))


def test_a_layer_painted_with_a_copy_remembers_the_style_itself() -> None:
    (style,) = parsed({**KEPT, "copy_of": ORIGINAL}).styles
    assert (style.digest, style.size) == ("ab" * 32, (900, 600))


def test_names_from_elsewhere_are_one_line_of_a_bounded_length_and_such_as_gimp_can_look_for() -> None:
    painted = parsed({**KEPT, "style": "a\nb\0" + 4000 * "c", "source": {"tattoo": 3, "name": "la\0ke"}})
    (style,) = painted.styles
    assert style.name == "a?b?" + 251 * "c"
    assert painted.source_name == "lake"


def test_each_of_several_styles_comes_back_with_its_weight() -> None:
    painted = parsed(SEVERAL)
    assert [(style.name, style.size) for style in painted.styles] == [("été.png", (3, 2)), ("b", (900, 600))]
    found = {name: value for name, value in painted.arguments.items() if "weight" in name}
    assert found == {"style-weight": 50, "style-weight-2": 100, "style-weight-3": 100, "style-weight-4": 100}


def test_more_styles_than_there_are_arguments_for_are_left_out() -> None:
    request = {**SEVERAL["record"]["request"], "styles": 6 * SEVERAL["record"]["request"]["styles"]}
    painted = parsed({**SEVERAL, "record": {"request": request}, "more": 11 * SEVERAL["more"]})
    assert len(painted.styles) == 4
    assert max(name for name in painted.arguments if "weight" in name) == "style-weight-4"


def test_a_layer_of_an_earlier_version_has_at_least_its_values() -> None:
    painted = parsed({name: value for name, value in KEPT.items() if name not in ("job", "source")})
    assert painted.arguments["strength"] == 70
    assert (painted.job, painted.tattoo) == ("", 0)


def test_a_layer_that_is_an_earlier_iterate_says_which_and_is_not_gone_on_from() -> None:
    restyle, painted = module("restyle"), parsed({**KEPT, "step": 40})
    assert (painted.step, parsed(KEPT).step) == (40, 0)
    with pytest.raises(ImpastoError, match="that of step 40"):
        restyle.earlier(painted, MagicMock())


BROKEN: list[tuple[tuple[str | int, ...], object]] = [
    (("style",), 5),
    (("job",), "../job"),
    (("job",), None),
    (("source",), []),
    (("source", "tattoo"), -1),
    (("source", "tattoo"), "3"),
    (("source", "name"), {}),
    (("copy_of",), 1),
    (("copy_of",), {"sha256": "ab", "width": 0, "height": 1}),
    (("record",), []),
    (("record", "request"), None),
    (("record", "request", "styles"), []),
    (("record", "request", "styles", 0, "width"), 0),
    (("record", "request", "styles", 0, "sha256"), None),
    (("record", "request", "styles", 0, "weight"), 0),
    (("record", "request", "styles", 0, "weight"), -1),
    (("record", "request", "styles", 0, "weight"), "1"),
    (("more",), 5),
    (("more",), {}),
    (("record", "request", "content", "height"), 2**40),
    (("record", "request", "recipe"), ["gatys"]),
    (("record", "request", "recipe"), "ga\ntys"),
    (("record", "request", "strength"), float("nan")),
    (("record", "request", "strength"), "70"),
    (("record", "request", "strength"), 10**400),
    (("record", "request", "styles", 0, "weight"), 10**400),
    (("record", "request", "seed"), True),
    (("record", "request", "max_size"), 1.5),
    (("record", "request", "settings"), 3),
    (("record", "request", "settings", "style_size"), float("inf")),
    (("record", "request", "settings", "style_size"), 10**400),
]


@pytest.mark.parametrize(("where", "value"), BROKEN, ids=lambda value: str(value)[:40])
def test_what_is_of_another_kind_than_written_is_damage(where: tuple[str | int, ...], value: object) -> None:
    kept: Any = copy.deepcopy(KEPT)
    inner = kept
    for step in where[:-1]:
        inner = inner[step]
    inner[where[-1]] = value
    record = module("record")
    with pytest.raises(ImpastoError, match="is damaged"):
        record.read(Layer(json.dumps(kept).encode()))


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 5000, b'"record"'])
def test_what_is_no_record_is_damage(data: bytes) -> None:
    with pytest.raises(ImpastoError, match="is damaged"):
        module("record").read(Layer(data))


class Layer:
    """A layer with this parasite."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def get_parasite(self, _name: str) -> Layer:
        return self

    def get_data(self) -> bytes:
        return self._data

    def get_name(self) -> str:
        return "lake"


def test_this_machine_remembers_where_the_styles_lie_that_it_painted_with_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = module("style_memory")
    memory.Gimp.directory.return_value = str(tmp_path)
    monkeypatch.setattr(memory, "MOST", 2)
    assert memory.find("a") is None
    for digest, path in (("a", "/1"), ("b", "/2"), ("a", "/gem\udce4lde.png"), ("c", "/3")):
        memory.remember(digest, Path(path))
    assert [memory.find(digest) for digest in "abc"] == [Path("/gem\udce4lde.png"), None, Path("/3")]
    (tmp_path / memory.FILE).write_text("{")
    assert memory.find("a") is None
    memory.Gimp.directory.return_value = str(tmp_path / "gone")
    memory.remember("a", Path("/1"))
    assert memory.find("a") is None


class Lying:
    """A layer in an image."""

    def __init__(self, name: str, tattoo: int, size: tuple[int, int]) -> None:
        self.name, self.tattoo, self.size = name, tattoo, size
        self.get_name, self.get_tattoo, self.get_id = (lambda: name), (lambda: tattoo), (lambda: id(self))
        self.get_width, self.get_height, self.get_offsets = (lambda: size[0]), (lambda: size[1]), (lambda: (True, 0, 0))


class Lain:
    """An image of these layers and a painting, which answers as GIMP does: to what no layer has, with an error."""

    def __init__(self, *layers: Lying) -> None:
        self.painting = MagicMock(**{"get_image.return_value": self})
        self._layers = layers

    def get_layer_by_name(self, name: str) -> Any:
        assert name, "GIMP shows an error"
        return next((layer for layer in self._layers if layer.name == name), None)

    def get_layer_by_tattoo(self, tattoo: int) -> Any:
        assert tattoo > 0, "GIMP shows an error"
        return next((layer for layer in self._layers if layer.tattoo == tattoo), None)


AS_IT_WAS = Lying("lake", 3, (8, 2))
RENAMED, LARGER, OF_A_COPY = Lying("lake, cleaned", 3, (8, 2)), Lying("lake", 3, (9, 9)), Lying("lake", 5, (8, 2))
OTHER_LAKE, OTHER = Lying("lake", 7, (9, 9)), Lying("boat", 3, (8, 2))


@pytest.mark.parametrize(
    ("layers", "found"),
    [
        ([AS_IT_WAS], AS_IT_WAS),
        ([LARGER], LARGER),
        ([RENAMED], RENAMED),
        ([OTHER_LAKE, RENAMED], RENAMED),
        ([OF_A_COPY], OF_A_COPY),
        ([OTHER, OF_A_COPY], OF_A_COPY),
        ([OTHER_LAKE], None),
        ([Lying("boat", 3, (9, 9)), OTHER_LAKE], None),
        ([], None),
    ],
)
def test_a_source_is_known_by_two_of_its_name_its_number_and_its_size(layers: list[Lying], found: Lying | None) -> None:
    assert module("restyle")._remembered(Lain(*layers).painting, parsed(KEPT)) is found


def test_what_is_not_told_of_a_source_is_not_looked_for() -> None:
    untold = parsed({**KEPT, "source": {"tattoo": 0, "name": ""}})
    assert module("restyle")._remembered(Lain(AS_IT_WAS).painting, untold) is None


def test_a_source_that_claims_to_be_huge_makes_no_style_s_copy_huge(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dialog shows the style before it refuses the source."""
    restyle, source, most = module("restyle"), MagicMock(), list[int]()
    source.get_width.return_value = source.get_height.return_value = 262_144
    monkeypatch.setattr(restyle.pixels, "check_there", lambda _: None)
    monkeypatch.setattr(restyle.styles, "chosen", lambda _config, _image, _limits, own: own(1))
    monkeypatch.setattr(restyle.style_kept, "chosen", lambda _style, _copy, pixels, _limits: most.append(pixels))
    restyle.styles_of(MagicMock(), source, parsed(KEPT), {}, MagicMock())
    assert most == [restyle.LIMITS.pixels]


@pytest.fixture
def memory(tmp_path: Path) -> Any:
    found = module("style_memory")
    found.Gimp.directory.return_value = str(tmp_path)
    return found


def test_the_styles_painted_with_last_are_offered_the_latest_first_and_each_once(tmp_path: Path, memory: Any) -> None:
    paths = [tmp_path / name for name in ("gem\udce4lde.png", "b.png", "gone.png", "folder", "c.png")]
    for digest, path in enumerate(paths):
        path.mkdir() if path.stem == "folder" else path.touch()
        memory.remember(str(digest), path)
    memory.remember("the same file with other pixels", paths[0])
    paths[2].unlink()
    assert memory.recent(12) == [paths[0], paths[4], paths[1]]
    assert memory.recent(2) == [paths[0], paths[4]]


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", "null", '"a"', "[" * 9000, "\xff", '{"a": 3, "b": ["/"], "c": null}']
)
def test_a_damaged_memory_is_none_and_the_next_painting_makes_it_whole(
    tmp_path: Path, memory: Any, damage: str
) -> None:
    (tmp_path / memory.FILE).write_bytes(damage.encode("latin-1"))
    assert memory.recent(12) == []
    assert memory.find("a") is None
    memory.remember("d", tmp_path / memory.FILE)
    assert memory.recent(12) == [tmp_path / memory.FILE]


@pytest.mark.parametrize("path", ["", "a\0b", "/" + "x" * 5000, "\ud800"])
def test_a_path_that_can_be_no_file_s_is_not_offered(tmp_path: Path, memory: Any, path: str) -> None:
    (tmp_path / memory.FILE).write_text(json.dumps({"a": path}))
    assert memory.recent(12) == []


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ImpastoError(Code.UNKNOWN_JOB, "No.", resume="a"), "Impasto keeps nothing of that any more"),
        (ImpastoError(Code.BAD_REQUEST, "No.", field="resume"), "that has other proportions"),
        (ImpastoError(Code.VERSION_MISMATCH, "No.", feature="resume"), "Impasto's daemon is too old to do so"),
        (ImpastoError(Code.UNKNOWN_JOB, "No."), ""),
        (ImpastoError(Code.BAD_REQUEST, "No.", field="strength"), ""),
        (ImpastoError(Code.OUT_OF_MEMORY, "No."), ""),
    ],
)
def test_what_cannot_go_on_from_the_last_painting_is_begun_anew_and_the_artist_told(
    monkeypatch: pytest.MonkeyPatch, error: ImpastoError, said: str
) -> None:
    restyle, asked = module("restyle"), list[str]()

    def placed(_plug_in: object, order: Any, _watcher: object) -> list[str]:
        asked.append(order.request.resume)
        if order.request.resume:
            raise error
        return ["painted"]

    monkeypatch.setattr(restyle.finished, "placed", placed)
    request = Request(CONTENT, (Style(STYLE),), resume="a")
    order = restyle.finished.Order(request, [restyle.Chosen("style", STYLE)], {}, "layer", "image", print)
    if said:
        sentence = f"It could not go on from the last painting, for {said}: it was painted from the beginning."
        assert restyle.carried_out(None, order, lambda: None) == [sentence, "painted"]
        assert asked == ["a", ""]
    else:
        with pytest.raises(ImpastoError, match="No"):
            restyle.carried_out(None, order, lambda: None)
        assert asked == ["a"]


def test_a_file_that_holds_other_pixels_by_now_is_not_taken_for_the_style(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = module("style_kept")
    monkeypatch.setattr(kept.style_memory, "find", lambda _digest: Path("sunrise.png"))
    monkeypatch.setattr(kept.style_file, "checked", lambda *_: Path("sunrise.png"))
    monkeypatch.setattr(kept.style_file, "load", lambda *_: STYLE)
    assert kept.original("sunrise.png", STYLE.sha256(), None).picture is STYLE
    assert kept.original("sunrise.png", CONTENT.sha256(), None) is None


def test_what_another_version_painted_with_is_brought_within_the_dialogs_ranges(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    restyle, config = module("restyle"), MagicMock()
    limits = MagicMock(minimum=10.0, maximum=400.0)
    filters = MagicMock(find_argument=lambda _name: limits)
    monkeypatch.setattr(restyle.Gimp, "get_pdb", lambda: MagicMock(lookup_procedure=lambda _name: filters))
    painted = MagicMock(arguments={"recipe": "gatys", "stroke-size": 900.0, "strength": 5.0})
    assert restyle.fill(config, MagicMock(), painted, False) == {"recipe": "gatys", "stroke-size": 400, "strength": 10}


def test_a_painting_and_its_group_follow_the_style_unless_the_artist_has_named_them() -> None:
    colours = module("colours")

    def named(name: str, parent: Any = None) -> Any:
        layer = MagicMock(get_name=lambda: name)
        layer.get_parent.return_value = parent
        return layer

    group, mine = named("old"), named("mine")
    painting, other = named(colours._inner_name("old"), group), named("old", mine)
    for each in (painting, other):
        colours.rename(each, "old", "new")
    painting.set_name.assert_called_once_with(colours._inner_name("new"))
    group.set_name.assert_called_once_with("new")
    other.set_name.assert_called_once_with("new")
    mine.set_name.assert_not_called()
