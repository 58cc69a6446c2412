"""Nobody gets in over the network but paired clients, whichever lock one looks at."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import zmq
from impasto_daemon import network, paired
from impasto_daemon.address import UnixDoor
from impasto_daemon.doors import LOCAL, NUMBER, Doors
from impasto_daemon.network import DOMAIN, NetworkDoor, guard
from impasto_daemon.paired import ServerKeys
from impasto_protocol import key_files
from impasto_protocol.endpoint import tcp_address
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.limits import Limits
from impasto_protocol.messages import Message, Ping, Pong
from impasto_protocol.pairing import Pairing
from impasto_protocol.server_events import Received
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from tests.fakes.daemon import HANDSHAKES_FAILED, RawClient, wait_for

IN = zmq.EVENT_HANDSHAKE_SUCCEEDED


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


# ZeroMQ's own rules -----------------------------------------------------------------------------------------


class Judge:
    """A callback that lets everybody in, or nobody."""

    def __init__(self, word: bool) -> None:
        self.word = word

    def callback(self, domain: str, key: bytes) -> bool:
        return self.word


def bound_at(socket: zmq.Socket[bytes]) -> str:
    return str(socket.get_string(zmq.LAST_ENDPOINT)).rstrip("\0")


def comes_in(server: zmq.Socket[bytes], keys: ServerKeys) -> bool:
    """Whether a client whose key nobody knows passes the handshake with this socket."""
    public, secret = zmq.curve_keypair()
    server.bind("tcp://127.0.0.1:*")
    monitor = server.get_monitor_socket(sum(HANDSHAKES_FAILED, IN))
    with RawClient(bound_at(server), "x", curve(keys.public, public, secret)):
        assert monitor.poll(5000), "no handshake came to an end"
        happened = recv_monitor_message(monitor)["event"]
    server.disable_monitor()
    monitor.close()
    return bool(happened == IN)


@pytest.mark.parametrize(
    ("domain", "enforced", "handler", "stranger"),
    [
        ("", 0, None, "comes in"),
        (DOMAIN, 0, None, "comes in"),
        ("", 1, (DOMAIN, Judge(False)), "comes in"),
        (DOMAIN, 1, None, "is refused"),
        (DOMAIN, 1, (DOMAIN, Judge(False)), "is refused"),
        (DOMAIN, 1, (DOMAIN, Judge(True)), "comes in"),
        (DOMAIN, 1, ("*", Judge(True)), "is refused"),
    ],
)
def test_what_zeromq_takes_for_an_open_door(
    domain: str, enforced: int, handler: tuple[str, Judge] | None, stranger: str
) -> None:
    """Why `guard` names a domain, enforces it, and why the callback is for that very name."""
    keys = ServerKeys(*zmq.curve_keypair())
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with ExitStack() as stack:
        stack.callback(context.term)
        if handler:
            authenticator = ThreadAuthenticator(context)
            authenticator.start()
            stack.callback(authenticator.stop)
            authenticator.configure_curve_callback(*handler)
        server = stack.enter_context(context.socket(zmq.ROUTER))
        server.curve_server, server.curve_secretkey = True, keys.secret
        if domain:
            server.zap_domain = domain.encode()
        server.set(zmq.ZAP_ENFORCE_DOMAIN, enforced)
        assert comes_in(server, keys) is (stranger == "comes in")


def test_a_guarded_socket_lets_nobody_in_without_an_answer_for_its_domain() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with context, context.socket(zmq.ROUTER) as server:
        keys = ServerKeys(*zmq.curve_keypair())
        guard(server, keys)
        assert str(server.get_string(zmq.ZAP_DOMAIN)).rstrip("\0") == DOMAIN
        assert server.get(zmq.ZAP_ENFORCE_DOMAIN) == server.get(zmq.CURVE_SERVER) == 1
        assert not comes_in(server, keys)


# Our doors --------------------------------------------------------------------------------------------------


@pytest.fixture
def doors(socket_folder: Path) -> Iterator[Doors]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    doors = Doors(context, UnixDoor(socket_folder / "d.sock"), Limits(), "tcp://127.0.0.1:0")
    yield doors
    for router in doors._routers.values():
        router.socket.linger = 0
    doors.close()
    context.term()


def place(doors: Doors) -> str:
    """Where the network comes in."""
    return str(doors.report()["endpoint"])


def near(doors: Doors) -> str:
    """Where local clients come in."""
    return bound_at(doors._routers[LOCAL].socket)


def curve(server: bytes, public: bytes, secret: bytes) -> dict[int, bytes]:
    """What makes a socket a client with these keys."""
    return {zmq.CURVE_SERVERKEY: server, zmq.CURVE_PUBLICKEY: public, zmq.CURVE_SECRETKEY: secret}


def connected(pairing: Pairing, **more: bytes) -> RawClient:
    """A client on the network with the keys of this pairing."""
    secret = z85.encode(pairing.secret)
    options: dict[int, object] = dict(curve(pairing.server, zmq.curve_public(secret), secret))
    options |= {getattr(zmq, name): value for name, value in more.items()}
    return RawClient(pairing.endpoint, "x", options | {zmq.IPV6: int("[" in pairing.endpoint)})


def heard(doors: Doors) -> Received:
    event = wait_for(lambda: list(doors.receive()))[0]
    assert isinstance(event, Received)
    return event


def quiet(doors: Doors) -> bool:
    """Whether nothing is heard but this ping over the Unix socket, which is sent after all else."""
    with RawClient(near(doors), "last") as last:
        last.say(Ping(id=99))
        events = wait_for(lambda: list(doors.receive()))
        return [event.message for event in events if isinstance(event, Received)] == [Ping(id=99)]


def answered(doors: Doors, client: RawClient, number: int) -> Message:
    client.say(Ping(id=number))
    event = heard(doors)
    assert event.message == Ping(id=number)
    doors.send(event.route, Pong(re=number))
    return client.next()


def test_a_paired_client_is_heard_and_answered(doors: Doors) -> None:
    with connected(paired.pair(place(doors))) as client:
        assert answered(doors, client, 1) == Pong(re=1)


def test_what_a_client_says_is_known_by_its_key_and_by_none_on_this_machine(doors: Doors) -> None:
    pairing = paired.pair(place(doors))
    with connected(pairing) as far, RawClient(near(doors), "near") as local:
        far.say(Ping(id=1))
        assert heard(doors).guest == paired.clients()[pairing.name].key
        local.say(Ping(id=2))
        assert heard(doors).guest == ""


def test_without_pairing_nobody_gets_in(doors: Doors) -> None:
    other = Pairing("x", place(doors), z85.decode(paired.server_keys().public), z85.decode(zmq.curve_keypair()[1]))
    with connected(other) as client:
        client.say(Ping(id=1))
        assert client.handshake() == zmq.EVENT_HANDSHAKE_FAILED_AUTH
        assert quiet(doors)


def test_with_the_key_of_another_daemon_nobody_gets_in(doors: Doors) -> None:
    pairing = paired.pair(place(doors))
    wrong = Pairing(pairing.name, pairing.endpoint, z85.decode(zmq.curve_keypair()[0]), pairing.secret)
    with connected(wrong) as client:
        client.say(Ping(id=1))
        assert client.handshake() in HANDSHAKES_FAILED
        assert quiet(doors)


def test_without_encryption_nobody_gets_in(doors: Doors) -> None:
    paired.pair(place(doors))
    with RawClient(place(doors), "x") as client:
        client.say(Ping(id=1))
        assert client.handshake() in HANDSHAKES_FAILED
        assert quiet(doors)


def test_a_revoked_client_that_is_connected_is_not_heard_any_more_and_others_come_back(doors: Doors) -> None:
    stays, goes = paired.pair(place(doors), "stays"), paired.pair(place(doors), "goes")
    with connected(stays) as friend, connected(goes) as client:
        assert answered(doors, client, 1) == Pong(re=1)
        assert answered(doors, friend, 2) == Pong(re=2)
        assert client.handshake() == friend.handshake() == IN
        paired.revoke("goes")
        client.say(Ping(id=3))
        assert quiet(doors)
        assert client.handshake() == zmq.EVENT_HANDSHAKE_FAILED_AUTH
        assert friend.handshake() == IN
        assert answered(doors, friend, 4) == Pong(re=4)
        assert not client.socket.poll(0)


def test_a_revoked_client_is_told_nothing_more(doors: Doors) -> None:
    with connected(paired.pair(place(doors), "goes")) as client:
        client.say(Ping(id=1))
        route = heard(doors).route
        paired.revoke("goes")
        assert list(doors.receive()) == []
        doors.send(route, Pong(re=1))
        doors.send_kept(route, "job", 0, lambda: pytest.fail("nobody is there to get it"))
        doors.flush()
        assert client.handshake() == IN
        assert client.handshake() == zmq.EVENT_HANDSHAKE_FAILED_AUTH
        assert not client.socket.poll(0)


def property_of(name: bytes, value: bytes) -> bytes:
    """One of those with which a ZeroMQ connection introduces itself."""
    return bytes([len(name)]) + name + len(value).to_bytes(4, "big") + value


def test_who_says_whose_key_it_has_is_not_believed_where_a_mistake_left_the_socket_unguarded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(network, "guard", lambda *_: None)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    door = NetworkDoor(context, "tcp://127.0.0.1:0")
    name = paired.pair(door.endpoint).name
    known = paired.clients()[name].key.encode()
    with context.socket(zmq.ROUTER) as server:
        door.open(server)
        with socket.create_connection(("127.0.0.1", tcp_address(door.endpoint)[1]), timeout=5) as stranger:
            stranger.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32))
            ready = b"\x05READY" + property_of(b"Socket-Type", b"DEALER") + property_of(b"User-Id", known)
            for said, heard in ((bytes([4, len(ready)]) + ready, 64), (b"\x00\x05hello", 6)):
                assert len(stranger.recv(heard, socket.MSG_WAITALL)) == heard, "each waits for the other's word"
                stranger.sendall(said)
            assert server.poll(5000)
            route = server.recv(copy=False)
        assert route.get("User-Id") == known.decode(), "ZeroMQ believes it"
        assert list(door.guests.known()) == [known.decode()] and door.guest(route) is None
    door.close()
    context.term()


def test_who_connects_and_does_not_prove_a_key_is_put_out(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five seconds for everybody else; ZeroMQ's own patience is thirty."""
    monkeypatch.setattr(network, "HANDSHAKE", 50)
    assert doors._network is not None
    with doors._context.socket(zmq.ROUTER) as server:
        doors._network.open(server)
        doors._routers.pop(doors._number()).cut_off()
        with socket.create_connection(("127.0.0.1", tcp_address(place(doors))[1]), timeout=10) as stranger:
            assert stranger.makefile("rb").read(), "ZeroMQ's greeting, and then the end"


def test_keys_that_others_could_change_for_a_moment_lock_nobody_out_afterwards(doors: Doors) -> None:
    with connected(paired.pair(place(doors))) as client:
        answered(doors, client, 1)
        key_files.folder().chmod(0o775)
        assert list(doors.receive()) == [] and doors.report()["paired"] == 0
        assert (client.handshake(), client.handshake()) == (IN, zmq.EVENT_HANDSHAKE_FAILED_AUTH)
        key_files.folder().chmod(0o700)
    with connected(paired.pair(place(doors))) as client:
        assert answered(doors, client, 2) == Pong(re=2)


def test_a_client_paired_meanwhile_gets_in_and_disturbs_nobody(doors: Doors) -> None:
    with connected(paired.pair(place(doors))) as first:
        answered(doors, first, 1)
        with connected(paired.pair(place(doors))) as second:
            assert answered(doors, second, 2) == Pong(re=2)
        assert answered(doors, first, 3) == Pong(re=3)
        assert doors.report()["paired"] == 2


def test_a_clients_file_that_others_can_change_lets_nobody_in(doors: Doors, caplog: pytest.LogCaptureFixture) -> None:
    with connected(paired.pair(place(doors))) as client:
        answered(doors, client, 1)
        (key_files.folder() / paired.CLIENTS).chmod(0o666)
        client.say(Ping(id=2))
        assert quiet(doors)
        assert "chmod 600" in caplog.text


def test_routes_of_two_sockets_are_told_apart(doors: Doors) -> None:
    """Even where clients choose the same name for their connections."""
    same: dict[int, bytes] = {zmq.ROUTING_ID: b"same"}
    pairing = paired.pair(place(doors))
    with RawClient(near(doors), "near", same) as local, connected(pairing, ROUTING_ID=b"same") as far:
        local.say(Ping(id=1))
        one = heard(doors).route
        far.say(Ping(id=2))
        two = heard(doors).route
        assert one != two and one[NUMBER:] == two[NUMBER:] == b"same"
        doors.send(two, Pong(re=2))
        doors.send(one, Pong(re=1))
        assert (local.next(), far.next()) == (Pong(re=1), Pong(re=2))


def test_without_being_asked_to_there_is_no_network(socket_folder: Path, home: Path) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    doors = Doors(context, UnixDoor(socket_folder / "d.sock"), Limits())
    assert doors.report() == {}
    assert [bound_at(router.socket)[:6] for router in doors._routers.values()] == ["ipc://"]
    assert not (home / "impasto").exists(), "and no key is made"
    doors.close()
    context.term()


def test_a_port_that_is_taken_is_a_sentence(doors: Doors, socket_folder: Path) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with pytest.raises(ImpastoError, match="Choose another port") as refusal:
        Doors(context, UnixDoor(socket_folder / "e.sock"), Limits(), place(doors))
    assert refusal.value.code is Code.BAD_REQUEST
    context.term()


@pytest.mark.parametrize("name", [paired.CLIENTS, paired.SERVER])
def test_with_keys_that_others_can_reach_the_daemon_does_not_listen(name: str) -> None:
    paired.pair("tcp://gpubox:7766")
    (key_files.folder() / name).chmod(0o644)
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with pytest.raises(ImpastoError, match="chmod 600"):
        NetworkDoor(context, "tcp://127.0.0.1:0")
    context.term()


def test_an_address_of_the_newer_internet_will_do() -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        door = NetworkDoor(context, "tcp://[::1]:0")
    except ImpastoError:
        context.term()
        pytest.skip("this machine has no IPv6")
    with context.socket(zmq.ROUTER) as server:
        door.open(server)
        assert bound_at(server).startswith("tcp://[::1]:")
        with connected(paired.pair(door.endpoint)) as client:
            assert client.handshake() == IN
    door.close()
    context.term()
