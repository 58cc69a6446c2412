"""The filter on every kind of picture, layer and style file, through a real GIMP and a real daemon's socket.

One start of GIMP runs all of in_gimp.py; the tests read what it wrote down. The painter turns colours round, so
that each pixel's right value is known.
"""

from __future__ import annotations

import array
import json

import pytest
from impasto_protocol import __version__

from . import painter, styles
from .conftest import Facts
from .studio import Studio

pytestmark = pytest.mark.gimp

NAME = "Starry night (style transfer)"

KINDS = {
    "RGB": ("rgb-image", 1.5 / 255),
    "RGBA": ("rgba-image", 1.5 / 255),
    "GRAYA 16-bit": ("graya-image", 2 / 65535),
    "RGBA float": ("rgba-image", 1e-5),
}
"""The new layer's type, and how far a sample may be off: the image's own precision. test_kinds.py has them all."""

GOOD_STYLES = [
    "animated.gif", "animated.webp", "bitmap.bmp", "cmyk.jpg", "exif_rotated.jpg", "grey.png", "no_extension",
    "one_pixel.png", "palette_alpha.png", "plain.png", "sixteen_bit.png", "tiff.tif", "with spaces and ünïcode.png",
]  # fmt: skip

SHAPES = {"3×2000": [3, 2000], "one colour": [40, 30]}
"""Layers with little in them, and their sizes."""

REFUSED = {
    "a selection elsewhere": "The selection lies outside this layer",
    "33000×2": "This layer has 33000×2 pixels, more than Impasto takes",
    "transparent": "This layer is fully transparent",
    "transparent float": "This layer is fully transparent",
    "unknown recipe": "There is no recipe “impsato”. Did you mean “impasto”?",
    "a recipe that is no name": "Ünknown recipe!",
    "no style": "Choose a style picture first",
    "style missing.png": "does not exist",
    "style folder": "is not a file",
    "style bad_empty.png": "is empty",
    "style bad_text.png": "cannot be opened as a picture. Choose another one.",
    "style bad_bomb.png": "has 60000×60000 pixels, more than Impasto takes",
    "style bad_bomb.gif": "has 65535×65535 pixels, more than Impasto takes",
    **{
        f"style bad_{part}.{kind}": "is cut off"
        for part in ("beginning", "half")
        for kind in ("png", "jpeg", "webp", "gif")
    },
    "a layer too large as style": "has 33000×2 pixels, more than Impasto takes as a style",
    "a style given twice": "Give a style as one of these, not as several: style-file, style-pattern",
    "a second style that is missing": "missing.png does not exist",
    "no style with a weight": "Choose a style picture first: no style was given, or none with a weight above 0",
    "the painter dies": "The process that paints ended in mid-job",
}
"""What cannot be painted, and the beginning of what the artist is told."""


def samples(studio: Studio, facts: Facts, suffix: str = "") -> array.array[float]:
    return array.array("f", (studio.folder / f"{facts['pixels']}{suffix}.raw").read_bytes())


def error(studio: Studio, facts: Facts) -> float:
    """The largest difference between the new layer and the source with its colours turned round."""
    was, now = samples(studio, facts, ".source"), samples(studio, facts)
    assert len(was) == len(now) > 0
    colours = (abs(1 - was[i] - now[i]) for i in range(len(was)) if i % 4 != 3 and was[i - i % 4 + 3] > 0)
    alphas = (abs(was[i] - now[i]) for i in range(3, len(was), 4))
    return max(max(colours), max(alphas))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_image_gets_its_painting_in_its_own_type_and_precision(
    studio: Studio, gallery: dict[str, Facts], kind: str
) -> None:
    facts = gallery[kind]
    wanted, tolerance = KINDS[kind]
    assert facts["status"] == "success", facts["message"]
    assert facts["type"] == wanted
    assert error(studio, facts) <= tolerance


@pytest.mark.parametrize("case", [*KINDS, "inside a group", "a group", "a selection", *SHAPES])
def test_the_source_is_left_alone_and_exactly_one_layer_is_added(gallery: dict[str, Facts], case: str) -> None:
    facts = gallery[case]
    assert facts["status"] == "success", facts["message"]
    assert facts["source_untouched"]
    assert len(facts["after"]) == len(facts["before"]) + 1


def test_the_layer_is_named_after_the_style_file(gallery: dict[str, Facts]) -> None:
    assert gallery["RGB"]["name"] == NAME


def test_the_layer_lies_above_its_source_in_the_same_group_at_the_same_offsets(gallery: dict[str, Facts]) -> None:
    facts = gallery["inside a group"]
    assert facts["offsets"] == [13, -7]
    assert facts["parent"] == "group"
    assert facts["after"] == [
        ["group", None, 0],
        ["highest", "group", 0],
        [NAME, "group", 1],
        ["source", "group", 2],
        ["lowest", "group", 3],
        ["background", None, 1],
    ]


def test_a_group_is_painted_as_it_looks_and_the_painting_lies_above_it(
    studio: Studio, gallery: dict[str, Facts]
) -> None:
    facts = gallery["a group"]
    assert facts["after"][:2] == [[NAME, None, 0], ["group", None, 1]]
    assert facts["offsets"] == [5, 6]
    assert error(studio, facts) <= 1.5 / 255


def test_a_selection_becomes_the_mask_of_a_layer_that_is_painted_whole(
    studio: Studio, gallery: dict[str, Facts]
) -> None:
    facts = gallery["a selection"]
    assert facts["size"] == [40, 30]
    assert facts["mask"] == [5, 24], "the selection from x = 15 to 34 in a layer that begins at 10"
    assert not facts["mask_is_edited"], "the next stroke is for the layer"
    assert error(studio, facts) <= 1.5 / 255
    assert gallery["RGB"]["mask"] is None


def test_the_request_is_recorded_with_the_layer_without_any_path(studio: Studio, gallery: dict[str, Facts]) -> None:
    facts = gallery["RGBA"]
    parasite = json.loads(facts["parasite"])
    assert set(parasite) == {"impasto", "style", "record", "job", "source"}, "everything is in there once"
    assert facts["persistent"]
    assert parasite["impasto"] == __version__
    assert parasite["style"] == "starry_night.png"
    assert parasite["record"]["notes"] == [painter.NOTE]
    request = parasite["record"]["request"]
    assert (request["recipe"], request["strength"], request["max_size"], request["seed"]) == ("impasto", 50, 1024, 0)
    assert (request["content"]["width"], request["content"]["channels"], request["content"]["dtype"]) == (40, 4, "u8")
    assert str(studio.folder) not in facts["parasite"]


@pytest.mark.parametrize("kind", ["RGBA float", "GRAYA 16-bit"])
def test_more_than_eight_bits_travel_as_floats(gallery: dict[str, Facts], kind: str) -> None:
    assert request_of(gallery[kind])["content"]["dtype"] == "f32"


@pytest.mark.parametrize("name", GOOD_STYLES)
def test_whatever_gimp_opens_is_a_style(gallery: dict[str, Facts], name: str) -> None:
    facts = gallery[f"style {name}"]
    assert facts["status"] == "success", facts["message"]


@pytest.mark.parametrize("name", ["plain.png", "animated.gif", "animated.webp", "palette_alpha.png", "tiff.tif"])
def test_a_style_comes_with_its_colours_and_of_an_animation_its_first_frame(
    gallery: dict[str, Facts], name: str
) -> None:
    first, last = corners(gallery, name)
    assert first[:3] == pytest.approx(styles.RED, abs=25)
    assert last[:3] == pytest.approx(styles.BLUE, abs=25)


def test_a_cmyk_file_comes_in_its_colours_as_far_as_inks_go(gallery: dict[str, Facts]) -> None:
    (red, *other), (*others, blue) = corners(gallery, "cmyk.jpg")
    assert red > 1.5 * max(other)
    assert blue > 1.5 * max(others)


def test_a_photograph_is_turned_as_its_exif_says(gallery: dict[str, Facts]) -> None:
    style = request_of(gallery["style exif_rotated.jpg"])["styles"][0]
    assert (style["width"], style["height"]) == (styles.HEIGHT, styles.WIDTH)
    first, last = corners(gallery, "exif_rotated.jpg")
    assert first[:3] == pytest.approx(styles.RED, abs=25)
    assert last[:3] == pytest.approx(styles.RED, abs=25), "the blue corner is bottom left after the turn"


@pytest.mark.parametrize("case", SHAPES)
def test_a_layer_with_little_in_it_is_painted_like_any_other(
    studio: Studio, gallery: dict[str, Facts], case: str
) -> None:
    assert gallery[case]["size"] == SHAPES[case]
    assert error(studio, gallery[case]) <= 1.5 / 255


def test_a_style_file_whose_name_is_no_utf_8_serves_as_well(gallery: dict[str, Facts]) -> None:
    facts = gallery["a style with no UTF-8 in its name"]
    assert facts["status"] == "success", facts["message"]
    assert facts["name"] == "Gem�lde (style transfer)"
    assert json.loads(facts["parasite"])["style"] == "gem�lde.png"


def test_an_error_names_such_a_file_as_well_as_it_can(gallery: dict[str, Facts]) -> None:
    facts = gallery["a missing style with no UTF-8 in its name"]
    assert facts["status"] == "execution-error"
    assert "fort�.png does not exist" in facts["message"]


@pytest.mark.parametrize(
    ("case", "field", "default"),
    [
        ("strength nan", "strength", 50),
        ("strength inf", "strength", 50),
        ("strength 1e9", "strength", 50),
        ("strength -1", "strength", 50),
        ("longest side -5", "max_size", 1024),
        ("seed -1", "seed", 0),
    ],
)
def test_a_number_out_of_its_range_and_what_is_none_leaves_the_default_in_gimps_python(
    gallery: dict[str, Facts], case: str, field: str, default: int
) -> None:
    assert gallery[case]["status"] == "success", gallery[case]["message"]
    assert request_of(gallery[case])[field] == default


def test_the_dialog_shows_a_small_picture_of_a_style_and_unpacks_no_bomb_for_it(gallery: dict[str, Facts]) -> None:
    sides = gallery["previews"]["sides"]
    shown = {name for name, side in sides.items() if side}
    assert max(sides.values()) == 160
    assert {"plain.png", "cmyk.jpg", "animated.gif", "exif_rotated.jpg", "one_pixel.png"} <= shown
    assert not {name for name in shown if name.startswith("bad_bomb")}
    assert not {"huge.png", "pipe"} & shown
    assert {"huge.png", "pipe"} <= set(sides)


def test_a_layer_of_another_image_is_a_style_under_its_own_name(gallery: dict[str, Facts]) -> None:
    facts = gallery["a layer as style"]
    assert facts["status"] == "success", facts["message"]
    assert facts["name"] == "Sketch (style transfer)"
    assert size_of_style(facts) == (40, 30, 3)
    assert facts["style_untouched"]


@pytest.mark.parametrize("case", ["a layer's selection as style", "a group's selection as style"])
def test_of_another_image_s_layer_what_is_selected_there_is_the_style(gallery: dict[str, Facts], case: str) -> None:
    facts = gallery[case]
    assert facts["status"] == "success", facts["message"]
    assert size_of_style(facts) == (15, 10, 4), "the selection from x = 5 to 24 in a layer that begins at 10"
    _, last = json.loads(facts["parasite"])["record"]["style_corners"]
    assert last[3] == 0, "transparent where an ellipse is not, and so no part of the style"
    assert facts["style_untouched"]


def test_in_the_same_image_the_selection_is_where_to_paint(gallery: dict[str, Facts]) -> None:
    facts = gallery["a layer of the same image as style"]
    assert facts["status"] == "success", facts["message"]
    assert size_of_style(facts) == (16, 12, 3)
    assert facts["mask"] == []


def test_a_layer_that_is_gone_is_refused_by_gimp_itself(gallery: dict[str, Facts]) -> None:
    facts = gallery["a layer that is gone as style"]
    assert facts["status"] == "calling-error" and "style-layer" in facts["message"]
    assert facts["after"] == facts["before"]


def test_a_pattern_is_a_style(gallery: dict[str, Facts]) -> None:
    facts = gallery["a pattern as style"]
    assert facts["status"] == "success", facts["message"]
    assert facts["name"] == "Clipboard Image (style transfer)"
    assert min(size_of_style(facts)) >= 3


def test_several_styles_are_painted_with_by_their_weights_and_the_layer_says_how_many(
    gallery: dict[str, Facts],
) -> None:
    facts = gallery["several styles"]
    assert facts["status"] == "success", facts["message"]
    assert facts["name"] == "Starry night and 2 more (style transfer)"
    assert [style["weight"] for style in request_of(facts)["styles"]] == [1, 1, 0.5]
    kept = json.loads(facts["parasite"])
    assert (kept["style"], kept["more"]) == ("starry_night.png", [{"style": "Clipboard Image"}, {"style": "large.png"}])


def test_a_weight_out_of_its_range_leaves_the_default_in_gimps_python(gallery: dict[str, Facts]) -> None:
    facts = gallery["a weight of -1"]
    assert facts["status"] == "success", facts["message"]
    assert [style["weight"] for style in request_of(facts)["styles"]] == [1, 1]


def test_strokes_of_another_size_are_asked_for_in_pixels_of_the_layer(gallery: dict[str, Facts]) -> None:
    assert request_of(gallery["stroke size 50"])["settings"] == {"style_size": pytest.approx(0.5 * (40 * 30) ** 0.5)}
    assert request_of(gallery["RGB"])["settings"] == {}


def size_of_style(facts: Facts) -> tuple[int, int, int]:
    style = request_of(facts)["styles"][0]
    return style["width"], style["height"], style["channels"]


def request_of(facts: Facts) -> Facts:
    """The request as the painter got it."""
    found: Facts = json.loads(facts["parasite"])["record"]["request"]
    return found


def corners(gallery: dict[str, Facts], name: str) -> list[list[float]]:
    record = json.loads(gallery[f"style {name}"]["parasite"])["record"]
    found: list[list[float]] = record["style_corners"]
    return found


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_painted_is_told_in_a_sentence_and_nothing_is_inserted(
    gallery: dict[str, Facts], case: str
) -> None:
    facts = gallery[case]
    assert facts["status"] == "execution-error"
    assert REFUSED[case] in facts["message"]
    assert facts["after"] == facts["before"]
    assert facts["source_untouched"]


def test_every_bad_style_was_tried(gallery: dict[str, Facts]) -> None:
    tried = {case for case in gallery if case.startswith("style ")}
    assert tried == {f"style {name}" for name in GOOD_STYLES} | {case for case in REFUSED if case.startswith("style ")}


def test_no_image_is_left_behind_in_gimp(gallery: dict[str, Facts]) -> None:
    left = {case: facts["images_left"] for case, facts in gallery.items() if case != "previews"}
    assert left == dict.fromkeys(left, 0)
