"""The transport without pyzmq, against ZeroMQ's own library and the real daemon, and against what is neither."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zmq
from impasto_protocol import socket_transport, zmq_client, zmtp
from impasto_protocol.endpoint import VARIABLE
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.interrupt import Interrupt
from impasto_protocol.limits import Limits
from impasto_protocol.picture import Picture
from impasto_protocol.request import Request, Style
from impasto_protocol.socket_transport import SocketTransport
from impasto_protocol.transport import Arrived, Broke, News, Refused
from impasto_protocol.zmq_client import Client

from tests.fakes.daemon import RunningDaemon, picture, request
from tests.fakes.painter import inverted

from .strangers import listening

pytestmark = pytest.mark.timeout(60)

Launch = Callable[..., RunningDaemon]


class Routers:
    """ZeroMQ's own ROUTERs at one place, one after the other."""

    def __init__(self, path: Path) -> None:
        self.endpoint = f"ipc://{path}"
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.open()

    def open(self, options: dict[int, int] | None = None) -> None:
        self.socket = self._context.socket(zmq.ROUTER)
        self.socket.linger = 0
        for option, value in (options or {}).items():
            self.socket.set(option, value)
        self.socket.bind(self.endpoint)

    def close(self) -> None:
        self._context.destroy(linger=0)


@pytest.fixture
def router(socket_folder: Path) -> Iterator[Routers]:
    routers = Routers(socket_folder / "r.sock")
    yield routers
    routers.close()


@pytest.fixture
def without_pyzmq(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients use the sockets."""
    monkeypatch.setattr(zmq_client, "TRANSPORT", SocketTransport)


@pytest.fixture
def transport() -> Iterator[SocketTransport]:
    made = SocketTransport()
    yield made
    made.close(0)


def next_of(transport: SocketTransport, seconds: float = 10) -> News:
    news = transport.wait(seconds)
    assert news, "nothing happened"
    assert len(news) == 1
    return news[0]


def both(transport: SocketTransport) -> list[News]:
    """Two things that happen, be it at once or one after the other."""
    news = transport.wait(10)
    return news if len(news) == 2 else [*news, *transport.wait(10)]


def at_router(transport: SocketTransport, router: Routers) -> list[bytes]:
    """The next message that the ROUTER gets, its route first."""
    deadline = time.monotonic() + 10
    while not router.socket.poll(0):
        assert transport.wait(0.01) == [] and time.monotonic() < deadline
    return router.socket.recv_multipart()


def frames(news: News) -> list[bytes]:
    assert isinstance(news, Arrived), news
    return [bytes(frame) for frame in news.frames]


def test_messages_of_every_size_go_both_ways(router: Routers, transport: SocketTransport) -> None:
    transport.connect(router.endpoint, Limits())
    for sizes in ([1], [0], [0, 0, 7], [255, 256], [8, 65_536, 65_537, 3], [8, 300, 48_000_000]):
        message = [bytes([size % 251]) * size for size in sizes]
        transport.send(message)
        route, *came = at_router(transport, router)
        assert came == message
        router.socket.send_multipart([route, *message], copy=False)
        assert frames(next_of(transport)) == message


def test_what_was_not_read_for_long_comes_in_order(router: Routers, transport: SocketTransport) -> None:
    transport.connect(router.endpoint, Limits())
    transport.send([b"hello"])
    route, _ = at_router(transport, router)
    for number in range(900):
        router.socket.send_multipart([route, str(number).encode(), bytes(1000)])
    came: list[bytes] = []
    while len(came) < 900:
        came += [frames(news)[0] for news in transport.wait(5)]
    assert came == [str(number).encode() for number in range(900)]


def test_zeromq_s_own_heartbeats_are_answered(router: Routers, transport: SocketTransport) -> None:
    router.socket.close()
    router.open({zmq.HEARTBEAT_IVL: 20, zmq.HEARTBEAT_TIMEOUT: 300})
    transport.connect(router.endpoint, Limits())
    transport.send([b"hello"])
    at_router(transport, router)
    assert transport.wait(0.5) == [], "who has nothing to say and answers stays"
    time.sleep(0.5)
    assert Broke() in transport.wait(5), "who does not answer is cut off"
    transport.send([b"again"])
    assert at_router(transport, router)[1:] == [b"again"]


def test_after_a_break_the_next_daemon_hears_whole_messages_alone(router: Routers, transport: SocketTransport) -> None:
    transport.connect(router.endpoint, Limits())
    transport.send([b"hello"])
    at_router(transport, router)
    transport.send([b"half of it is on its way", bytes(20_000_000)])
    router.socket.close()
    assert next_of(transport) == Broke()
    transport.send([b"hello again"])
    assert transport.wait(0.2) == [], "nobody is there yet"
    router.open()
    assert at_router(transport, router)[1:] == [b"hello again"]
    transport.send([b"and more"])
    assert at_router(transport, router)[1:] == [b"and more"]


def test_last_words_are_heard_although_nobody_can_be_answered_any_more(
    router: Routers, transport: SocketTransport
) -> None:
    transport.connect(router.endpoint, Limits())
    transport.send([b"hello"])
    route, _ = at_router(transport, router)
    router.socket.send_multipart([route, b"goodbye"])
    router.socket.close(linger=1000)
    time.sleep(0.05)
    transport.send([b"what?"])
    transport.send([b"what?"])
    goodbye, end = both(transport)
    assert frames(goodbye) == [b"goodbye"]
    assert end == Broke()


def test_an_interrupt_in_mid_message_leaves_a_connection_of_which_one_knows_where_it_is(
    router: Routers, transport: SocketTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport.connect(router.endpoint, Limits())
    transport.send([b"hello"])
    route, _ = at_router(transport, router)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(zmtp.Connection, "receive", interrupted)
        router.socket.send_multipart([route, b"lost"])
        with pytest.raises(KeyboardInterrupt):
            transport.wait(5)
    assert transport.wait(5) == [Broke()]
    transport.send([b"cancel"])
    assert at_router(transport, router)[1:] == [b"cancel"]


def test_a_descriptor_wakes_who_waits_whether_there_is_a_connection_or_not(
    router: Routers, transport: SocketTransport
) -> None:
    interrupt = Interrupt()
    transport.connect(router.endpoint, Limits())
    threading.Timer(0.05, interrupt.set).start()
    assert transport.wait(30, [interrupt.fileno()]) == []
    assert interrupt.is_set()
    transport.send([b"hello"])
    at_router(transport, router)
    router.socket.close()
    assert next_of(transport) == Broke()
    assert transport.wait(30, [interrupt.fileno()]) == []


def test_closing_gives_what_was_sent_its_time(router: Routers) -> None:
    transport = SocketTransport()
    transport.connect(router.endpoint, Limits())
    transport.send([b"hello"])
    at_router(transport, router)
    transport.send([bytes(10_000_000)])
    transport.close(5.0)
    assert router.socket.poll(5000)


def test_a_frame_over_the_limit_ends_the_conversation(router: Routers, transport: SocketTransport) -> None:
    transport.connect(router.endpoint, Limits(frame_bytes=1000))
    transport.send([b"hello"])
    route, _ = at_router(transport, router)
    router.socket.send_multipart([route, bytes(1000)])
    router.socket.send_multipart([route, bytes(1001)])
    first, end = both(transport)
    assert frames(first) == [bytes(1000)]
    assert isinstance(end, Refused) and end.final and "a frame of 1,001 bytes" in end.problem.message
    assert transport.wait(0.1) == [], "nor is it tried again"


# What is no ROUTER ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("without_pyzmq")
def test_another_program_is_told_from_a_daemon_at_its_first_word(socket_folder: Path) -> None:
    with listening(socket_folder / "x.sock", b"220 mail.example ready\r\n") as endpoint:
        with pytest.raises(ImpastoError, match="does not talk as a daemon does: it does not talk ZeroMQ") as caught:
            Client(endpoint, timeout=60).connect()
        assert caught.value.code is Code.MALFORMED and endpoint in str(caught.value)


def test_another_socket_of_zeromq_is_no_daemon_s(socket_folder: Path, transport: SocketTransport) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    other = context.socket(zmq.DEALER)
    other.bind(f"ipc://{socket_folder}/x.sock")
    transport.connect(f"ipc://{socket_folder}/x.sock", Limits())
    news = next_of(transport)
    other.close(linger=0)
    context.term()
    assert isinstance(news, Refused) and "its socket is a DEALER and no ROUTER" in news.problem.message


@pytest.mark.usefixtures("without_pyzmq")
def test_who_says_nothing_is_no_daemon_in_the_time_that_it_has(socket_folder: Path) -> None:
    with listening(socket_folder / "x.sock", b"") as endpoint:
        with pytest.raises(ImpastoError, match="No daemon answers") as caught, Client(endpoint, timeout=0.2):
            pass
        assert caught.value.code is Code.UNREACHABLE


def test_who_pings_on_and_reads_nothing_fills_no_memory(socket_folder: Path, transport: SocketTransport) -> None:
    ready = zmtp.command(b"READY", b"\x0bSocket-Type\0\0\0\x06ROUTER")
    pings = zmtp.command(b"PING", b"\0\0") * 50_000
    with listening(socket_folder / "x.sock", zmtp.GREETING + ready + pings + b"\0\x03end") as endpoint:
        transport.connect(endpoint, Limits())
        assert frames(next_of(transport)) == [b"end"]
        assert transport._link and len(transport._link.outgoing) == socket_transport.UNSENT
        transport.close(0)


def test_nothing_goes_over_the_network_in_plain_text(transport: SocketTransport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ImpastoError, match="cannot load pyzmq, without which nothing is encrypted") as caught:
            transport.connect(endpoint, Limits())
        assert endpoint in str(caught.value) and "ssh -N -L" in str(caught.value)
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


@pytest.mark.usefixtures("without_pyzmq")
def test_a_python_without_unix_sockets_is_told_so_and_starts_no_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    for module, name in (socket, "AF_UNIX"), (os, "getuid"):  # as on Windows
        monkeypatch.delattr(module, name)
    for name in (VARIABLE, "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("USERNAME", "artist")
    with pytest.raises(ImpastoError, match="neither load pyzmq nor open a Unix socket") as caught:
        Client().connect()
    assert caught.value.code is not Code.UNREACHABLE


# The real daemon --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("without_pyzmq")
def test_the_daemon_paints_twelve_megapixels_for_a_client_without_pyzmq(shared_daemon: RunningDaemon) -> None:
    large = Picture(4000, 3000, 3, "u8", bytes(range(240)) * 150_000)
    with shared_daemon.client() as client:
        result = client.stylize(Request(content=large, styles=(Style(picture(3, 3)),)))
        assert result.pictures[0].data == inverted(large).data
        client.acknowledge(result.job)


@pytest.mark.usefixtures("without_pyzmq")
def test_a_daemon_that_is_restarted_is_found_again(launch: Launch) -> None:
    first = launch()
    with first.client() as client:
        job, instance = client.stylize(request()).job, client.welcome.instance
        first.end()
        launch()
        assert client.fetch(job).pictures[0].sha256() == inverted(picture()).sha256()
        assert client.welcome.instance != instance


@pytest.mark.parametrize("error", ["ImportError('no wheel')", "OSError('a library is not signed')"])
def test_where_pyzmq_does_not_load_the_sockets_take_its_place(error: str) -> None:
    code = f"""
import sys
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == "zmq":
            raise {error}
sys.meta_path.insert(0, Broken())
from impasto_protocol import zmq_client
assert "zmq" not in sys.modules
print(zmq_client.TRANSPORT.NAME)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == socket_transport.SocketTransport.NAME
