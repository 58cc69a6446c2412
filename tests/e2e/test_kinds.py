"""Every kind of image and every state of a layer, one by one, through a real GIMP: what kinds_in_gimp.py wrote down.

The painter turns colours round, so that each pixel's right value is known.
"""

from __future__ import annotations

import array
import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import ImageCms

from .conftest import Facts, running_daemon
from .studio import Studio

pytestmark = pytest.mark.gimp

NAME = "Sketch (style transfer)"
INSIDE = f"Painting: {NAME}"
COLOURS = "Colours: source"
U8 = 1.5 / 255

TOLERANCES = {
    "U8_NON_LINEAR": U8,
    "U8_LINEAR": 0.03,
    "U16_NON_LINEAR": 2 / 65535,
    "U16_LINEAR": 2e-4,
    "U32_NON_LINEAR": 1e-5,
    "U32_LINEAR": 1e-5,
    "HALF_NON_LINEAR": 1e-3,
    "HALF_LINEAR": 1e-3,
    "FLOAT_NON_LINEAR": 1e-5,
    "FLOAT_LINEAR": 1e-5,
    "DOUBLE_NON_LINEAR": 1e-5,
    "DOUBLE_LINEAR": 1e-5,
}
"""How far a sample may be off, by the precision's own steps (linear ones are coarse in shadows)."""

PROFILES = {
    "GRAY with grey as L*": U8,
    "RGB with an sRGB of another maker": U8,
    "RGB with Adobe RGB": 2.5 / 255,
    "RGB U16 with ROMM RGB": 4e-4,
    "RGB with a profile of no space": U8,
    "RGB with a CMYK simulation": U8,
}
"""Colour profiles, and how far a sample may be off: a wide one has longer steps."""

LOCKS = ("content", "position", "alpha", "visibility")
STATES = [
    "as it is",
    "a layer mask",
    "opacity and mode",
    "invisible",
    "filters",
    "filters of a group",
    "a group",
    "a pass-through group",
    "a nested group",
    "a text layer",
    *(f"locked {lock}" for lock in LOCKS),
    *(f"in a group with locked {lock}" for lock in LOCKS if lock != "alpha"),
    "1×1",
    "1×9",
    "9×1",
    "partly outside",
    "outside",
    "larger than the image",
]
NEW = ["a link layer", "a vector layer"]
"""Since GIMP 3.2."""

REFUSED = {
    "a channel": "Select a layer instead of this channel",
    "the selection": "Select a layer instead of this channel",
    "a layer mask that is edited": "The layer mask is being edited",
    "a floating selection": "The image has a floating selection. Anchor it",
    "a layer below a floating selection": "The image has a floating selection. Anchor it",
    "no layer": "Select one layer to paint. Selected are: 0",
    "a layer of another image": "The layer stranger is in another image. Call Impasto with that image.",
    "an empty group": "This layer group is empty",
}
"""Drawables that cannot be painted, and what the artist is told."""


@pytest.fixture(scope="session")
def kinds(studio: Studio) -> Iterator[dict[str, Facts]]:
    """The facts of every case of kinds_in_gimp.py, by its name: one start of GIMP serves all tests."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (studio.folder / "srgb.icc").write_bytes(srgb)
    (studio.folder / "tables.icc").write_bytes(srgb.replace(b"rXYZ", b"none").replace(b"rTRC", b"nor "))
    script = Path(__file__).with_name("kinds_in_gimp.py").read_text(encoding="utf-8")
    with running_daemon(studio):
        process = studio.batch(script, fonts=True, IMPASTO_TEST_FOLDER=str(studio.folder))
        said, _ = process.communicate(timeout=200)
    told = studio.folder / "kinds.json"
    assert told.exists(), said
    yield json.loads(told.read_text())


def of(kinds: dict[str, Facts], case: str) -> Facts:
    """The facts of what was painted."""
    if case not in kinds:
        pytest.skip("this GIMP has no such thing")
    assert kinds[case]["status"] == "success", kinds[case]["message"]
    return kinds[case]


def samples(facts: Facts, name: str) -> array.array[float]:
    return array.array("f", base64.b64decode(facts[name]))


def error(facts: Facts) -> float:
    """The largest difference between the painting and the source with its colours turned round."""
    was, now = samples(facts, "source"), samples(facts, "pixels")
    assert len(was) == len(now) > 0
    shown = [i for i in range(len(was)) if was[i - i % 4 + 3] > 0]
    return max(abs((was[i] if i % 4 == 3 else 1 - was[i]) - now[i]) for i in shown)


@pytest.mark.parametrize("precision", TOLERANCES)
@pytest.mark.parametrize("base", ["RGB", "GRAY"])
def test_every_precision_keeps_its_type_and_its_steps(kinds: dict[str, Facts], base: str, precision: str) -> None:
    facts = of(kinds, f"{base} {precision}")
    alpha = "a" if "NON" in precision else ""
    assert facts["type"] == f"{base.lower()}{alpha}-image"
    assert error(facts) <= TOLERANCES[precision]


@pytest.mark.parametrize("case", PROFILES)
def test_a_colour_profile_stays_and_is_honoured(kinds: dict[str, Facts], case: str) -> None:
    facts = of(kinds, case)
    assert error(facts) <= PROFILES[case]
    assert (facts["profile"] is None) == (case == "RGB with a CMYK simulation")


@pytest.mark.parametrize("case", ["INDEXED", "INDEXED with alpha"])
def test_an_indexed_image_gets_its_painting_in_the_colours_of_its_palette(kinds: dict[str, Facts], case: str) -> None:
    facts = of(kinds, case)
    was, now = samples(facts, "source"), samples(facts, "pixels")
    palette = {tuple(was[i : i + 3]) for i in range(0, len(was), 4)}
    painted = {tuple(now[i : i + 3]) for i in range(0, len(now), 4) if now[i + 3]}
    assert len(painted) > 4 and painted <= palette


@pytest.mark.parametrize("state", [*STATES, *NEW])
def test_a_layer_in_any_state_is_painted_as_it_looks_and_stays_as_it_is(kinds: dict[str, Facts], state: str) -> None:
    facts = of(kinds, f"layer: {state}")
    assert error(facts) <= U8
    assert facts["untouched"]
    assert [facts["offsets"], facts["size"]] == facts["source_place"]
    assert (facts["opacity"], facts["mode"], facts["mask"]) == (100, "normal", False)


@pytest.mark.parametrize("state", ["a nested group", *(f"in a group with locked {lock}" for lock in ("content",))])
def test_the_painting_lies_above_its_source_in_the_same_group(kinds: dict[str, Facts], state: str) -> None:
    after = of(kinds, f"layer: {state}")["after"]
    inner = ["group", ["source"]]
    assert after == ([["outer", [NAME, inner]]] if state == "a nested group" else [["group", [NAME, "source"]]])


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_layer_is_refused_in_a_sentence(kinds: dict[str, Facts], case: str) -> None:
    facts = kinds[f"other: {case}"]
    assert facts["status"] == "execution-error"
    assert REFUSED[case] in facts["message"]
    assert facts["after"] == facts["before"]


def test_a_layer_that_gimp_forgets_meanwhile_gets_its_painting_with_its_transparency(
    kinds: dict[str, Facts],
) -> None:
    facts = of(kinds, "a layer that is forgotten")
    assert not facts["known"]
    assert facts["type"] == "rgba-image"
    assert len(facts["after"]) == 1


def test_of_a_style_in_a_group_of_another_image_its_own_selected_part_is_taken(kinds: dict[str, Facts]) -> None:
    (style,) = of(kinds, "a style in a group")["request"]["styles"]
    assert (style["width"], style["height"]) == (5, 3)


def test_no_image_is_left_behind_in_gimp(kinds: dict[str, Facts]) -> None:
    assert {facts["images_left"] for facts in kinds.values()} == {1}, "the style's own"


# Keep my colours ------------------------------------------------------------------------------------------

D50 = ((0.4360747, 0.3850649, 0.1430804), (0.2225045, 0.7168786, 0.0606169), (0.0139322, 0.0971045, 0.7141733))
"""From linear sRGB to XYZ, as GIMP has it."""


def lab(rgb: array.array[float]) -> tuple[float, float, float]:
    """CIE L*a*b* of sRGB."""
    light = [((v + 0.055) / 1.055) ** 2.4 if v > 0.04045 else v / 12.92 for v in rgb]
    xyz = [sum(a * b for a, b in zip(row, light)) / sum(row) for row in D50]
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def colours_off(facts: Facts) -> float:
    """The largest difference in L*a*b* between what is seen and the painting's lightness with the source's colours.

    A colour that the image cannot hold was clipped: those are left out, and are not all.
    """
    rows = [samples(facts, name) for name in ("pixels", "source", "seen")]
    found = []
    for i in range(0, len(rows[0]), 4):
        painting, source, seen = (row[i : i + 3] for row in rows)
        if rows[1][i + 3] and min(seen) > 0.01 and max(seen) < 0.99:
            wanted = (lab(painting)[0], *lab(source)[1:])
            found.append(max(abs(a - b) for a, b in zip(wanted, lab(seen))))
    assert len(found) > 15
    return max(found)


@pytest.mark.parametrize("case", ["RGB", "RGBA", "RGB U16_LINEAR", "RGB FLOAT_LINEAR", "Adobe RGB"])
def test_the_image_shows_the_painting_s_lightness_and_the_source_s_colours(kinds: dict[str, Facts], case: str) -> None:
    facts = of(kinds, f"colours: {case}")
    assert facts["after"] == [[NAME, [COLOURS, INSIDE]], "source"]
    assert facts["selected"] == [NAME]
    assert colours_off(facts) <= (2.5 if case in ("RGB", "RGBA", "Adobe RGB") else 0.1)
    assert error(facts) <= (2.5 / 255 if case == "Adobe RGB" else U8), "the painting itself has the style's colours"


def test_colours_that_srgb_has_not_are_kept_as_they_are(kinds: dict[str, Facts]) -> None:
    facts = of(kinds, "colours: a green beyond sRGB")
    assert samples(facts, "source")[0] < -0.1
    assert facts["colours"] == facts["source"]


def test_the_selection_is_the_mask_of_the_group(kinds: dict[str, Facts]) -> None:
    facts = of(kinds, "colours: a selection")
    assert (facts["group_mask"], facts["mask"]) == ([5, 8], False)


def test_the_group_of_both_lies_above_the_source_in_its_group(kinds: dict[str, Facts]) -> None:
    facts = of(kinds, "colours: in a group")
    assert facts["after"] == [["group", [[NAME, [COLOURS, INSIDE]], "source"]]]
    assert facts["offsets"] == [3, 4]


def test_an_indexed_image_has_both_layers_in_its_palette(kinds: dict[str, Facts]) -> None:
    assert of(kinds, "colours: INDEXED")["after"][0] == [NAME, [COLOURS, INSIDE]]


def test_greys_have_no_colours_to_keep_and_the_artist_is_told(kinds: dict[str, Facts]) -> None:
    facts = of(kinds, "colours: GRAY")
    assert facts["after"] == [NAME, "source"]
    assert "has no colours to keep" in facts["notes"][-1]


@pytest.mark.parametrize(
    "case",
    ["the painting again", "the group again", "the colours again", "from an XCF", "in a copy of the image"],
)
def test_painting_and_colours_follow_the_source_whichever_is_selected(kinds: dict[str, Facts], case: str) -> None:
    facts = of(kinds, f"colours: {case}")
    assert facts["after"] == facts["before"] == [[NAME, [COLOURS, INSIDE]], "source"]
    assert error(facts) <= U8
    assert colours_off(facts) <= 2.5
    assert facts["colours"] == facts["source"] != facts["colours_before"]
    assert not [note for note in facts["notes"] if COLOURS in note]


def test_both_follow_the_size_and_the_place_of_the_source(kinds: dict[str, Facts]) -> None:
    facts = of(kinds, "colours: a larger source")
    assert [facts["offsets"], facts["size"]] == facts["source_place"] == [[-1, 3], [20, 10]]
    assert facts["colours"] == facts["source"]


@pytest.mark.parametrize("why", ["changed", "locked"])
def test_colours_that_the_artist_changed_or_locked_stay_and_the_artist_is_told(
    kinds: dict[str, Facts], why: str
) -> None:
    facts = of(kinds, f"colours: {why} colours")
    assert error(facts) <= U8
    assert facts["colours"] == facts["colours_before"]
    assert f"{COLOURS} was changed or locked" in facts["notes"][-1]


def test_a_painting_gets_its_colours_back_later_and_its_mode_goes_to_the_group(kinds: dict[str, Facts]) -> None:
    for case, mode in (("later", "normal"), ("later with a mode", "multiply")):
        facts = of(kinds, f"colours: {case}")
        assert facts["after"] == [[NAME, [COLOURS, INSIDE]], "source"]
        assert (facts["group_mode"], facts["mode"]) == (mode, "normal")
        assert facts["colours"] == facts["source"]


@pytest.mark.parametrize("case", ["step 1 refused", "step 2 refused", "step 3 refused", "refused later"])
def test_of_what_gimp_does_not_take_whole_nothing_is_left_in_the_image(kinds: dict[str, Facts], case: str) -> None:
    facts = kinds[f"colours: {case}"]
    assert facts["status"] == "execution-error"
    assert "The painting could not be put into the image" in facts["message"]
    assert facts["after"] == facts["before"]
    assert facts.get("pixels_before") == facts.get("pixels")


def test_a_group_that_has_lost_its_colours_gets_new_ones(kinds: dict[str, Facts]) -> None:
    facts = of(kinds, "colours: removed colours")
    assert facts["before"] == [[NAME, [INSIDE]], "source"]
    assert facts["after"] == [[NAME, [COLOURS, INSIDE]], "source"]


def test_a_group_of_several_paintings_asks_which(kinds: dict[str, Facts]) -> None:
    facts = kinds["colours: two paintings in a group"]
    assert facts["status"] == "execution-error"
    assert "has several paintings in it. Select one of them" in facts["message"]
