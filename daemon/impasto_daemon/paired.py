"""Who may talk to this user's daemons over the network: the daemons' own key, and the clients that were paired.

Two files beside each other, of which one holds a secret. A client's own secret key leaves with its pairing and is not
kept here. Every command and every daemon of the user sees a change at once; nothing here knows sockets.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import filelock
import zmq
from impasto_protocol import key_files
from impasto_protocol.endpoint import tcp_address
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.pairing import NAME, Pairing
from zmq.utils import z85

SERVER, CLIENTS = "server.json", "clients.json"


@dataclass(frozen=True)
class Client:
    """One client that may come in. key: its public key (Z85). since: the day of its pairing, as ISO 8601 has it."""

    name: str
    key: str
    since: str


@dataclass(frozen=True)
class ServerKeys:
    """The daemon's own pair (Z85)."""

    public: bytes
    secret: bytes


def clients() -> dict[str, Client]:
    """Those paired, by their names, oldest first. Raises ImpastoError where the file cannot be trusted."""
    path = key_files.folder() / CLIENTS
    try:
        found = key_files.read_private(path)
        return {name: Client(name, str(facts["key"]), str(facts["since"])) for name, facts in found.items()}
    except FileNotFoundError:
        return {}
    except (KeyError, TypeError):
        raise ImpastoError(
            Code.BAD_REQUEST, f"The key file {path} is damaged: take it away, and pair every client again."
        ) from None


def pair(endpoint: str, name: str = "") -> Pairing:
    """Let a new client in that reaches the daemon at this endpoint; what it must be given. Raises ImpastoError.

    name: letters, digits and `_ - .`; empty for client-1, client-2 and so on.
    """
    tcp_address(endpoint)
    if name and not NAME.fullmatch(name):
        raise ImpastoError(Code.BAD_REQUEST, f"A client's name has letters, digits and _ - . alone, not {name!r}.")
    public, secret = zmq.curve_keypair()
    server = server_keys()
    with _changing() as known:
        name = name or next(each for n in itertools.count(1) if (each := f"client-{n}") not in known)
        if name in known:
            raise ImpastoError(
                Code.CONFLICT, f"A client {name} is paired already: choose another name, or revoke that one first."
            )
        since = datetime.date.today().isoformat()
        _write({**known, name: Client(name, public.decode("ascii"), since)})
    return Pairing(name, endpoint, z85.decode(server.public), z85.decode(secret))


def revoke(name: str) -> None:
    """Let this client in no more. Raises ImpastoError."""
    with _changing() as known:
        if name not in known:
            there = f"paired are {', '.join(known)}" if known else "no client is paired"
            raise ImpastoError(Code.BAD_REQUEST, f"No client {name} is paired: {there}.")
        _write({each: client for each, client in known.items() if each != name})


def server_keys() -> ServerKeys:
    """The daemon's keys, made when they are needed first. Raises ImpastoError."""
    path = key_files.folder() / SERVER
    with _changing():
        try:
            found = key_files.read_private(path)
            keys = ServerKeys(str(found["public"]).encode(), str(found["secret"]).encode())
            if zmq.curve_public(keys.secret) == keys.public:
                return keys
        except FileNotFoundError:
            keys = ServerKeys(*zmq.curve_keypair())
            key_files.write_private(path, {"public": keys.public.decode(), "secret": keys.secret.decode()})
            return keys
        except (KeyError, ValueError, zmq.ZMQError):
            pass
    raise ImpastoError(Code.BAD_REQUEST, f"The key file {path} is damaged: take it away, and pair every client again.")


def version() -> tuple[int, ...]:
    """Something that is another whenever the clients' file has changed, or who may change it."""
    try:
        facts, around = (key_files.folder() / CLIENTS).stat(), key_files.folder().stat()
    except OSError:
        return ()
    return facts.st_ino, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_size, around.st_mode, around.st_uid


@contextmanager
def _changing() -> Iterator[dict[str, Client]]:
    """Those paired, for whoever changes them, one at a time."""
    folder = key_files.folder()
    try:
        key_files.make_folders(folder / CLIENTS)
        lock = filelock.FileLock(folder / ".lock", mode=0o600)
        lock.acquire()
    except OSError as error:
        sentence = f"The keys in {folder} cannot be changed: {error.strerror}. Check the folder's permissions."
        raise ImpastoError(Code.BAD_REQUEST, sentence) from error
    try:
        yield clients()
    finally:
        lock.release()


def _write(known: Mapping[str, Client]) -> None:
    facts = {client.name: {"key": client.key, "since": client.since} for client in known.values()}
    key_files.write_private(key_files.folder() / CLIENTS, facts)
