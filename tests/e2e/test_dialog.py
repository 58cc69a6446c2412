"""The plug-in's windows in a real GIMP: presets, settings, Reset, mnemonics, and what a screen reader is told."""

from __future__ import annotations

import gettext
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from impasto_daemon.plugin_install import source_folder
from PIL import Image

from . import styles
from .studio import Studio

pytestmark = pytest.mark.gimp

DISPLAY = 1366, 768
INITIAL = {
    "recipe": "impasto",
    "strength": 50.0,
    "stroke-size": 100.0,
    "max-size": 1024,
    "seed": 0,
    "keep-colours": False,
}
CHOSEN = {"recipe": "gatys", "strength": 70.0, "stroke-size": 100.0, "max-size": 512, "seed": 7, "keep-colours": False}


@pytest.fixture(scope="module")
def told(studio: Studio) -> Iterator[dict[str, Any]]:
    """What in_dialog.py wrote down: one start of GIMP serves all tests."""
    if not studio.gimp.has("Xvfb"):
        pytest.fail("the dialog needs Xvfb") if os.environ.get("CI") else pytest.skip("the dialog needs Xvfb")
    styles.picture().save(studio.folder / "starry_night.png")
    styles.large().save(studio.folder / "large.png")
    script = Path(__file__).with_name("in_dialog.py").read_text(encoding="utf-8")
    display = studio.start("Xvfb", "-displayfd", "1", "-screen", "0", "{}x{}x24".format(*DISPLAY), "-nolisten", "tcp")
    try:
        assert display.stdout is not None
        number = next(line.strip() for line in display.stdout if line.strip().isdigit())
        process = studio.batch(script, fonts=True, IMPASTO_TEST_FOLDER=str(studio.folder), DISPLAY=f":{number}")
        said, _ = process.communicate(timeout=200)
    finally:
        display.kill()
        display.communicate(timeout=10)
    answer = studio.folder / "dialog.json"
    assert answer.exists(), said
    yield json.loads(answer.read_text())


def test_gimps_own_buttons_keep_all_settings_with_the_styles_file_and_reset_brings_back_the_defaults(
    told: dict[str, Any], studio: Studio
) -> None:
    style = str(studio.folder / "starry_night.png")
    assert told["settings"] == {
        "initial": {**INITIAL, "style-file": None},
        "loaded": {**CHOSEN, "style-file": style},
        "can be painted": True,
        "reset": {**INITIAL, "style-file": None},
        "can be painted then": False,
    }


def test_reset_brings_back_what_a_layer_was_painted_with(told: dict[str, Any]) -> None:
    assert told["restyled"] == {"reset": {**CHOSEN, "style-file": None}}


def test_of_a_recipe_that_is_not_known_here_the_artist_is_told_which_is_taken(told: dict[str, Any]) -> None:
    (sentence,) = told["unknown"]["said"]
    assert sentence == "This version does not have the recipe cubism: this one is taken instead."
    assert (told["unknown"]["chosen"], told["unknown"]["reset"]) == ("impasto", "impasto")


def test_below_the_recipe_stands_what_a_painter_gets_and_a_screen_reader_reads_it(told: dict[str, Any]) -> None:
    assert told["unknown"]["about"] == {
        "pytorch": "Small strokes and strong colours; no large shapes of the style.",
        "wavelets": "The style's palette and strokes without its shapes. Needs no weights.",
    }


def test_styles_are_added_and_taken_away_and_weights_are_there_where_they_matter(told: dict[str, Any]) -> None:
    one = {"styles": 1, "weights": 0, "second": False, "ready": True}
    added = {"styles": 2, "weights": 2, "second": False, "ready": True}
    assert told["several"] == [one, added, {**added, "second": True}, {**added, "ready": False}, one, 100]


def test_a_layer_s_own_style_is_not_taken_unseen_where_another_one_was_to_be(told: dict[str, Any]) -> None:
    assert [rows["ready"] for rows in told["undecided"]] == [True, False, True]
    assert [rows["styles"] for rows in told["undecided"]] == [2, 2, 1]


def test_the_preview_is_painted_with_all_styles_and_reads_them_once(told: dict[str, Any]) -> None:
    small, large = [48, 32], [700, 500]
    assert told["previewed"]["styles"] == [
        [[*small, pytest.approx(0.3)], [*large, 1]],
        [[*small, pytest.approx(0.6)], [*large, 1]],
    ]
    assert told["previewed"]["read"] == 1


def test_a_preset_brings_back_the_values_and_the_very_style_that_lies_on_this_machine(
    told: dict[str, Any], studio: Studio
) -> None:
    mine = {**CHOSEN, "style-file": str(studio.folder / "starry_night.png")}
    assert told["presets"]["mine"] == {"notes": [], "values": mine, "weights": [100]}


def test_a_preset_brings_several_styles_each_with_its_weight(told: dict[str, Any], studio: Studio) -> None:
    several = told["presets"]["several"]
    assert several["values"]["style-file"] == str(studio.folder / "starry_night.png")
    assert several["weights"] == [40, 100]


def test_a_preset_is_saved_and_opened_through_the_menu_and_named_after_its_style(
    told: dict[str, Any], studio: Studio
) -> None:
    values, by_menu = {**CHOSEN, "style-file": str(studio.folder / "starry_night.png")}, told["presets by menu"]
    assert (by_menu["offered"], by_menu["saved"]) == ("starry_night.json", True)
    assert by_menu["own"] == by_menu["opened"] == values
    saved, ready_made, *later = by_menu["said"]
    assert (saved, ready_made) == ("Preset saved: by menu", "Preset opened: In my own colours")
    assert later == ["", "Preset opened: by menu"], "it is not what was opened any more once a value has changed"


def test_the_menu_has_presets_that_come_with_impasto_the_artist_s_own_and_files(told: dict[str, Any]) -> None:
    ready = ["Close to the motif", "Fine strokes", "Broad brush", "Free hand", "In my own colours"]
    assert told["presets by menu"]["listed"] == [*ready, "", "by menu", "", "_Open Preset File…", "_Save Preset File…"]


def test_a_preset_that_comes_with_impasto_says_how_to_paint_and_leaves_style_size_and_seed_as_they_are(
    told: dict[str, Any], studio: Studio
) -> None:
    assert told["presets by menu"]["ready-made"] == {
        **CHOSEN,
        "style-file": str(studio.folder / "starry_night.png"),
        "recipe": "impasto",
        "strength": 60.0,
        "keep-colours": True,
    }


def test_a_preset_from_elsewhere_brings_its_style_along_whatever_that_is_called(
    told: dict[str, Any], studio: Studio
) -> None:
    theirs = told["presets"]["theirs"]
    path = Path(theirs["values"].pop("style-file"))
    assert (theirs["values"], theirs["weights"]) == (CHOSEN, [100])
    (note,) = theirs["notes"]
    assert "the small copy of it that came with the preset" in note
    assert theirs["copy of"], "a painting says what its style is a copy of"
    assert theirs["the same again"], "no copy is ever made of a copy"
    assert (path.name, path.parents[1]) == ("großes Bild.jpeg", studio.profile / "impasto-styles")
    with Image.open(path) as picture:
        assert picture.size == (700, 500), "as large as it was, so that strokes are"


def test_a_preset_without_a_style_says_so(told: dict[str, Any]) -> None:
    (note,) = told["presets"]["nothing"]["notes"]
    assert "choose a style picture" in note
    assert told["presets"]["nothing"]["values"] == {**CHOSEN, "style-file": None}


def test_what_a_newer_version_put_into_a_preset_is_told_and_left_out(told: dict[str, Any]) -> None:
    newer = told["presets"]["newer"]
    assert newer["notes"] == ["This version does not know sparkle: that was left out."]
    assert newer["values"] == told["presets"]["mine"]["values"]


@pytest.mark.parametrize("name", ["bad", "recipe", "missing", "pipe"])
def test_a_preset_that_cannot_be_used_is_one_sentence_and_changes_nothing(told: dict[str, Any], name: str) -> None:
    (note,) = told["presets"][name]["notes"]
    assert len(note.splitlines()) == 1
    assert told["presets"][name]["values"] == {**INITIAL, "style-file": None}


def test_what_the_whole_will_take_is_read_in_the_dialog_where_the_daemon_can_say(told: dict[str, Any]) -> None:
    assert told["foreseen"] == [[], ["The whole: 1000×700, 4 tiles, about 40 s, 1.2 GB"], []]


def test_a_warning_stays_whole_below_the_preview_while_its_recipe_is_chosen(told: dict[str, Any]) -> None:
    said, still, other, _ = told["lacking"]
    assert (
        said["seen"] and said["sentence"].startswith("Painted with Wavelets instead of Impasto") and not said["is cut"]
    )
    assert said["why"].startswith("NOT painted with VGG19")
    assert still == said and not other["seen"]


def test_the_warning_is_whole_in_every_language(told: dict[str, Any]) -> None:
    assert len(told["cut"]) == 5 and not any(told["cut"].values())


def test_what_an_older_daemon_says_is_cut_and_can_be_read_all_the_same(told: dict[str, Any]) -> None:
    *_, theirs = told["lacking"]
    assert theirs["is cut"] and theirs["high"] < 200 and len(theirs["why"]) > 400


WINDOWS = ("dialog", "restyle", "batch", "painting", "choosing", "batch painting", "paintings")
CONTROLS = ("button", "push button", "toggle button", "check box", "combo box", "slider", "spin button", "progress bar")
"""Roles, in ATK's words, of what is pressed, set or read."""
KEYED = ("button", "push button", "toggle button", "check box", "slider", "spin button")
PICTURES = ("icon", "image")
PLACES = ("label", "scroll pane")
"""What may have the keys without being set: words, and what moves."""
GIMPS = "gimp30-libgimp"
GIMPS_OWN = {"_Help", "_Reset", "_Save Settings", "_Load Saved Settings"}
"""Two of these share a letter in Russian."""
"""The catalogue of GIMP's own buttons in our dialog."""


@pytest.mark.parametrize("name", WINDOWS)
def test_no_letter_leads_to_two_controls_of_a_window_in_any_language(
    told: dict[str, Any], studio: Studio, name: str
) -> None:
    for language, windows in told["windows"].items():
        found: dict[str, dict[str, Any]] = {}
        for each in windows[name]["mnemonics"]:
            letter = re.search("_([^_])", in_language(studio, language, each["text"]))
            if letter and are_together(each, first := found.setdefault(letter[1].lower(), each)):
                clash = each is not first and not {each["text"], first["text"]} <= GIMPS_OWN
                assert not clash, f"{language}: {each['text']} and {first['text']}"
        assert len(found) >= 3


def in_language(studio: Studio, language: str, text: str) -> str:
    """A text as that language has it. GIMP's are English here, and so are our arguments' labels: GIMP keeps those of
    the first language that a process asks for. What one release leaves in English in the catalogue of
    its dialogs (Help in French), another may have as GIMP's own catalogue has it."""
    folder = (studio.gimp.root or Path("/")) / "usr/share/locale"
    for domain, catalogues in ((GIMPS, folder), ("gimp30", folder), ("impasto", source_folder() / "locale")):
        text = gettext.translation(domain, catalogues, [language], fallback=True).gettext(text)
    return text


def are_together(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two controls can be seen at once: those on different pages of one stack cannot."""
    pages = dict(one["pages"])
    return all(pages.get(stack, page) == page for stack, page in other["pages"])


@pytest.mark.parametrize("name", WINDOWS)
def test_every_control_and_every_picture_has_a_name_for_a_screen_reader(told: dict[str, Any], name: str) -> None:
    for language, windows in told["windows"].items():
        seen = windows[name]["accessible"]
        assert len([each for each in seen if each["role"] in CONTROLS]) >= 3
        for each in seen:
            if each["role"] not in PLACES and (each["focusable"] or each["role"] in (*CONTROLS, *PICTURES)):
                assert each["name"], f"{language}: {each}"


@pytest.mark.parametrize("name", ["dialog", "restyle", "batch"])
def test_a_screen_reader_reads_what_is_chosen_and_not_by_which_name_a_script_knows_it(
    told: dict[str, Any], name: str
) -> None:
    chosen = {each["name"] for each in told["windows"]["en"][name]["accessible"] if each["role"] == "combo box"}
    assert chosen & {"Impasto: best for most pictures", "Gatys 2016: as in the first paper"}
    assert not chosen & {"impasto", "gatys", "selected-layers"}


@pytest.mark.parametrize("name", WINDOWS)
def test_what_can_be_set_can_be_reached_with_the_keyboard(told: dict[str, Any], name: str) -> None:
    for each in told["windows"]["en"][name]["accessible"]:
        assert each["focusable"] or each["role"] not in KEYED, each


def test_the_buttons_stay_in_sight_on_a_low_display_whatever_is_open(told: dict[str, Any]) -> None:
    assert told["all open"]["content"] > 600
    assert told["all open"]["window"] < DISPLAY[1] - 40, "with its title"


def test_with_kept_colours_or_without_the_preview_shows_the_same_painting_which_is_not_begun_afresh(
    told: dict[str, Any],
) -> None:
    assert told["coloured"] == [{"grey": grey, "afresh": False} for grey in (True, False, True)]


def test_the_preview_of_a_frame_is_painted_with_its_colours_as_the_frame_will_be(told: dict[str, Any]) -> None:
    assert told["coloured as painted"]["frames"] == {"afresh": True, "colour": "oklab", "pixel": [60, 200, 60]}


def test_the_preview_in_a_greyscale_image_is_in_greys(told: dict[str, Any]) -> None:
    seen = told["coloured as painted"]["greys"]
    assert not seen["afresh"] and seen["colour"] is None
    assert len(set(seen["pixel"])) == 1
    assert seen["pixel"] == pytest.approx(told["coloured as painted"]["layer"], abs=1), "as its layer will be"


def test_who_closes_the_window_of_a_finished_painting_has_it_and_another_button_throws_it_away(
    told: dict[str, Any],
) -> None:
    choosing = told["windows"]["en"]["choosing"]
    assert choosing["closing takes the painting"] == [True]
    buttons = {each["name"] for each in choosing["accessible"] if "button" in each["role"]}
    assert {"Keep This", "Throw Away"} <= buttons and "Cancel" not in buttons


def test_the_arrow_keys_move_the_previews_part_and_no_others_do(told: dict[str, Any]) -> None:
    start, *boxes = told["arrows"]["boxes"]
    assert told["arrows"]["focus"]
    moves = [[x - start[0], y - start[1]] for x, y, *_ in boxes]
    assert moves == [[56, 0], [112, 0], [112, 56], [56, 56], [56, 0], [56, 0]], "a quarter of what is seen"


def test_more_opens_where_something_in_it_changes_the_picture(told: dict[str, Any]) -> None:
    assert told["more"] == [False, True]


GONE = "The layer to paint is not in the image any more. Select another one, then try again."


@pytest.mark.parametrize("change", ["deleted", "closed"])
def test_what_is_gone_while_the_dialog_is_open_is_a_sentence(told: dict[str, Any], change: str) -> None:
    assert told[f"{change} meanwhile"] == ["execution-error", GONE, f"{GONE} [bad_request]", True]


def test_of_a_dialog_that_is_cancelled_nothing_is_kept(told: dict[str, Any]) -> None:
    assert told["dismissed"] == ["cancel", GONE, False]


def test_a_file_comes_back_when_its_source_is_turned_to_again_and_recent_needs_some(told: dict[str, Any]) -> None:
    assert told["turned"] == [False, False, True]


def test_the_preview_follows_the_source_that_the_artist_chooses(told: dict[str, Any]) -> None:
    assert told["source chosen"] == [False, [1, 1], True, True, [700, 500]]


def test_a_batchs_dialog_begins_with_what_the_filter_painted_with_last(told: dict[str, Any], studio: Studio) -> None:
    assert told["carried over"] == [
        {"style-file": str(studio.folder / "Nächte.png"), "strength": 70.0},
        {"style-layer": "Background", "strength": 70.0},
        {"strength": 70.0},
    ]


def test_what_a_batch_was_to_paint_is_not_forgotten_where_the_filter_was_used_in_between(told: dict[str, Any]) -> None:
    assert told["carried past"] == ["frames", 30.0]


def test_of_an_animation_the_first_frame_is_tried_as_it_plays_and_nothing_of_that_is_left(told: dict[str, Any]) -> None:
    row = told["row"]
    assert row["frame"] == [30, 20, False] and row["filled"] == [255, 0], "the first frame alone, of the image's size"
    assert row["again"], "it is made once"
    assert row["of all images"] == 2, "the copy that it is in is none of the artist's images"
    assert row["left"] == 0 and row["closed"] is None


def test_of_a_row_is_foreseen_how_often_each_size_is_painted(told: dict[str, Any]) -> None:
    assert told["row"]["frames"] == [[1, 30, False], [1, 30, True]]
    assert sorted(told["row"]["layers"]) == [[1, 10, False], [1, 30, False]]
