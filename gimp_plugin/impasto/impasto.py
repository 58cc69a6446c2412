#!/usr/bin/python3
"""Impasto's entry in GIMP: registers its three filters and the window of its paintings, and does nothing itself.

GIMP runs this file at start-up to learn what it offers; one that fails then is silently not there. So this file
imports nothing of ours but the language, without which it is English, and neither ZeroMQ nor msgpack, until somebody
runs a filter; what can be missing is then told in a sentence.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gimp, Gio, GLib, GObject  # noqa: E402

try:
    from language import _
except Exception:  # of a folder that was copied in part: it is there all the same, in English, and says so when it runs

    def _(message: str) -> str:
        return message


PAINTINGS = "plug-in-impasto-paintings"
AT_START = "plug-in-impasto-at-start"
FOLDER = Path(__file__).resolve().parent
MANUAL = FOLDER / "help"
"""Made at the installation; GIMP's Help shows what stands in its gimp-help.xml for a procedure."""
HELP = "urn:impasto:manual"
"""A name that is nobody else's for these pages."""


class Filter(NamedTuple):
    """A procedure: the module that does it, its name in the menu, and what it does in one sentence and in more."""

    module: str
    label: str
    does: str
    help: str


FILTERS = {
    "plug-in-impasto-style-transfer": Filter(
        "run",
        _("_Neural Style Transfer…"),
        _("Paints the layer in the manner of another picture"),
        _(
            "Sends the selected layer and a style picture to the Impasto daemon, which optimises the picture "
            "with a neural network, and adds the result as a new layer above. Only a style has to be given: "
            "style-file, style-layer or style-pattern."
        ),
    ),
    "plug-in-impasto-restyle": Filter(
        "restyle",
        _("_Restyle Layer…"),
        _("Paints a layer again that Impasto has painted"),
        _(
            "Paints the layer again from the layer that it was painted from, as that looks now, and puts the "
            "painting in the place of the old one. What is not given is as it was painted: such numbers are -1, "
            "such texts empty."
        ),
    ),
    "plug-in-impasto-batch": Filter(
        "batch",
        _("Neural Style _Batch…"),
        _("Paints several layers, images or the frames of an animation in the manner of another picture"),
        _(
            "Paints one after the other, as Neural Style Transfer does with one layer. What cannot be painted is "
            "left out. paint: selected-layers, visible-layers, all-images (the selected layers of each) or frames "
            "(the layers of an animation, painted into a new image, which is returned)."
        ),
    ),
}
"""What there is, by the procedures' names."""

STYLES = 4
"""As many can be given, the second and those after it by arguments that end with their number."""

ONE, SEVERAL, NONE = (
    Gimp.ProcedureSensitivityMask.DRAWABLE,
    Gimp.ProcedureSensitivityMask.DRAWABLES,
    Gimp.ProcedureSensitivityMask.NO_DRAWABLES,
)
SELECTED = {"run": ONE | SEVERAL, "restyle": ONE, "batch": ONE | SEVERAL | NONE}
"""How many layers may be selected, by the modules."""

AS_PAINTED = -1
"""The default of every number of what paints a layer again."""

NUMERIC: tuple[tuple[str, str, str, float, float, float], ...] = (
    ("strength", _("S_trength"), _("From 0, the layer as it is, to 100, the style alone"), 0.0, 100.0, 50.0),
    (
        "stroke-size",
        _("Stroke si_ze"),
        _("In per cent: 100 as large as in the style picture when it is laid over the layer"),
        10.0,
        400.0,
        100.0,
    ),
    (
        "max-size",
        _("Lon_gest side"),
        _("Longest side in pixels at which to paint; 0 for the layer's own. The result always has the layer's size"),
        0,
        32768,
        1024,
    ),
    ("seed", _("S_eed"), _("Another number gives another painting"), 0, 2**31 - 1, 0),
)
"""The arguments that are numbers: name, label, meaning, lowest, highest, default."""


class Impasto(Gimp.PlugIn):  # type: ignore[misc]  # gi has no types
    """The plug-in as GIMP sees it."""

    __gtype_name__ = "Impasto"
    on_quit: Callable[[], None] | None = None
    """What a running job wants done before GIMP ends this process (its Cancel button kills right after)."""

    def do_set_i18n(self, _name: str) -> bool:
        return False

    def do_query_procedures(self) -> list[str]:
        if MANUAL.is_dir():
            self.set_help_domain(HELP, Gio.File.new_for_path(str(MANUAL)))
        return [*FILTERS, PAINTINGS, AT_START]

    def do_create_procedure(self, name: str) -> Any:
        return {PAINTINGS: self.paintings, AT_START: self.at_start}.get(name, self.filter)(name)

    def filter(self, name: str) -> Any:
        """What paints a layer."""
        about = FILTERS[name]
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, about.module)
        procedure.set_image_types("*")
        procedure.set_sensitivity_mask(SELECTED[about.module])
        procedure.set_menu_label(about.label)
        procedure.add_menu_path("<Image>/Filters/Artistic")
        procedure.set_documentation(about.does, about.help, name)
        procedure.set_attribution("The Impasto contributors", "The Impasto contributors", "2026")
        again = about.module == "restyle"
        add_styles(procedure, again)
        add_values(procedure, again)
        if again:
            add_living(procedure)
        if about.module == "batch":
            add_batch(procedure)
        return procedure

    def paintings(self, name: str) -> Any:
        """The window of what is painted in the background, or was while GIMP was not there."""
        # GIMP puts nothing else into an image's menu; this one needs no image.
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, show_paintings, None)
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.ALWAYS)
        procedure.set_menu_label(_("Neural Style _Paintings…"))
        procedure.add_menu_path("<Image>/Filters/Artistic")
        procedure.set_documentation(
            _("Paintings under way in the background, and those that were finished while GIMP was not there"),
            _("Opens what was finished as an image, and stops what is painted."),
            name,
        )
        procedure.set_attribution("The Impasto contributors", "The Impasto contributors", "2026")
        return procedure

    def at_start(self, name: str) -> Any:
        """GIMP calls this by itself once it has started."""
        procedure = Gimp.Procedure.new(self, name, Gimp.PDBProcType.PERSISTENT, offer_paintings, None)
        procedure.set_documentation(
            _("Offers what was painted while GIMP was not there"), _("GIMP calls this by itself when it starts."), name
        )
        procedure.set_attribution("The Impasto contributors", "The Impasto contributors", "2026")
        return procedure

    def do_quit(self) -> None:
        if self.on_quit is not None:
            self.on_quit()


WRITABLE = GObject.ParamFlags.READWRITE


def add_styles(procedure: Any, again: bool) -> None:
    """The arguments for styles: each is given as one of three, and has a weight. again: as `add_values` has it."""
    add_style(procedure, "", (_("Style _file"), _("Style l_ayer"), _("Style patter_n"), _("_Weight")), again)
    others = (
        _("File of style {number}"),
        _("Layer of style {number}"),
        _("Pattern of style {number}"),
        _("Weight _{number}"),
    )
    for number in range(2, STYLES + 1):
        add_style(procedure, f"-{number}", [label.format(number=number) for label in others], again)


def add_style(procedure: Any, end: str, labels: Sequence[str], again: bool) -> None:
    """One style: what its arguments end with, and the labels of all four."""
    file, layer, pattern, weight = labels
    # ANY and not OPEN: for OPEN, GIMP refuses a file that does not exist without saying why.
    about = _("The picture whose manner is wanted")
    procedure.add_file_argument(f"style-file{end}", file, about, Gimp.FileChooserAction.ANY, True, None, WRITABLE)
    about = _("A layer of any open image in place of a file; of another image, only what is selected there")
    procedure.add_layer_argument(f"style-layer{end}", layer, about, True, WRITABLE)
    about = _("One of GIMP's patterns in place of a file")
    procedure.add_pattern_argument(f"style-pattern{end}", pattern, about, True, None, False, WRITABLE)
    about = _("How much this style counts against the others; with 0 it is left out")
    values = (AS_PAINTED, 100.0, AS_PAINTED) if again else (0.0, 100.0, 100.0)
    procedure.add_double_argument(f"style-weight{end}", weight, about, *values, WRITABLE)


def add_values(procedure: Any, again: bool) -> None:
    """How it is painted, each with a default. again: where that is how a layer was painted before."""
    recipe = "" if again else "impasto"
    procedure.add_boolean_aux_argument(
        "preview", _("Pre_view"), _("Paint a part of the layer while you choose"), True, WRITABLE
    )
    procedure.add_boolean_aux_argument(
        "choose",
        _("Choose a stage of the painting _before inserting"),
        _("When the painting is finished, its window shows it from its beginning on, and you say which it is to be"),
        False,
        WRITABLE,
    )
    procedure.add_string_argument("recipe", _("Rec_ipe"), _("How it is painted, by name"), recipe, WRITABLE)
    add = {float: procedure.add_double_argument, int: procedure.add_int_argument}
    for name, label, meaning, lowest, highest, default in NUMERIC:
        values = (AS_PAINTED, highest, AS_PAINTED) if again else (lowest, highest, default)
        add[type(default)](name, label, meaning, *values, WRITABLE)
    procedure.add_boolean_argument(
        "keep-colours",
        _("_Keep my colours"),
        _("Put the painting into a group, below a layer that gives it the colours it was painted from"),
        False,
        WRITABLE,
    )


def add_batch(procedure: Any) -> None:
    """What only a batch is asked for, and what it returns."""
    meaning = _("selected-layers, visible-layers, all-images or frames")
    procedure.add_string_argument("paint", _("What t_o paint"), meaning, "selected-layers", WRITABLE)
    meaning = _("In which the paintings are: the last one, where there are several")
    procedure.add_image_return_value("image", _("Image"), meaning, True, WRITABLE)


def add_living(procedure: Any) -> None:
    """What only a layer is asked for that was painted before."""
    procedure.add_boolean_argument(
        "continue",
        _("G_o on from the last painting"),
        _("Not from the beginning, where that is possible"),
        False,
        WRITABLE,
    )
    procedure.add_layer_argument(
        "source-layer", _("So_urce"), _("The layer to paint from; none for the one it was painted from"), True, WRITABLE
    )


def run(procedure: Any, run_mode: Any, image: Any, drawables: list[Any], config: Any, module: str) -> Any:
    """GIMP calls this; `module` does it."""
    try:
        work = brought(module)
    except Exception as error:
        return incomplete(procedure, error)
    return work.run(procedure, run_mode, image, drawables, config)


def show_paintings(procedure: Any, _mode: Any, _image: Any, _drawables: Any, _config: Any, _data: Any) -> Any:
    """The menu entry."""
    try:
        paintings = brought("paintings_window")
    except Exception as error:
        return incomplete(procedure, error)
    try:
        paintings.show(Path(Gimp.directory()))
    except Exception as error:
        return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, GLib.Error(str(error)))
    return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())


def brought(module: str) -> Any:
    """One of our modules. Everything that can fail is imported here and not before."""
    use_own_libraries()
    return importlib.import_module(module)


def incomplete(procedure: Any, error: Exception) -> Any:
    """The answer where a piece is missing: which, and what to type."""
    sentence = _(
        "Impasto's plug-in is not complete for this GIMP's Python {major}.{minor} ({error}). Install it "
        "again with: impasto install-plugin"
    ).format(major=sys.version_info.major, minor=sys.version_info.minor, error=error)
    return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, GLib.Error(sentence))


def offer_paintings(procedure: Any, _config: Any, _data: Any) -> Any:
    """At every start of GIMP, which waits for `persistent_ready` and no longer: usually there is nothing to do."""
    procedure.persistent_ready()
    profile = Path(Gimp.directory())
    if Gimp.wm_class() and any((profile / "impasto-paintings").glob("*.json")):  # a class: there are windows
        try:
            brought("paintings_window").offer(profile)
        except Exception:  # nobody asked for this: the filter will say in a sentence what is wrong, when it is asked
            traceback.print_exc(file=sys.stderr)
    return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())


def use_own_libraries() -> None:
    """Put the libraries beside this file on the path, behind the interpreter's own.

    The binary ones are kept by Python version; those of 3.12 are for it and all that follow (the stable ABI).
    """
    binary = f"cp3{min(sys.version_info.minor, 12)}"
    for folder in (FOLDER / "vendor" / "common", FOLDER / "vendor" / binary):
        if folder.is_dir() and str(folder) not in sys.path:
            sys.path.append(str(folder))


if __name__ == "__main__":
    Gimp.main(Impasto.__gtype__, sys.argv)
