"""The way of a 12-megapixel layer to a ROUTER and back over the standard library's sockets, against pyzmq's."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import zmq
from impasto_protocol.limits import Limits
from impasto_protocol.socket_transport import SocketTransport
from impasto_protocol.transport import Transport
from impasto_protocol.zmq_transport import ZmqTransport

from .measure import Findings, ratio
from .setting import Setting

LAYER = 4000 * 3000 * 4


def measure(setting: Setting, nbytes: int = LAYER, n: int = 41) -> Findings:
    """Ratios of what a client waits."""
    with _echo() as endpoint, _back(SocketTransport, endpoint) as ours, _back(ZmqTransport, endpoint) as theirs:
        return Findings(
            tuple(
                ratio(
                    f"{len(frame):,} bytes to a ROUTER and back without pyzmq",
                    lambda: ours(frame),  # noqa: B023  # called at once
                    "with it",
                    lambda: theirs(frame),  # noqa: B023
                    n=n,
                )
                for frame in (bytes(nbytes), b"!")
            )
        )


@contextmanager
def _back(kind: type[Transport], endpoint: str) -> Iterator[Callable[[bytes], None]]:
    """Sends a frame and waits until it is back."""
    transport = kind()
    transport.connect(endpoint, Limits())

    def there_and_back(frame: bytes) -> None:
        transport.send([frame])
        while not transport.wait(60):
            pass

    try:
        yield there_and_back
    finally:
        transport.close(0)


@contextmanager
def _echo() -> Iterator[str]:
    """Where a ROUTER sends back whatever comes."""
    with tempfile.TemporaryDirectory(prefix="impasto-bench-") as folder:
        endpoint, ended = f"ipc://{Path(folder)}/e.sock", threading.Event()
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        router = context.socket(zmq.ROUTER)
        router.bind(endpoint)

        def serve() -> None:
            while not ended.is_set():
                if router.poll(50):
                    router.send_multipart(router.recv_multipart(copy=False), copy=False)
            router.close(linger=0)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield endpoint
        finally:
            ended.set()
            thread.join()
            context.term()
