"""The filter as an artist uses it: GIMP's window, the dialog, the status bar, undo and repeat."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from impasto_protocol.zmq_client import Client

from . import leaving, painter, styles
from .conftest import running_daemon
from .studio import REPOSITORY, Studio, patiently
from .test_life import jobs, states
from .window import PROGRAMS, RESTYLE, RESTYLE_DIALOG, Window, opened

pytestmark = pytest.mark.gimp

ARTIFACTS = Path(os.environ.get("IMPASTO_ARTIFACTS") or REPOSITORY / "artifacts")
PAINTING = "^Painting harbour.png$"
PAINTING_AGAIN = "^Painting "
PAINTINGS = "^Neural Style Paintings$"
PAINTED = "Starry night (style transfer)"
ALIVE = f"""
def seed(layer):
    return json.loads(bytes(layer.get_parasite("impasto").get_data()))["record"]["request"]["seed"]

image = next(each for each in Gimp.get_images() if [it.get_name() for it in each.get_layers()] == [{PAINTED!r}])
layer = image.get_layers()[0]
source = layer.copy()
source.set_name(json.loads(bytes(layer.get_parasite("impasto").get_data()))["source"]["name"])
image.insert_layer(source, None, 1)
config = Gimp.get_pdb().lookup_procedure("plug-in-impasto-restyle").create_config()
for name, value in (("run-mode", Gimp.RunMode.NONINTERACTIVE), ("image", image), ("seed", 9)):
    config.set_property(name, value)
config.set_core_object_array("drawables", [layer])
told = config.get_procedure().run(config)
"""
"""A painting that became an image of its own is painted again, from a layer that is what its source was."""
TOPMOST = "Gimp.get_images()[0].get_layers()[0]"


def test_an_artist_paints_cancels_undoes_and_repeats(studio: Studio) -> None:
    if not studio.gimp.has(*PROGRAMS):
        reason = f"GIMP's window needs {', '.join(PROGRAMS)}"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    content, style = studio.folder / "harbour.png", studio.folder / "starry_night.png"
    styles.picture().resize((600, 400)).save(content)
    styles.picture().save(style)
    (studio.profile / "parasiterc").unlink(missing_ok=True)  # what other tests chose last
    shutil.rmtree(studio.folder / "state", ignore_errors=True)  # and the paintings that they left with their daemons
    (studio.profile / "impasto-styles.json").write_text(json.dumps({"1": str(content), "2": str(style)}))
    with running_daemon(studio):
        with opened(studio, content) as window:
            window.settled(ARTIFACTS / "1-gimp.png", 0.7)  # docks find their size only by and by
            cancel(window, studio)
            stop_and_keep(window, studio)
            show_on_a_canvas(window, studio)
            paint(window, style)
            undo_and_repeat(window)
            restyle(window, style)
            delete_the_source_meanwhile(window, studio)
            run_in_the_background(window, studio)
            close_the_image_meanwhile(window, studio)
            leave_one_in_the_background(window, studio, content)
            quit_while_another_is_to_be_painted(window, studio)
        with opened(studio, content) as window:
            find_both_at_the_next_start(window, studio)


def previews(studio: Studio) -> set[str]:
    """The states of the dialog's previews."""
    return {job["state"] for job in jobs(studio) if "preview" in job["agent"]}


def cancel(window: Window, studio: Studio) -> None:
    window.open_filter()
    window.key("F1")
    manual = studio.profile / "plug-ins/impasto/help/en/plugin.html"
    assert patiently(lambda: window.browsed() == [str(manual)]), "Help opens the manual, with no network"
    assert manual.exists()
    window.choose_latest_style()
    window.set_number("e", painter.SLOW)
    window.settled(ARTIFACTS / "2-dialog.png")
    assert patiently(lambda: set() < previews(studio) <= {"succeeded", "cancelled"}), previews(studio)
    assert patiently(lambda: not any(job["kept"] for job in jobs(studio)))
    window.paint()
    assert patiently(lambda: "running" in states(studio))
    assert window.shows(PAINTING), "there is a window while it paints"
    window.focus(PAINTING)
    window.screenshot(ARTIFACTS / "3-painting.png")
    window.key("Escape")
    assert patiently(lambda: states(studio) == ["cancelled"]), states(studio)
    assert patiently(lambda: not window.find(PAINTING)), "the window is gone"
    assert not window.find("^GIMP Message$"), "who cancels knows it"
    window.settled(ARTIFACTS / "4-cancelled.png")
    assert window.layers() == ["harbour.png"]


def paint(window: Window, style: Path) -> None:
    window.reopen_filter()
    window.choose_style(style)
    window.set_number("e", 0)
    window.paint()
    assert patiently(lambda: window.layers() == [PAINTED, "harbour.png"]), window.layers()
    window.settled(ARTIFACTS / "5-painted.png")  # the painter's note is in the status bar for a few seconds


def restyle(window: Window, style: Path) -> None:
    """With what made the layer, which the dialog knows though the style's file is away."""
    layers = window.layers()
    style.rename(style.with_suffix(".away"))
    window.open_filter(RESTYLE, RESTYLE_DIALOG)
    window.set_number("t", 30)
    window.add_latest_style()
    window.set_number("2", 50)
    window.key("alt+m", "alt+k", "alt+b")  # More, Keep my colours, Choose a stage of the painting before inserting
    window.screenshot(ARTIFACTS / "7-restyle.png")
    window.paint()
    choose_the_first(window)
    assert patiently(lambda: window.tell(f"{TOPMOST}.is_group()") == "True"), "the painting and its colours"
    again = f"{TOPMOST}.get_children()[1]"
    assert patiently(lambda: request(window, again)["strength"] == 30)
    assert [each["weight"] for each in request(window, again)["styles"]] == [1, 0.5]
    assert kept(window, again)["step"] == 1, "the layer says which iterate it is"
    assert window.layers() == layers, "the group has the painting's name"
    window.focus()
    window.key("ctrl+z")
    assert patiently(lambda: window.tell(f"{TOPMOST}.is_group()") == "False"), "one undo step brings all of it back"
    assert (request(window)["strength"], request(window)["seed"], window.layers()) == (50, 0, layers)
    assert len(request(window)["styles"]) == 1
    style.with_suffix(".away").rename(style)


def choose_the_first(window: Window) -> None:
    """Of the iterates that were kept, when the painting is finished."""
    window.focus(PAINTING_AGAIN)
    window.at_rest()
    window.screenshot(ARTIFACTS / "7-choosing.png")
    window.key("Home", "alt+k")


def kept(window: Window, layer: str = TOPMOST) -> dict[str, Any]:
    """What the layer says of how it was painted."""
    said = window.tell(f"bytes({layer}.get_parasite('impasto').get_data()).decode()")
    found: dict[str, Any] = json.loads(said)
    return found


def request(window: Window, layer: str = TOPMOST) -> dict[str, Any]:
    """What the layer was painted with, as it says."""
    found: dict[str, Any] = kept(window, layer)["record"]["request"]
    return found


def stop_and_keep(window: Window, studio: Studio) -> None:
    """The one that was cancelled: the dialog has its values still."""
    window.reopen_filter()
    window.paint()
    assert window.shows(PAINTING) and patiently(lambda: "running" in states(studio))
    leaving.Walk(window, studio, canvas=False).press("alt+s")  # a key that comes before the first step is lost
    kept = patiently(lambda: window.layers() == [PAINTED, "harbour.png"])
    assert kept, f"long before its 40 seconds are over: {window.images()}"
    assert states(studio)[-1] == "succeeded"
    window.focus()
    window.key("ctrl+z")
    assert patiently(lambda: window.layers() == ["harbour.png"])


def show_on_a_canvas(window: Window, studio: Studio) -> None:
    """In a copy of the image, which goes with the painting."""
    walk = leaving.Walk(window, studio, canvas=True)
    walk.start()
    window.focus(PAINTING)
    window.key("alt+v")
    assert patiently(walk.on_canvas), window.images()
    assert window.shows("^Live preview of harbour.png"), "its title says what it is"
    assert patiently(lambda: window.is_active(PAINTING)), "and the artist's keys go where they went before"
    assert ["harbour.png"] in window.images(), "the image itself has nothing of it"
    window.screenshot(ARTIFACTS / "4-canvas.png")
    walk.press("Escape")
    walk.left("cancelled", 1)
    window.do(f"Gimp.detach_parasite({leaving.WANTED!r})")


def undo_and_repeat(window: Window) -> None:
    window.focus()
    window.key("ctrl+z")
    assert patiently(lambda: window.layers() == ["harbour.png"]), "one undo step takes the painting away"
    window.key("ctrl+y")
    assert patiently(lambda: window.layers() == [PAINTED, "harbour.png"])
    window.key("ctrl+f")
    assert patiently(lambda: len(window.layers()) == 3), "Repeat paints with the last values and no dialog"
    window.screenshot(ARTIFACTS / "6-repeated.png")


def delete_the_source_meanwhile(window: Window, studio: Studio) -> None:
    """What was painted for minutes is not thrown away: it comes to lie on top."""
    window.open_filter()
    window.set_number("e", painter.FOUR_SECONDS)
    window.paint()
    assert patiently(lambda: "running" in states(studio))
    layers = window.layers()
    window.do("image = Gimp.get_images()[0]; image.remove_layer(image.get_selected_layers()[0])")
    assert patiently(lambda: window.layers() != layers), "the source is gone"
    assert patiently(lambda: len(window.layers()) == len(layers)), "and the painting is there"
    assert window.layers()[0].startswith(PAINTED)


def run_in_the_background(window: Window, studio: Studio) -> None:
    """Nothing is to be seen of it until the layer is there."""
    layers = window.layers()
    window.focus()
    window.key("ctrl+f")
    window.focus(PAINTING_AGAIN)
    into_the_background(window, studio)
    assert states(studio)[-1] == "running"
    assert patiently(lambda: len(window.layers()) == len(layers) + 1)
    assert not slips(studio)


def into_the_background(window: Window, studio: Studio) -> None:
    """Of the painting whose window is in front, as soon as its button can be pressed."""

    def gone() -> bool:
        window.key("alt+b")
        return not window.find(PAINTING_AGAIN)

    assert patiently(lambda: states(studio)[-1] == "running")
    assert patiently(gone)


def leave_one_in_the_background(window: Window, studio: Studio, content: Path) -> None:
    window.do(f"Gimp.Display.new(Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path({str(content)!r})))")
    assert patiently(lambda: window.layers() == ["Background"])
    window.title = f"Untitled|{content.stem}"  # what a script opens has no name in GIMP 3.0, and its file's in 3.2
    window.reopen_filter()
    window.set_number("e", painter.SLOW)
    window.paint()
    window.focus(PAINTING_AGAIN)
    into_the_background(window, studio)


def quit_while_another_is_to_be_painted(window: Window, studio: Studio) -> None:
    """That one is cancelled, the one in the background goes on."""
    window.key("ctrl+f")
    assert patiently(lambda: states(studio)[-1] == "queued")
    window.focus()
    window.key("ctrl+q")
    walk = leaving.Walk(window, studio, canvas=False)
    walk.discard()
    walk.ended()


def find_both_at_the_next_start(window: Window, studio: Studio) -> None:
    """The one whose image was closed is offered, the other goes on, with nobody waiting for it."""
    assert states(studio)[-2:] == ["running", "cancelled"]
    window.focus(PAINTINGS)
    window.screenshot(ARTIFACTS / "8-offered.png")
    assert patiently(lambda: pressed(window, "alt+a") and "running" not in states(studio))
    assert patiently(lambda: pressed(window, "alt+o") and [PAINTED] in window.images()), "it is an image of its own"
    assert patiently(lambda: not slips(studio))
    window.settled(ARTIFACTS / "9-opened.png")
    with Client(studio.endpoint, agent="impasto-tests") as client:
        assert not any(job["kept"] for job in client.jobs()), "and the daemon need not keep it any more"
    (studio.folder / "starry_night.png").unlink()
    window.do(ALIVE)
    assert window.tell("(told.index(0).value_nick, seed(layer))") == "('success', 9)", "it lives, with its style gone"


def pressed(window: Window, key: str) -> bool:
    """A key in the window of paintings, if it is there: its rows, and their buttons, come and go."""
    for number in window.find(PAINTINGS)[-1:]:
        window.hands("windowactivate", "--sync", number)
        window.key(key)
    time.sleep(0.5)
    return True


def slips(studio: Studio) -> list[Path]:
    """Of the paintings that this profile's GIMPs wait for, or did."""
    return list((studio.profile / "impasto-paintings").glob("*.json"))


def close_the_image_meanwhile(window: Window, studio: Studio) -> None:
    """Nor is it then: the daemon has it still, and the artist is told how to get it."""
    window.reopen_filter()
    window.paint()
    assert patiently(lambda: "running" in states(studio))
    window.do("Gimp.Display.get_by_id(1).delete()")
    assert patiently(lambda: not window.layers()), "the image is closed"
    assert patiently(lambda: states(studio)[-1] == "succeeded"), states(studio)
    assert patiently(lambda: bool(window.find("^GIMP Message$"))), "GIMP says so"
    window.settled(ARTIFACTS / "8-closed.png")
    with Client(studio.endpoint, agent="impasto-tests") as client:
        *others, job = client.jobs()
        assert job["kept"]
        assert not [other for other in others if other["kept"]], "all others were acknowledged"
        assert client.fetch(job["job"]).pictures[0].width == 600
