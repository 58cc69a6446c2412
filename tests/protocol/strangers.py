"""Programs that listen where a daemon should, and are none."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def listening(path: Path, says: bytes) -> Iterator[str]:
    """A program that says this to whoever comes, and no more."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        kept = []

        def speak() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    kept.append(connection)
                    with contextlib.suppress(ConnectionError):  # who only looked whether anybody is there
                        connection.sendall(says)

        thread = threading.Thread(target=speak)
        thread.start()
        try:
            yield f"ipc://{path}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in kept:
                connection.close()
