"""A layer that Impasto painted is painted again, through a real GIMP: the "restyle" cases of in_gimp.py.

The painter turns colours round, so that each pixel's right value is known.
"""

from __future__ import annotations

import base64
import io
import json

import pytest
from PIL import Image

from .conftest import Facts
from .studio import Studio
from .test_gallery import error, request_of, samples

pytestmark = pytest.mark.gimp

NAME = "Starry night (style transfer)"
VALUES = {"recipe": "impasto", "strength": 70, "max_size": 1024, "seed": 7}
"""What the first painting was made with."""

REFUSED = {
    "foreign": "Impasto did not paint the layer source",
    "locked": "The pixels of group are locked. Unlock them",
    "source gone": f"The layer that {NAME} was painted from (source) is not in this image",
    "in another image": "was painted from (source) is not in this image",
    "from itself": "A layer cannot be painted from itself",
    "damaged": f"What the layer {NAME} keeps of how it was painted is damaged",
    "bomb as copy": "The style starry_night.png is not here, and the layer keeps no copy of it",
}


def of(gallery: dict[str, Facts], case: str) -> Facts:
    facts = gallery[f"restyle {case}"]
    assert facts["status"] == "success", facts["message"]
    return facts


@pytest.mark.parametrize(
    "case", ["changed", "large style", "reloaded", "several reloaded", "resized", "another source", "continue"]
)
def test_the_layer_is_painted_from_its_source_as_that_looks_now(
    studio: Studio, gallery: dict[str, Facts], case: str
) -> None:
    assert error(studio, of(gallery, case)) <= 1.5 / 255
    assert not gallery[f"restyle {case}"]["unchanged"]


def test_greys_of_16_bits_keep_them(studio: Studio, gallery: dict[str, Facts]) -> None:
    assert error(studio, of(gallery, "GRAYA 16-bit")) <= 2 / 65535


def test_what_the_artist_did_to_the_layer_stays(gallery: dict[str, Facts]) -> None:
    facts = of(gallery, "changed")
    assert facts["after"] == facts["before"]
    assert (facts["name"], facts["parent"], facts["mask"]) == ("mine", "group", [5, 24])
    assert facts["opacity"] == pytest.approx(40, abs=0.5)


def test_what_is_left_out_is_as_it_was_painted(gallery: dict[str, Facts]) -> None:
    request = request_of(of(gallery, "changed"))
    assert {name: request[name] for name in VALUES} == VALUES
    assert request["settings"] == {"style_size": pytest.approx(0.5 * (40 * 30) ** 0.5)}
    assert "resume" not in request


def test_what_is_given_takes_its_place_and_the_name_follows_the_style(gallery: dict[str, Facts]) -> None:
    facts = of(gallery, "other values")
    request = request_of(facts)
    assert {name: request[name] for name in VALUES} == {**VALUES, "recipe": "gatys", "strength": 20}
    assert facts["name"] == "Clipboard Image (style transfer)"


def test_a_selection_says_what_part_of_the_layer_is_painted_again(studio: Studio, gallery: dict[str, Facts]) -> None:
    facts = of(gallery, "selection")
    was, now = samples(studio, facts, ".source"), samples(studio, facts)
    columns = [x for x in range(40) if abs(1 - was[4 * x + 2] - now[4 * x + 2]) <= 1.5 / 255]
    assert columns == list(range(20))


def test_a_layer_follows_the_size_and_the_place_of_its_source(gallery: dict[str, Facts]) -> None:
    facts = of(gallery, "resized")
    assert (facts["size"], facts["offsets"], facts["type"]) == ([50, 35], [-1, 2], "rgba-image")


def test_the_style_s_own_file_is_painted_with_where_it_is_here(gallery: dict[str, Facts]) -> None:
    facts = of(gallery, "large style")
    assert request_of(facts)["styles"] == styles_at_first(facts)
    assert "copy_of" not in json.loads(facts["parasite"])


def test_where_the_style_s_file_is_gone_the_layer_s_copy_takes_its_place_and_the_record_says_so(
    gallery: dict[str, Facts],
) -> None:
    facts = of(gallery, "reloaded")
    (first,), (style,) = styles_at_first(facts), request_of(facts)["styles"]
    assert json.loads(facts["parasite"])["copy_of"] == {name: first[name] for name in ("width", "height", "sha256")}
    assert style["sha256"] != first["sha256"]
    assert json.loads(facts["parasite"])["style"] == "large.png"
    assert facts["copy"] == gallery["restyle large style"]["copy"], "a copy is never copied"


def test_several_styles_come_back_from_their_copies_each_with_its_weight(gallery: dict[str, Facts]) -> None:
    facts = of(gallery, "several reloaded")
    (small, large), (first, second) = styles_at_first(facts), request_of(facts)["styles"]
    assert first == small
    assert second["weight"] == large["weight"] == 0.5
    assert second["sha256"] != large["sha256"]
    original = {name: large[name] for name in ("width", "height", "sha256")}
    assert json.loads(facts["parasite"])["more"] == [{"style": "large.png", "copy_of": original}]
    assert facts["kept"] == ["impasto", "impasto-style", "impasto-style-2"]
    assert facts["name"] == "Starry night and 1 more (style transfer)"


def test_a_style_whose_weight_is_taken_is_left_out_and_nothing_of_it_is_kept(gallery: dict[str, Facts]) -> None:
    facts = of(gallery, "several with one left out")
    assert request_of(facts)["styles"] == styles_at_first(facts)[:1]
    assert facts["kept"] == ["impasto", "impasto-style"]
    assert facts["name"] == NAME


def test_of_several_styles_one_can_be_another_and_the_rest_stay(gallery: dict[str, Facts]) -> None:
    facts = of(gallery, "several with another")
    (before, kept), (now, still) = styles_at_first(facts), request_of(facts)["styles"]
    assert now != before and still == kept
    assert facts["name"] == "Clipboard Image and 1 more (style transfer)"


def test_a_small_style_is_kept_as_it_is(gallery: dict[str, Facts]) -> None:
    copy = picture_of(gallery["restyle changed"])
    assert (copy.format, copy.size) == ("PNG", (48, 32))
    assert request_of(of(gallery, "changed"))["styles"] == styles_at_first(gallery["restyle changed"])


def test_of_a_large_style_a_small_copy_is_kept(gallery: dict[str, Facts]) -> None:
    facts = gallery["restyle large style"]
    assert len(facts["copy"]) < 150_000
    copy = picture_of(facts)
    assert copy.format == "JPEG"
    assert max(copy.size) <= 512
    assert copy.size[0] / copy.size[1] == pytest.approx(700 / 500, abs=0.01)


def test_painting_goes_on_from_where_the_last_one_ended(gallery: dict[str, Facts]) -> None:
    facts = of(gallery, "continue")
    first, now = json.loads(facts["first"]), json.loads(facts["parasite"])
    assert now["record"]["request"]["resume"] == first["job"]
    assert now["job"] not in ("", first["job"])


def test_where_nothing_is_kept_to_go_on_from_it_is_painted_anew(studio: Studio, gallery: dict[str, Facts]) -> None:
    facts = of(gallery, "continue with nothing kept")
    assert "resume" not in request_of(facts)
    assert error(studio, facts) <= 1.5 / 255


@pytest.mark.parametrize("case", [*REFUSED])
def test_what_cannot_be_painted_again_is_told_in_a_sentence_and_the_layer_stays(
    gallery: dict[str, Facts], case: str
) -> None:
    facts = gallery[f"restyle {case}"]
    assert facts["status"] == "execution-error"
    assert REFUSED[case] in facts["message"]
    assert facts["unchanged"] and facts["after"] == facts["before"]


def test_no_path_is_kept_with_a_layer(studio: Studio, gallery: dict[str, Facts]) -> None:
    kept = [facts["parasite"] for name, facts in gallery.items() if name.startswith("restyle ")]
    assert any(kept) and not [text for text in kept if text and str(studio.folder) in text]


def styles_at_first(facts: Facts) -> list[Facts]:
    """The styles of the first painting's request."""
    found: list[Facts] = json.loads(facts["first"])["record"]["request"]["styles"]
    return found


def picture_of(facts: Facts) -> Image.Image:
    """The copy of the style that the layer keeps."""
    return Image.open(io.BytesIO(base64.b64decode(facts["copy"])))
