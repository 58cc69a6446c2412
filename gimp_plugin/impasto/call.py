"""What the calls of all filters have in common: an artist is asked, somebody watches, and what came of it is returned.

Knows GIMP's procedures and run modes; nothing of layers, styles or the daemon.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import headlines
import progress
import record
from gi.repository import Gimp, GLib
from impasto_protocol.errors import Code, ImpastoError
from job import GivenUp, Watcher
from language import _
from subject import Subject


def answered(procedure: Any, run_mode: Any, image: Any, work: Callable[[], list[str]]) -> Any:
    """The return values of a procedure that does this work; what the work returns, the artist is told."""
    try:
        notes = work()
    except GivenUp:
        return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
    except ImpastoError as error:
        return _failed(procedure, headlines.told(error), error.code)
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        sentence = _(
            "Something unforeseen happened in Impasto's plug-in: {error!r}. What it has done to the image by then, if "
            "anything, can be undone."
        ).format(error=error)
        return _failed(procedure, sentence, Code.INTERNAL)
    if notes and is_watched(run_mode):
        Gimp.message("\n".join(notes))
    Gimp.displays_flush()
    if not image.is_valid():  # one of several: GIMP complains that it cannot keep it with the last values
        procedure.get_plug_in().set_pdb_error_handler(Gimp.PDBErrorHandler.PLUGIN)
    return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())


def ask(procedure: Any, run_mode: Any, config: Any, subject: Subject) -> None:
    """Have an artist fill in the arguments; a script has. Raises GivenUp."""
    if run_mode == Gimp.RunMode.INTERACTIVE:
        import dialog  # needs a display, which scripts have not

        if not dialog.ask(procedure, config, subject):
            raise GivenUp


def watcher(run_mode: Any, source: Any, config: Any, place: Any = None) -> Watcher:
    """A window for an artist, who may choose among iterates there, if that was wished; the status bar for a script.
    place: the layer that is painted again, if any."""
    if not shows_windows(run_mode):
        return progress.StatusBar()
    import scrubber
    import window

    kind = scrubber.Scrubber if config.get_property("choose") else window.Window
    return kind(source, place or source, config.get_property("keep-colours"))


def is_watched(run_mode: Any) -> bool:
    """Whether there is an artist who sees what becomes of it: with Ctrl+F, which asks nothing, there is one too."""
    return bool(run_mode != Gimp.RunMode.NONINTERACTIVE)


def shows_windows(run_mode: Any) -> bool:
    """Whether there is an artist, and there can be windows: without a display, GimpUi ends the process."""
    return is_watched(run_mode) and bool(
        os.name == "nt" or sys.platform == "darwin" or os.environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY"}
    )


def _failed(procedure: Any, sentence: str, code: Code) -> Any:
    """The error as GIMP shows it: its sentence, and its code as on the command line."""
    text = record.printable(f"{sentence} [{code.value}]")
    return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, GLib.Error(text[:1].upper() + text[1:]))
