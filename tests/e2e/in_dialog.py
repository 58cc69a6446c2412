"""Runs inside GIMP, on a display that nobody sees: opens the plug-in's windows and writes down what is in them.

What a screen reader is told comes from the widgets' own accessible objects, which GTK gives with no bus. The windows
are opened once in English and once in each language that has a catalogue.
"""

# mypy: ignore-errors
import contextlib
import importlib
import json
import os
import re
import sys
import traceback
import types
from pathlib import Path

import gi

gi.require_version("Atk", "1.0")
gi.require_version("GimpUi", "3.0")
gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Atk, Gdk, Gimp, GimpUi, Gio, GLib, Gtk  # noqa: E402

FOLDER = Path(os.environ["IMPASTO_TEST_FOLDER"])
PLUG_IN = FOLDER / "profile/plug-ins/impasto"
OURS = {path.stem for path in PLUG_IN.glob("*.py")}
STYLE_TRANSFER, RESTYLE, BATCH = (f"plug-in-impasto-{name}" for name in ("style-transfer", "restyle", "batch"))


class Plugin:
    """The plug-in's modules and procedures, in one language."""

    def __init__(self, language):
        GLib.setenv("LANGUAGE", language, True)
        for name in OURS & set(sys.modules):
            del sys.modules[name]
        text = (PLUG_IN / "impasto.py").read_text().replace('"Impasto"', f'"Impasto{id(self)}"')  # a GType of its own
        self._main = {"__file__": str(PLUG_IN / "impasto.py"), "__name__": "impasto_again"}
        exec(text, self._main)
        self._main["use_own_libraries"]()

    def __getattr__(self, name):
        return importlib.import_module(name)

    def config(self, name=STYLE_TRANSFER):
        """A procedure as the plug-in's own process has it, and a config of it."""
        procedure = self._main["Impasto"].filter(Gimp.get_plug_in(), name)
        return procedure, procedure.create_config()


def opened(look, opens, answer=Gtk.ResponseType.CANCEL):
    """What the steps of `look` make of the dialog that `opens` runs; GTK does what it has to do between them."""
    seen = {}

    def meanwhile():
        dialogs = [each for each in Gtk.Window.list_toplevels() if isinstance(each, Gtk.Dialog) and each.get_mapped()]
        if not dialogs:
            return True
        try:
            next(seen.setdefault("steps", look(dialogs[0])))
            return True
        except StopIteration as end:
            seen["told"] = end.value
        except Exception:
            seen["told"] = {"failed": traceback.format_exc()}
        dialogs[0].response(answer)
        return False

    GLib.timeout_add(10, meanwhile)
    opens()
    return seen["told"]


def inside(widget):
    """A widget and all in it, what GTK puts there by itself too."""
    yield widget
    parts = []
    if isinstance(widget, Gtk.Container):
        widget.forall(parts.append)
    for part in parts:
        yield from inside(part)


def only(kind, widget, where=lambda _: True):
    return next(each for each in inside(widget) if isinstance(each, kind) and where(each))


# What is in a window ----------------------------------------------------------------------------------------


def looked_over(window):
    """All that opens opened, and each page turned to: the mnemonics, and what a screen reader is told."""
    for expander in [each for each in inside(window) if isinstance(each, Gtk.Expander)]:
        expander.set_expanded(True)
    told = list(accessible(window.get_accessible()))
    for combo in [each for each in inside(window) if isinstance(each, Gtk.ComboBoxText)]:
        for row in [*combo.get_model()]:
            combo.set_active_id(row[1])
            told += accessible(window.get_accessible())
    return {"mnemonics": list(mnemonics(window)), "accessible": told}


def mnemonics(window):
    """Each text with a mnemonic in it, and the pages that it is on: those of one stack are never seen together."""
    for widget in inside(window):
        text = widget.get_label() if isinstance(widget, (Gtk.Label, GimpUi.SpinScale)) else None
        marked = isinstance(widget, GimpUi.SpinScale) or (text and widget.get_use_underline())
        button = widget.get_ancestor(Gtk.Button)
        is_gimps = button is not None and "Chooser" in type(button.get_parent()).__name__  # each has its Browse…
        if text and marked and re.search("_[^_]", text) and not is_gimps:
            yield {"text": text, "pages": list(pages(widget))}


def pages(widget):
    parent = widget.get_parent()
    while parent is not None:
        if isinstance(parent, Gtk.Stack):
            yield [hash(parent), hash(widget)]
        widget, parent = parent, parent.get_parent()


def accessible(it):
    """What a screen reader is told of a control and of all in it."""
    labels = it.ref_relation_set().get_relation_by_type(Atk.RelationType.LABELLED_BY)
    named = it.get_name() or " ".join(label.get_name() or "" for label in (labels.get_target() if labels else ()))
    widget = it.get_widget() if isinstance(it, Gtk.Accessible) else None
    yield {
        "role": Atk.role_get_name(it.get_role()),
        "name": named,
        "type": type(widget).__name__ if widget is not None else type(it).__name__,
        "focusable": it.ref_state_set().contains_state(Atk.StateType.FOCUSABLE),
    }
    for number in range(it.get_n_accessible_children()):
        child = it.ref_accessible_child(number)
        if child is not None:
            yield from accessible(child)


# The windows ------------------------------------------------------------------------------------------------


class Job:
    """In place of a job that is under way."""

    name, recipe, is_steered, keeps_iterates, kept = "1" * 32, "impasto", True, True, ()

    def fetch(self, step, then): ...


class Found:
    """In place of the paintings that the daemons know."""

    def __init__(self, paintings):
        slip = paintings.slips.Slip("1" * 32, "ipc:///a", "A layer", "an image", ("starry_night.png",))
        found = [paintings.slips.Found(FOLDER / str(number), slip, False) for number in range(3)]
        rows = ({"state": "succeeded", "kept": True}, {"state": "succeeded", "kept": True}, {"state": "running"})
        self._all = [paintings.Painting(*each) for each in zip(found, rows)]

    def look(self):
        return self._all

    fetch = taken = throw_away = finish = None


def painting(plugin, window):
    """What is in a window while a job is under way."""
    window.begin(Job())
    progress = plugin.progress.Progress(
        job="j", state=plugin.progress.State.RUNNING, step=1, steps=2, stand_in="wavelets"
    )
    window.show(progress, None)
    told = looked_over(window._dialog)
    window.end()
    window._dialog.destroy()  # that of a batch stays until the last painting
    return told


def choosing(plugin, layer):
    """What is in a window when the painting is finished, and what closing it then comes to."""
    read, closed = plugin.pixels.read_eight_bit(layer), []
    result = plugin.job.Result(job="j", record={"steps": 2}, iterates=(1,), pictures=(read,))
    window = plugin.scrubber.Scrubber(layer, layer)
    window.begin(Job())

    def look():
        told.update(looked_over(window._dialog))
        window._dialog.emit("close")  # as Esc does
        return False

    told = {}
    GLib.timeout_add(10, look)
    closed.append(window.choose(result) is result)
    window.end()
    return {**told, "closing takes the painting": closed}


def paintings(plugin):
    found = Found(plugin.paintings)
    window = plugin.paintings_window.Window(found)
    window._refresh(found.look())
    window._dialog.show_all()
    told = looked_over(window._dialog)
    window._dialog.destroy()
    return told


def asked(plugin, look, layer, name=STYLE_TRANSFER, made_with=None, styles=1, count=None):
    """What `look` makes of the dialog and its config."""
    procedure, config = plugin.config(name)
    config.set_property("preview", False)

    def no_style():
        raise plugin.styles.bad_request("no style")

    if made_with:
        made_with = {**made_with, **dict.fromkeys(plugin.styles.WEIGHTS, 100.0)}
        for argument, value in made_with.items():
            config.set_property(argument, value)
    shown = plugin.style_kept.Shown("Its own", layer.get_thumbnail(40, 40, 1))
    kept = dict.fromkeys(range(1, styles + 1), shown) if made_with else {}
    subject = plugin.subject.Subject(lambda: layer, no_style, lambda _: None, made_with, kept, count)
    return opened(lambda window: look(window, config), lambda: plugin.dialog.ask(procedure, config, subject))


def all_of_it(window, _config):
    yield
    return looked_over(window)


def more_of_it(window, config):
    """Whether More is open: at first, and once the layer's colours are to be kept."""
    yield
    (more,) = [each for each in inside(window) if isinstance(each, Gtk.Expander)]
    told = [more.get_expanded()]
    config.set_property("keep-colours", True)
    return [*told, more.get_expanded()]


MADE_WITH = {
    "recipe": "gatys",
    "strength": 70.0,
    "stroke-size": 100.0,
    "max-size": 512,
    "seed": 7,
    "keep-colours": False,
}


def windows(plugin, layer):
    """What is in each window, by the window's name."""
    return {
        "dialog": asked(plugin, all_of_it, layer),
        "restyle": asked(plugin, all_of_it, layer, RESTYLE, MADE_WITH),
        "batch": asked(plugin, all_of_it, layer, BATCH, count=lambda _: 2),
        "painting": painting(plugin, plugin.window.Window(layer, layer)),
        "choosing": choosing(plugin, layer),
        "batch painting": painting(plugin, plugin.batch_window.Window()),
        "paintings": paintings(plugin),
    }


# What the dialog does -----------------------------------------------------------------------------------------


def values(config):
    file = config.get_property("style-file")
    plain = {name: config.get_property(name) for name in MADE_WITH}
    # GIMP 3.2 loads file:////a as //a, which is the same file.
    return {**plain, "style-file": file and "/" + file.get_path().lstrip("/")}


def weights(plugin, config):
    """Of the styles that are given."""
    numbers = [number for number in plugin.styles.NUMBERS if plugin.styles.given(config, number)]
    return [config.get_property(plugin.styles.argument("style-weight", number)) for number in numbers]


def button(window, *texts):
    return only(Gtk.Button, window, lambda each: each.get_label() in texts)


def choose(config):
    for name, value in {**MADE_WITH, "style-file": Gio.File.new_for_path(str(FOLDER / "starry_night.png"))}.items():
        config.set_property(name, value)


def settings_saved(window, config):
    """GIMP's own buttons for settings, and its Reset."""
    paint = window.get_widget_for_response(Gtk.ResponseType.OK)
    told = {"initial": values(config)}
    choose(config)
    button(window, "_Save Settings").clicked()
    config.set_property("strength", 1.0)
    config.set_property("style-file", None)
    button(window, "_Load Saved Settings").clicked()
    told |= {"loaded": values(config), "can be painted": paint.get_sensitive()}
    yield from reset(window)
    told |= {"reset": values(config), "can be painted then": paint.get_sensitive()}
    return told


def all_open(window, _config):
    """How high the dialog is at least with all that there is, and how high that would be without a scroll bar."""
    for _ in range(3):
        button(window, "A_dd").clicked()
    only(Gtk.Expander, window).set_expanded(True)
    for _ in range(20):
        yield
    content = only(Gtk.Viewport, window).get_child()
    return {"window": window.get_preferred_height()[0], "content": content.get_preferred_height()[1]}


def reset_again(window, config):
    choose(config)
    config.set_property("strength", 3.0)
    yield from reset(window)
    return {"reset": values(config)}


def reset(window):
    """Press Reset, and what it then offers for the factory's defaults."""
    window.response(1)  # GIMP's number for it
    yield
    button(window, "Reset to _Factory Defaults", "_Factory Defaults").clicked()
    yield


def several(window, config):
    """A style is added, chosen and taken away again."""
    choose(config)
    told = [rows(window, config)]
    button(window, "A_dd").clicked()
    yield
    told.append(rows(window, config))
    config.set_property("style-file-2", Gio.File.new_for_path(str(FOLDER / "large.png")))
    config.set_property("style-weight-2", 30.0)
    yield
    told.append(rows(window, config))
    config.set_property("style-weight", 0.0)
    config.set_property("style-file-2", None)
    yield
    told.append(rows(window, config))
    only(Gtk.Button, window, lambda it: it.get_tooltip_text() == "Remove this style" and it.get_mapped()).clicked()
    for _ in range(50):  # until GTK has nothing else to do
        yield
        if config.get_property("style-weight"):
            break
    return [*told, rows(window, config), config.get_property("style-weight")]


def turned(window, config):
    """To another source and back: the file that is chosen, and whether there are recent ones to choose from."""
    choose(config)
    combo = only(Gtk.ComboBoxText, window)
    told = [button(window, "Recent").get_sensitive()]
    for source in ("style-pattern", "style-file"):
        combo.set_active_id(source)
        yield
        told.append(config.get_property("style-file") is not None)
    return told


def undecided(window, config):
    """Another source is turned to for the layer's own style, and nothing chosen there; then it is left out."""
    combos = [each for each in inside(window) if isinstance(each, Gtk.ComboBoxText)]
    told = [rows(window, config)]
    combos[1].set_active_id("style-file")
    yield
    told.append(rows(window, config))
    config.set_property("style-weight-2", 0.0)
    yield
    return [*told, rows(window, config)]


def unknown(window, config):
    """A recipe that is not known here: what is said, and which one is chosen, then and after Reset; what a screen
    reader is told of two others."""
    yield
    combo = only(GimpUi.StringComboBox, window)
    said = [each.get_text() for each in inside(window) if isinstance(each, Gtk.Label) and "cubism" in each.get_text()]
    told = {"said": said, "chosen": config.get_property("recipe")}
    yield from reset(window)
    told |= {"reset": config.get_property("recipe"), "about": {}}
    for name in ("pytorch", "wavelets"):
        config.set_property("recipe", name)
        yield
        about = combo.get_accessible().ref_relation_set().get_relation_by_type(Atk.RelationType.DESCRIBED_BY)
        told["about"][name] = about.get_target()[0].get_name()
    return told


def rows(window, config):
    """How many styles are shown, how many weights, whether the second is given, and whether it can be painted."""
    mapped = [each for each in inside(window) if each.get_mapped()]
    return {
        "styles": sum(isinstance(each, Gtk.ComboBoxText) for each in mapped),
        "weights": sum(isinstance(each, GimpUi.SpinScale) and "eight" in each.get_label() for each in mapped),
        "second": config.get_property("style-file-2") is not None,
        "ready": window.get_widget_for_response(Gtk.ResponseType.OK).get_sensitive(),
    }


def previewed(plugin, layer):
    """What the preview asks for where there are two styles."""
    _, config = plugin.config()
    config.set_property("preview", False)
    choose(config)
    config.set_property("style-weight", 30.0)
    config.set_property("style-file-2", Gio.File.new_for_path(str(FOLDER / "large.png")))
    read = []

    def chosen():
        read.append(plugin.styles.chosen(config, layer.get_image(), plugin.order.LIMITS))
        return read[-1]

    preview = plugin.preview.Preview(lambda: layer, config, chosen)
    content = plugin.pixels.read_small(layer, (0, 0, 40, 40), 1.0)
    requests = [preview._request(content)]
    config.set_property("style-weight", 60.0)
    requests.append(preview._request(content))
    preview.close()
    told = [[[*style.picture.size, style.weight] for style in request.styles] for request in requests]
    return {"styles": told, "read": len(read)}


def coloured(plugin, layer):
    """A pixel of the preview of a white painting, before and after each tick at Keep my colours, and whether one made
    it begin afresh."""
    _, config = plugin.config()
    config.set_property("preview", False)
    preview = plugin.preview.Preview(lambda: layer, config, dict)
    preview._stop()
    preview._content = plugin.pixels.read_small(layer, (0, 0, 8, 8), 1.0)
    job = preview._job = object()
    grey = plugin.preview.Picture(8, 8, 3, "u8", bytes([120]) * 192)
    preview.show(job, grey)
    told = []
    for keep in (False, True, False):
        config.set_property("keep-colours", keep)
        pixel = preview._picture.get_pixbuf().get_pixels()[:3]
        told.append({"grey": max(pixel) - min(pixel) < 3, "afresh": bool(preview._timer) or preview._job is not job})
    preview._job = None
    preview.close()
    return told


def coloured_as_painted(plugin, layer):
    """A green painting in a frame whose colours the painter keeps, and in greys: what is asked for, what is seen."""
    told = {}
    green = plugin.preview.Picture(8, 8, 3, "u8", bytes([60, 200, 60]) * 64)
    grey = layer.get_image().duplicate()
    grey.convert_grayscale()
    (grey_layer,) = grey.get_layers()
    frames = plugin.row.Row(grey, [grey_layer], lambda: "frames")
    layers = plugin.row.Row(grey, [grey_layer], lambda: "selected-layers")
    for name, row in (("frames", frames), ("greys", layers)):
        _, config = plugin.config(BATCH)
        choose(config)
        chosen = {1: plugin.styles.Chosen("style", green)}
        settings = lambda row=row, config=config: row.settings(config)  # noqa: E731
        preview = plugin.preview.Preview(row.first, config, lambda chosen=chosen: chosen, settings)
        preview._stop()
        preview._paint = preview._request
        preview._start()
        config.set_property("keep-colours", True)
        told[name] = {"afresh": bool(preview._timer)}
        preview._stop()
        told[name]["colour"] = preview._request(green).settings.get("colour")
        job = preview._job = object()
        preview.show(job, green)
        told[name]["pixel"] = [*preview._picture.get_pixbuf().get_pixels()[:3]]
        preview._job = None
        preview.close()
        row.close()
    layer = plugin.pixels.new_layer(grey, grey_layer, green, "")
    told["layer"] = [*plugin.pixels.read(layer).data[:3]]
    layer.delete()
    grey.delete()
    return told


def arrows(plugin, layer):
    """Where the preview looks after each key."""
    _, config = plugin.config()
    config.set_property("preview", False)
    config.set_property("max-size", 0)

    def no_style():
        raise plugin.styles.bad_request("no style")

    preview = plugin.preview.Preview(lambda: layer, config, no_style)
    window = Gtk.Window()
    window.add(preview.box)
    pad = only(Gtk.EventBox, preview.box)
    told = [preview._part().box]
    for key in (Gdk.KEY_Right, Gdk.KEY_Right, Gdk.KEY_Down, Gdk.KEY_Left, Gdk.KEY_Up, Gdk.KEY_a):
        event = Gdk.Event.new(Gdk.EventType.KEY_PRESS)
        event.keyval = key
        pad.emit("key-press-event", event)
        told.append(preview._part().box)
    preview.close()
    window.destroy()
    return {"boxes": told, "focus": pad.get_can_focus()}


def source_chosen(plugin, layer):
    """Whether the preview is seen, and of how large a layer, before and after the artist has said what to paint from;
    between the two, whether it has noticed."""
    _, config = plugin.config(RESTYLE)
    config.set_property("max-size", 0)

    def no_style():
        raise plugin.styles.bad_request("no style")

    preview = plugin.preview.Preview(lambda: config.get_property("source-layer"), config, no_style)
    preview._start()
    told = [preview.box.get_visible(), preview._size]
    preview._stop()
    config.set_property("source-layer", layer)
    told.append(bool(preview._timer))
    preview._stop()
    preview._start()
    told += [preview.box.get_visible(), preview._size]
    preview.close()
    return told


def meanwhile(plugin, change, paint=True):
    """What is answered where the artist changes the image while the dialog is open and presses Paint, or Cancel; what
    the preview says then; and whether anything is kept of what was chosen."""
    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(str(FOLDER / "starry_night.png")))
    (layer,) = image.get_layers()
    procedure, config = plugin.config()
    choose(config)
    config.set_property("keep-colours", False)
    messages = []
    plugin.call.Gimp = types.SimpleNamespace(
        RunMode=Gimp.RunMode, PDBStatusType=Gimp.PDBStatusType, message=messages.append
    )

    def ask(_procedure, config, subject):
        preview = plugin.preview.Preview(subject.source, config, subject.chosen)
        preview._stop()
        change(image)
        preview._start()
        messages.append(preview._about.get_text())
        preview.close()
        with contextlib.suppress(plugin.pixels.ImpastoError):
            messages.append(subject.outlines(subject.chosen()))
        return paint

    asked, plugin.dialog.ask = plugin.dialog.ask, ask
    if Gimp.get_parasite(plugin.last_values.PARASITE) is not None:
        Gimp.detach_parasite(plugin.last_values.PARASITE)
    try:
        result = plugin.run.run(procedure, Gimp.RunMode.INTERACTIVE, image, [layer], config)
    finally:
        plugin.dialog.ask, plugin.call.Gimp = asked, Gimp
        if image.is_valid():
            image.delete()
    told = [result.index(number) for number in range(result.length())]
    return [told[0].value_nick, *messages, *told[1:], Gimp.get_parasite(plugin.last_values.PARASITE) is not None]


def presets(plugin, layer):
    """Saved and opened again; and what must change nothing."""
    _, config = plugin.config()
    dialog = Gtk.Dialog()
    buttons = plugin.presets.Presets(dialog, config, plugin.dialog.recipe_row.RECIPES, dict)
    file = plugin.preset_file
    choose(config)
    chosen = plugin.styles.chosen(config, layer.get_image(), plugin.order.LIMITS)
    large = plugin.style_file.load(FOLDER / "large.png", plugin.order.LIMITS)
    stranger = plugin.styles.Chosen("../../großes Bild\n.png", large)
    names = ("mine", "theirs", "several", "nothing", "bad", "newer", "recipe")
    paths = {name: FOLDER / f"{name}.json" for name in names}
    saved = {
        "mine": (100.0, chosen, True),
        "theirs": (100.0, {1: stranger}, True),
        "several": (40.0, {**chosen, 3: stranger}, True),
        "nothing": (40.0, {1: stranger}, False),
    }
    for name, (weight, those, with_copy) in saved.items():
        config.set_property("style-weight", weight)
        file.save(file.made(config, those, with_copy), paths[name], those)
    text = paths["mine"].read_text()
    paths["bad"].write_text(text.replace("70.0", "700"))
    paths["newer"].write_text(text.replace('"seed"', '"sparkle": 1, "seed"'))
    paths["recipe"].write_text(text.replace('"gatys"', '"cubism"'))
    os.mkfifo(FOLDER / "pipe.json")
    told = {}
    for name in [*paths, "missing", "pipe"]:
        _, config = plugin.config()
        buttons._config = config
        try:
            notes = buttons.fill(file.load(FOLDER / f"{name}.json"))
        except plugin.presets.ImpastoError as error:
            notes = [str(error)]
        told[name] = {"notes": notes, "values": values(config), "weights": weights(plugin, config)}
        if name == "theirs":
            those = plugin.styles.chosen(config, layer.get_image(), plugin.order.LIMITS)
            told[name] |= {
                "copy of": those[1].copy_of.get("sha256") == large.sha256(),
                "the same again": file.made(config, those, True).styles == file.load(paths[name]).styles,
            }
    dialog.destroy()
    return told


def presets_by_menu(plugin, layer):
    """Saved and opened through the menu and its windows, and one of those that come with Impasto; what the menu lists
    then, and what the line below it says of each."""
    _, config = plugin.config()
    choose(config)
    dialog = Gtk.Dialog()
    style = plugin.styles.chosen(config, layer.get_image(), plugin.order.LIMITS)
    buttons = plugin.presets.Presets(dialog, config, plugin.dialog.recipe_row.RECIPES, lambda: style)
    file = plugin.presets.preset_list.folder() / "by menu.json"

    def item(label):
        return only(Gtk.MenuItem, buttons.button.get_popup(), lambda each: each.get_label() == label)

    def named(chooser):
        offered = chooser.get_current_name()
        chooser.set_current_name(file.stem)
        for _ in range(20):
            yield
        return offered

    def found(chooser):
        chooser.set_filename(str(file))
        while chooser.get_filename() != str(file):
            yield

    offered = opened(named, item("_Save Preset File…").activate, Gtk.ResponseType.ACCEPT)
    told = {"offered": offered, "saved": file.exists(), "said": [buttons.said.get_text()]}
    told["listed"] = [each.get_label() for each in buttons.button.get_popup().get_children()]
    item("In my own colours").activate()
    told["ready-made"] = values(config)
    told["said"].append(buttons.said.get_text())
    item("by menu").activate()
    told["own"] = values(config)
    config.set_property("strength", 1.0)
    told["said"].append(buttons.said.get_text())
    opened(found, item("_Open Preset File…").activate, Gtk.ResponseType.ACCEPT)
    told["said"].append(buttons.said.get_text())
    dialog.destroy()
    return {**told, "opened": values(config)}


def foreseen(plugin, layer):
    """The dialog's line about the whole: where nothing can be said, where it can, and where not any more."""
    procedure, config = plugin.config()
    config.set_property("preview", False)
    forecast = plugin.foreseen.Forecast(1000, 700, 4, 40, 1_200_000_000, 40.0, "cpu")
    plugin.foreseen.Client = lambda _, **__: contextlib.nullcontext(
        types.SimpleNamespace(foresee=lambda size: forecast if size == 1000 else None)
    )
    plugin.foreseen.PATIENCE = 1

    def look(window, config):
        told = []
        for size, shown in ((500, False), (1000, True), (0, False)):
            config.set_property("max-size", size)
            for _ in range(50):
                yield
                line = [each["name"] for each in accessible(window.get_accessible()) if "GB" in each["name"]]
                if told and bool(line) == shown:
                    break
            told.append(line)
        return told

    def ask():
        value = config.get_property
        subject = plugin.subject.Subject(lambda: layer, lambda: None, lambda _: [(1, value("max-size"))])
        plugin.dialog.ask(procedure, config, subject)

    return opened(lambda window: look(window, config), ask)


def lacking(plugin, layer):
    """The preview's warning: said, through a preview that lacks it still, and with another recipe."""
    _, config = plugin.config()
    config.set_property("preview", False)

    def no_style():
        raise plugin.styles.bad_request("no style")

    preview = plugin.preview.Preview(lambda: layer, config, no_style)
    config.set_property("preview", True)
    window = Gtk.Window()
    window.add(preview.box)
    told = []
    record = {"stand_in": "wavelets", "notes": ["NOT painted with VGG19: " + "no weights " * 40]}
    ours = plugin.lacking.of_record(record, "impasto")
    theirs = plugin.lacking.Lack(ours.why, ours.why)
    for recipe, lack in (("impasto", ours), ("impasto", None), ("gatys", None), ("gatys", theirs)):
        config.set_property("recipe", recipe)
        preview._start()
        preview._job = object()
        if lack:
            preview.warn(preview._job, lack)
        window.show_all()
        for _ in range(5):
            Gtk.main_iteration_do(False)
        seen, label = preview._notice.box, preview._notice._label
        told.append(
            {
                "seen": seen.get_visible(),
                "sentence": label.get_text(),
                "is cut": label.get_layout().is_ellipsized(),
                "why": seen.get_tooltip_text(),
                "high": seen.get_preferred_height()[1],
            }
        )
        preview._job = None
    preview.close()
    window.destroy()
    return told


def carried_over(plugin, layer):
    """What a batch's dialog begins with after the filter's: with a file, a layer, and one that is gone."""
    told = []
    gone = Gimp.Layer.new(layer.get_image(), "gone", 1, 1, Gimp.ImageType.RGB_IMAGE, 100, Gimp.LayerMode.NORMAL)
    file = Gio.File.new_for_path(str(FOLDER / "Nächte.png"))
    for name, style in (("style-file", file), ("style-layer", layer), ("style-layer", gone)):
        _, filters = plugin.config()
        _, batchs = plugin.config(BATCH)
        batchs.set_property("style-file", Gio.File.new_for_path("/of/before.png"))
        filters.set_property(name, style)
        filters.set_property("strength", 70.0)
        plugin.last_values.keep(filters)
        if style is gone:
            gone.delete()
        plugin.last_values.fill(batchs)
        found = {each: batchs.get_property(each) for each in plugin.styles.ARGUMENTS}
        named = {
            each: style.get_path() if "file" in each else style.get_name() for each, style in found.items() if style
        }
        told.append({**named, "strength": batchs.get_property("strength")})
    return told


def carried_past(plugin):
    """What a batch that was to paint frames begins with after the filter was used in between."""
    (_, batchs), (_, filters), (_, again) = (plugin.config(name) for name in (BATCH, STYLE_TRANSFER, BATCH))
    batchs.set_property("paint", "frames")
    plugin.last_values.keep(batchs)
    plugin.last_values.fill(filters)
    filters.set_property("strength", 30.0)
    plugin.last_values.keep(filters)
    plugin.last_values.fill(again)
    return [again.get_property(name) for name in ("paint", "strength")]


def row(plugin, layer):
    """What is tried of an animation, and what else is there meanwhile and afterwards."""
    image = Gimp.Image.new(30, 20, Gimp.ImageBaseType.RGB)
    for size in ((10, 20), (30, 20)):
        frame = Gimp.Layer.new(image, "frame", *size, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL)
        frame.fill(Gimp.FillType.WHITE)
        image.insert_layer(frame, None, 0)
    before, what = len(Gimp.get_images()), ["frames"]
    row = plugin.row.Row(image, image.get_layers(), lambda: what[0])
    _, config = plugin.config(BATCH)
    chosen = {1: plugin.styles.Chosen("style", plugin.pixels.read(layer))}
    first = row.first()
    told = {
        "frame": [first.get_width(), first.get_height(), first.get_image().get_id() == image.get_id()],
        "filled": [plugin.pixels.read_small(first, (x, 0, 1, 1), 1.0).data[-1] for x in (5, 25)],
        "again": row.first().get_id() == first.get_id(),
        "frames": [(number, each.content.width, each.start) for number, each in row.outlines(chosen, config)],
        "of all images": row.count("all-images"),
    }
    what[0] = "selected-layers"
    told["layers"] = [(number, each.content.width, each.start) for number, each in row.outlines(chosen, config)]
    row.close()
    told["left"] = len(Gimp.get_images()) - before
    image.delete()
    told["closed"] = row.first()
    return told


def is_cut(plugin, text):
    """Whether not all of a warning can be read below the preview."""
    lacking, recipe = plugin.lacking, plugin.recipe_names.short
    notice, window = plugin.notice.Notice(), Gtk.Window()
    notice.say(lacking.Lack(text.format(painted=recipe("wavelets"), asked=recipe("impasto"), command=lacking.COMMAND)))
    notice.box.set_size_request(plugin.part.SIDE, -1)
    notice.box.set_halign(Gtk.Align.START)
    window.add(notice.box)
    window.show_all()
    for _ in range(5):
        Gtk.main_iteration_do(False)
    cut = notice._label.get_layout().is_ellipsized()
    window.destroy()
    return cut


def main():
    GimpUi.init("impasto-tests")
    sys.path.insert(0, str(PLUG_IN))
    image = Gimp.file_load(Gimp.RunMode.NONINTERACTIVE, Gio.File.new_for_path(str(FOLDER / "large.png")))
    layer = image.get_layers()[0]
    languages = ["en", *sorted(path.name for path in (PLUG_IN / "locale").glob("*") if path.is_dir())]
    plugin = Plugin("en")
    (FOLDER / "profile/impasto-styles.json").unlink(missing_ok=True)
    told = {
        "turned": asked(plugin, turned, layer),
        "settings": asked(plugin, settings_saved, layer),
        "restyled": asked(plugin, reset_again, layer, RESTYLE, MADE_WITH),
        "several": asked(plugin, several, layer),
        "undecided": asked(plugin, undecided, layer, RESTYLE, MADE_WITH, styles=2),
        "unknown": asked(plugin, unknown, layer, RESTYLE, {**MADE_WITH, "recipe": "cubism"}),
        "previewed": previewed(plugin, layer),
        "all open": asked(plugin, all_open, layer),
        "more": asked(plugin, more_of_it, layer),
        "coloured": coloured(plugin, layer),
        "coloured as painted": coloured_as_painted(plugin, layer),
        "arrows": arrows(plugin, layer),
        "source chosen": source_chosen(plugin, layer),
        "deleted meanwhile": meanwhile(plugin, lambda image: image.remove_layer(image.get_layers()[0])),
        "dismissed": meanwhile(plugin, lambda image: image.remove_layer(image.get_layers()[0]), paint=False),
        "closed meanwhile": meanwhile(plugin, lambda image: image.delete()),
        "presets": presets(plugin, layer),
        "presets by menu": presets_by_menu(plugin, layer),
        "foreseen": foreseen(plugin, layer),
        "lacking": lacking(plugin, layer),
        "carried over": carried_over(plugin, layer),
        "carried past": carried_past(plugin),
        "row": row(plugin, layer),
        "windows": {},
        "cut": {},
    }
    for language in languages:
        plugin = Plugin(language)
        told["windows"][language] = windows(plugin, layer)
        told["cut"][language] = [text for text in (plugin.lacking.HERE, plugin.lacking.THERE) if is_cut(plugin, text)]
    (FOLDER / "dialog.json").write_text(json.dumps(told, default=str))


main()
