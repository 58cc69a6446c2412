"""A client of the user's daemon, started where none runs. Knows processes; nothing of GIMP's pixels and windows.

How a daemon is started is the daemon's own knowledge (`python -m impasto_daemon.launch`): here is only which Python
has it, as `impasto install-plugin` wrote it down beside this file (impasto.json), and what of GIMP's environment it
must not get. Where it cannot be started, as from a sandbox, the artist is told what to type.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import sandbox
from impasto_protocol import __version__
from impasto_protocol.endpoint import TCP
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.interrupt import Interrupt
from impasto_protocol.zmq_client import TRANSPORT, Client
from language import _

INSTALLED = Path(__file__).resolve().parent / "impasto.json"
AGENT = f"impasto-gimp/{__version__} ({TRANSPORT.NAME})"
PATIENCE = 75.0
"""Seconds in which the launcher must end; it gives up by itself before that."""

NOT_FOR_CHILDREN = ("LD_", "DYLD_", "PYTHON", "GIMP", "GEGL_", "BABL_", "GI_TYPELIB_PATH", "APPDIR", "APPIMAGE")
"""Beginnings of the variables that GIMP and its packaging set for themselves and that would break another Python."""


def connect(say: Callable[[str], None], interrupt: Interrupt, endpoint: str = "", agent: str = AGENT) -> Client:
    """A client of the daemon that runs, or of one started now: the user's, or at an endpoint. Raises ImpastoError."""
    endpoint = endpoint or sandbox.endpoint()
    try:
        return _connected(endpoint, agent)
    except ImpastoError as error:
        if error.code is not Code.UNREACHABLE or endpoint.startswith(TCP):  # who could start one over there?
            raise
    say(_("Starting the Impasto daemon"))
    launch(endpoint, interrupt)
    return _connected(endpoint, agent)


def launch(endpoint: str, interrupt: Interrupt) -> None:
    """Have the daemon started and wait until it listens. Raises ImpastoError, at once when interrupted."""
    try:
        _launch(endpoint, interrupt)
    except NotStarted as why:
        sentence = why.sentence.format(**why.values, command=sandbox.command(endpoint))
        raise ImpastoError(Code.UNREACHABLE, sentence) from None


class NotStarted(Exception):
    """Why not: a sentence with places for these values and for the command to type."""

    def __init__(self, sentence: str, **values: object) -> None:
        super().__init__(sentence)
        self.sentence, self.values = sentence, values


def _launch(endpoint: str, interrupt: Interrupt) -> None:
    python = installed_python()
    try:
        process = subprocess.Popen(
            [python, "-P", "-m", "impasto_daemon.launch", endpoint],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,  # or GIMP's Cancel would end the daemon too
            cwd="/",
            env=clean_environment(os.environ),
        )
    except OSError as error:
        raise NotStarted(
            _(
                "The Impasto daemon does not run and could not be started: {python} cannot be run: {strerror}. Type in "
                "a terminal: {command}"
            ),
            python=python,
            strerror=error.strerror,
        ) from None
    with process:
        try:
            said = _listen(process, interrupt)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        lines = said.decode(errors="replace").strip().splitlines()
        if not lines:
            raise NotStarted(
                _(
                    "The Impasto daemon does not run and could not be started: {python} failed. Type in a terminal: "
                    "{command}"
                ),
                python=python,
            )
        raise ImpastoError(Code.UNREACHABLE, lines[-1])


def installed_python(notes: Path = INSTALLED) -> str:
    """The Python that has the daemon, as the installer wrote it down. Raises NotStarted."""
    around = sandbox.around()
    if around:
        raise NotStarted(
            _(
                "The Impasto daemon does not run and could not be started: GIMP is from {sandbox}, and may not start "
                "programs of the system. Type in a terminal: {command}"
            ),
            sandbox=around,
        )
    try:
        python = json.loads(notes.read_text(encoding="utf-8"))["python"]
    except (OSError, ValueError, KeyError, TypeError):
        raise NotStarted(
            _(
                "The Impasto daemon does not run and could not be started: the plug-in was not installed with impasto "
                "install-plugin. Type in a terminal: {command}"
            )
        ) from None
    if not isinstance(python, str) or not os.access(python, os.X_OK):
        raise NotStarted(
            _(
                "The Impasto daemon does not run and could not be started: {python}, which installed this plug-in, is "
                "gone. Type in a terminal: {command}"
            ),
            python=python,
        )
    return python


def clean_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what GIMP and its packaging set for their own process."""
    return {name: value for name, value in environ.items() if not name.startswith(NOT_FOR_CHILDREN)}


def _connected(endpoint: str, agent: str) -> Client:
    client = Client(endpoint, agent=agent)
    try:
        client.connect()
    except BaseException:
        client.close()
        raise
    return client


def _listen(process: subprocess.Popen[bytes], interrupt: Interrupt) -> bytes:
    """All that the launcher says until it ends."""
    assert process.stderr is not None
    pipe, cancel = process.stderr.fileno(), interrupt.fileno()
    deadline, said = time.monotonic() + PATIENCE, b""
    while True:
        ready = select.select([pipe, cancel], [], [], max(0.0, deadline - time.monotonic()))[0]
        if cancel in ready:
            raise ImpastoError(Code.CANCELLED, _("Cancelled while Impasto's daemon was starting."))
        if not ready:
            raise NotStarted(
                _(
                    "The Impasto daemon does not run and could not be started: it did not answer within {seconds:g} "
                    "seconds. Type in a terminal: {command}"
                ),
                seconds=PATIENCE,
            )
        more = os.read(pipe, 4096)
        if not more:
            return said
        said += more
