"""The way of a 12-megapixel layer through the daemon and back, against bare ZeroMQ with the same bytes; and what others
notice of it."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request, Style
from impasto_protocol.zmq_client import Client

from . import daemons
from .measure import Findings, Ratio, ratio, timed
from .setting import Setting

WIDTH, HEIGHT = 4000, 3000
WATCHED = 1.0
"""Seconds in which a job ends and its result is written to disk."""


def measure(
    setting: Setting, width: int = WIDTH, height: int = HEIGHT, pings: int = 101, watched: float = WATCHED
) -> Findings:
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
            _waits(daemon.endpoint, client, request, f"a job of {megapixels}", watched),
        ))  # fmt: skip


def _waits(endpoint: str, client: Client, request: Request, job: str, watched: float, n: int = 7) -> Ratio:
    """What one client waits at most while another's job ends, against a daemon that does nothing."""

    def pair() -> tuple[float, float]:
        quiet = longest_wait(client, watched)
        with Client(endpoint) as other:
            name = other.submit(request, detach=True).job
        busy = longest_wait(client, watched)
        client.acknowledge(name)
        return busy, quiet

    what = f"another client's longest wait for an answer while {job} ends and is written"
    return Ratio.of(what, f"its longest in {watched:g} s of an idle daemon", [pair() for _ in range(n)])


def longest_wait(client: Client, seconds: float) -> float:
    """Of requests one after the other, for so long: the seconds that the slowest takes."""
    until, longest = time.monotonic() + seconds, 0.0
    while time.monotonic() < until:
        longest = max(longest, timed(client.status))
    return longest


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
