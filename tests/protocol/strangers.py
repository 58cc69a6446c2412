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


@contextlib.contextmanager
def a_mail_server() -> Iterator[str]:
    """A program at a port of this machine that greets two visitors in its own language: who looks whether anybody is
    there, and who then connects. Both must come."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection, contextlib.suppress(ConnectionError):
                    connection.sendall(b"220 mail.example ready\r\n" * 10)
                    connection.recv(1000)

        thread = threading.Thread(target=speak)
        thread.start()
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()
