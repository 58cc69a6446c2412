"""The job: from a layer and the filter's arguments to a new layer, or a sentence that says why not.

Every call into GIMP happens on the main thread, which waits in a GLib loop; the client of the daemon lives in one
thread of its own. GIMP's Cancel button kills this process: `do_quit` runs just before, and tells the daemon.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import traceback
from typing import Any

import daemon_start
import pixels
import progress
import record
import style_file
from gi.repository import Gimp, GLib
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.forecast import Forecast
from impasto_protocol.limits import Limits
from impasto_protocol.messages import Accepted, Progress, Result
from impasto_protocol.request import Request, Style
from impasto_protocol.zmq_client import Interrupt

LIMITS = Limits()
"""What is refused before a pixel is read; the daemon that answers may take less."""
GRACE = 0.5
"""Seconds that a cancel may take before GIMP ends this process (it often leaves less)."""
FAREWELL = 2.0
"""Seconds that the client may take to send its last message."""


def run(procedure: Any, run_mode: Any, image: Any, drawables: list[Any], config: Any) -> Any:
    """One call of the procedure, in any run mode: its return values."""
    try:
        source = pixels.only_layer(drawables, LIMITS)
        if run_mode == Gimp.RunMode.INTERACTIVE and not _ask(procedure, config):
            return procedure.new_return_values(Gimp.PDBStatusType.CANCEL, None)
        notes = paint(procedure.get_plug_in(), image, source, config)
    except ImpastoError as error:
        return _failed(procedure, str(error))
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        return _failed(
            procedure, f"Something unforeseen happened in Impasto's plug-in: {error!r}. Nothing was changed."
        )
    if notes and run_mode == Gimp.RunMode.INTERACTIVE:
        Gimp.message("\n".join(notes))
    Gimp.displays_flush()
    return procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, GLib.Error())


def paint(plug_in: Any, image: Any, source: Any, config: Any) -> list[str]:
    """Read, ask the daemon, insert; what the artist should know about how it was painted. Raises ImpastoError."""
    style_path = style_file.checked(config.get_property("style-file"), LIMITS)
    content = pixels.read(source)
    pixels.check_visible(content)
    request = Request(
        content=content,
        styles=(Style(style_file.load(style_path, LIMITS)),),
        recipe=config.get_property("recipe"),
        strength=config.get_property("strength"),
        max_size=config.get_property("max-size"),
        seed=config.get_property("seed"),
    )
    with Job(request) as job:
        result = job.wait(plug_in)
        try:
            insert(image, source, style_path.name, result)
        except Exception as error:
            raise _not_inserted(result.job, error) from error
        job.acknowledge()
    return record.notes(result.record)


def insert(image: Any, source: Any, style_name: str, result: Result) -> None:
    """The painting as a layer above its source. Raises ImpastoError, or whatever GIMP has against it."""
    if not image.is_valid():
        raise ImpastoError(Code.CANCELLED, "the image was closed meanwhile")
    layer = pixels.new_layer(image, source, result.pictures[0], record.layer_name(style_name))
    try:
        record.attach(layer, style_name, result.record)
        pixels.insert_above(image, source, layer)
    except BaseException:
        layer.delete()
        raise


class Job:
    """One request in the daemon's hands. Its thread owns the client and never touches GIMP; the main thread never
    touches the client, save for `interrupt`, which is made for that.

    The daemon keeps the painting until `acknowledge`: what cannot be inserted can still be fetched.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        self._interrupt = Interrupt()
        self._loop = GLib.MainLoop()
        self._thread = threading.Thread(target=self._work, name="impasto client", daemon=True)
        self._forecast: Forecast | None = None
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._settled = threading.Event()
        self._safe = False

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        self._settled.set()
        if self._thread.is_alive():
            self._thread.join(FAREWELL)

    def wait(self, plug_in: Any) -> Result:
        """Show progress until the picture is there. Raises ImpastoError."""
        # Only a persistent plug-in has its do_quit called before GIMP's Cancel kills it.
        plug_in.persistent_enable()
        plug_in.on_quit = self.stop
        progress.begin()
        try:
            self._thread.start()
            self._loop.run()
        finally:
            plug_in.on_quit = None
            progress.end()
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def acknowledge(self) -> None:
        """The painting is where it should be: the daemon may forget it."""
        self._safe = True

    def stop(self) -> None:
        """Cancel at the daemon, in whatever time is left."""
        self._interrupt.set()
        self._settled.set()
        self._thread.join(GRACE)

    def _work(self) -> None:
        try:
            with contextlib.closing(daemon_start.connect(self._say, self._interrupt)) as client:
                self._result = client.stylize(
                    self._request, on_accepted=self._accepted, on_progress=self._show, interrupt=self._interrupt
                )
                GLib.idle_add(self._loop.quit)
                self._settled.wait()
                if self._safe:
                    client.acknowledge(self._result.job)
        except BaseException as error:
            self._error = error
        finally:
            GLib.idle_add(self._loop.quit)

    def _say(self, sentence: str) -> None:
        GLib.idle_add(progress.say, sentence)

    def _accepted(self, news: Accepted) -> None:
        self._forecast = Forecast.of(news.forecast)
        self._show(Progress(job=news.job, state=news.state, position=news.position))

    def _show(self, news: Progress) -> None:
        GLib.idle_add(progress.show, news, self._forecast)


def _ask(procedure: Any, config: Any) -> bool:
    import dialog  # needs a display, which scripts have not

    return dialog.ask(procedure, config)


def _not_inserted(job: str, error: Exception) -> ImpastoError:
    if not isinstance(error, ImpastoError):
        traceback.print_exception(error, file=sys.stderr)
    reason = str(error).rstrip(".") or repr(error)
    return ImpastoError(
        Code.CANCELLED,
        f"The painting could not be put into the image: {reason}. It is not lost, the daemon keeps it for a day. "
        f"Type in a terminal: impasto fetch {job[:8]} -o FILE.png",
    )


def _failed(procedure: Any, sentence: str) -> Any:
    text = record.printable(sentence)
    return procedure.new_return_values(Gimp.PDBStatusType.EXECUTION_ERROR, GLib.Error(text[:1].upper() + text[1:]))
