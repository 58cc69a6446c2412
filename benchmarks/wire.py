"""The way of a 12-megapixel layer through the daemon and back, against bare ZeroMQ with the same bytes."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request, Style
from impasto_protocol.zmq_client import Client

from . import daemons
from .measure import Findings, ratio
from .setting import Setting

WIDTH, HEIGHT = 4000, 3000


def measure(setting: Setting, width: int = WIDTH, height: int = HEIGHT, pings: int = 101) -> Findings:
    """Ratios of the protocol's overhead."""
    pixels = bytes(width * height * 4)
    style = Style(Picture(1, 1, 3, "u8", b"abc"))
    request = Request(Picture(width, height, 4, "u8", pixels), (style,))
    painter = ("--painter", "benchmarks.mirror:open_painter")
    with daemons.running(*painter) as daemon, Client(daemon.endpoint) as client, _echo() as bare:

        def through_the_daemon() -> None:
            client.acknowledge(client.stylize(request).job)

        def through_bare_zeromq() -> None:
            bare.send(pixels, copy=False)
            bare.recv(copy=False)

        megapixels = f"{width * height / 1e6:.3g} Mpx RGBA"
        there = f"{megapixels} to a painter that does nothing and back"
        echo = "an echo over bare ZeroMQ"
        return Findings((
            ratio(there, through_the_daemon, f"{echo} of its bytes", through_bare_zeromq),
            ratio("ping", client.status, f"{echo} of one byte", lambda: (bare.send(b"!"), bare.recv()), n=pings),
        ))  # fmt: skip


@contextmanager
def _echo() -> Iterator[zmq.Socket[bytes]]:
    """A socket whose other end sends back whatever comes, over ipc as the daemon's."""
    with tempfile.TemporaryDirectory(prefix="impasto-bench-") as folder:
        endpoint, context = f"ipc://{Path(folder)}/e.sock", zmq.Context()
        server, client = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
        server.bind(endpoint)
        client.connect(endpoint)

        def serve() -> None:
            while len(frame := server.recv(copy=False)):
                server.send(frame, copy=False)
            server.close(linger=0)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield client
        finally:
            client.send(b"")
            thread.join()
            client.close(linger=0)
            context.term()
