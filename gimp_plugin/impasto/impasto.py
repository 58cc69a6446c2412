#!/usr/bin/python3
"""Impasto's entry in GIMP: registers Filters ▸ Artistic ▸ Neural Style Transfer… and nothing else.

GIMP runs this file at start-up to learn what it offers; one that fails then is silently not there. So this file
imports nothing of ours, neither ZeroMQ nor msgpack, until somebody runs the filter; what can be missing is then
told in a sentence.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gegl", "0.4")
from gi.repository import Gimp, GLib, GObject  # noqa: E402

PROCEDURE = "plug-in-impasto-style-transfer"
PAINTINGS = "plug-in-impasto-paintings"
AT_START = "plug-in-impasto-at-start"
FOLDER = Path(__file__).resolve().parent


class Impasto(Gimp.PlugIn):  # type: ignore[misc]  # gi has no types
    """The plug-in as GIMP sees it."""

    __gtype_name__ = "Impasto"
    on_quit: Callable[[], None] | None = None
    """What a running job wants done before GIMP ends this process (its Cancel button kills right after)."""

    def do_set_i18n(self, _name: str) -> bool:
        return False

    def do_query_procedures(self) -> list[str]:
        return [PROCEDURE, PAINTINGS, AT_START]

    def do_create_procedure(self, name: str) -> Any:
        return {PROCEDURE: self.style_transfer, PAINTINGS: self.paintings, AT_START: self.at_start}[name](name)

    def style_transfer(self, name: str) -> Any:
        """The filter."""
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, None)
        procedure.set_image_types("*")
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.DRAWABLE)
        procedure.set_menu_label("_Neural Style Transfer…")
        procedure.add_menu_path("<Image>/Filters/Artistic")
        procedure.set_documentation(
            "Paints the layer in the manner of another picture",
            "Sends the selected layer and a style picture to the Impasto daemon, which optimises the picture with a "
            "neural network, and adds the result as a new layer above. Only a style has to be given: style-file, "
            "style-layer or style-pattern.",
            name,
        )
        procedure.set_attribution("The Impasto contributors", "The Impasto contributors", "2026")
        add_arguments(procedure)
        return procedure

    def paintings(self, name: str) -> Any:
        """The window of what is painted in the background, or was while GIMP was not there."""
        # GIMP puts nothing else into an image's menu; this one needs no image.
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, show_paintings, None)
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.ALWAYS)
        procedure.set_menu_label("Neural Style _Paintings…")
        procedure.add_menu_path("<Image>/Filters/Artistic")
        procedure.set_documentation(
            "Paintings under way in the background, and those that were finished while GIMP was not there",
            "Opens what was finished as an image, and stops what is painted.",
            name,
        )
        procedure.set_attribution("The Impasto contributors", "The Impasto contributors", "2026")
        return procedure

    def at_start(self, name: str) -> Any:
        """GIMP calls this by itself once it has started."""
        procedure = Gimp.Procedure.new(self, name, Gimp.PDBProcType.PERSISTENT, offer_paintings, None)
        procedure.set_documentation(
            "Offers what was painted while GIMP was not there", "GIMP calls this by itself when it starts.", name
        )
        procedure.set_attribution("The Impasto contributors", "The Impasto contributors", "2026")
        return procedure

    def do_quit(self) -> None:
        if self.on_quit is not None:
            self.on_quit()


def add_arguments(procedure: Any) -> None:
    """The filter's arguments, each with a default: a script gives the style file alone."""
    writable = GObject.ParamFlags.READWRITE
    # ANY and not OPEN: for OPEN, GIMP refuses a file that does not exist without saying why.
    procedure.add_file_argument(
        "style-file",
        "Style _file",
        "The picture whose manner is wanted",
        Gimp.FileChooserAction.ANY,
        True,
        None,
        writable,
    )
    procedure.add_layer_argument(
        "style-layer",
        "Style l_ayer",
        "A layer of any open image in place of a file; of another image, only what is selected there",
        True,
        writable,
    )
    procedure.add_pattern_argument(
        "style-pattern", "Style patter_n", "One of GIMP's patterns in place of a file", True, None, False, writable
    )
    procedure.add_string_argument("recipe", "Rec_ipe", "How it is painted, by name", "impasto", writable)
    procedure.add_double_argument(
        "strength", "S_trength", "From 0, the layer as it is, to 100, the style alone", 0.0, 100.0, 50.0, writable
    )
    procedure.add_double_argument(
        "stroke-size",
        "Stroke si_ze",
        "In per cent: 100 as large as in the style picture when it is laid over the layer",
        10.0,
        400.0,
        100.0,
        writable,
    )
    procedure.add_int_argument(
        "max-size",
        "Lon_gest side",
        "Longest side in pixels at which to paint; 0 for the layer's own. The result always has the layer's size",
        0,
        32768,
        1024,
        writable,
    )
    procedure.add_int_argument("seed", "S_eed", "Another number gives another painting", 0, 2**31 - 1, 0, writable)


def run(procedure: Any, run_mode: Any, image: Any, drawables: list[Any], config: Any, _data: Any) -> Any:
    """GIMP calls this. Everything that can fail is imported here and not before."""
    try:
        use_own_libraries()
        import run as job
    except Exception as error:
        sentence = (
            f"Impasto's plug-in is not complete for this GIMP's Python {sys.version_info.major}."
            f"{sys.version_info.minor} ({error}). Install it again with: impasto install-plugin"
        )
        return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, GLib.Error(sentence))
    return job.run(procedure, run_mode, image, drawables, config)


def show_paintings(procedure: Any, _mode: Any, _image: Any, _drawables: Any, _config: Any, _data: Any) -> Any:
    """The menu entry."""
    try:
        use_own_libraries()
        import paintings

        paintings.show(Path(Gimp.directory()))
    except Exception as error:
        return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, GLib.Error(str(error)))
    return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())


def offer_paintings(procedure: Any, _config: Any, _data: Any) -> Any:
    """At every start of GIMP, which waits for `persistent_ready` and no longer: usually there is nothing to do."""
    procedure.persistent_ready()
    profile = Path(Gimp.directory())
    if Gimp.wm_class() and any((profile / "impasto-paintings").glob("*.json")):  # a class: there are windows
        with contextlib.suppress(Exception):  # whatever is wrong here, the filter will say it when it is asked for
            use_own_libraries()
            import paintings

            paintings.offer(profile)
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
