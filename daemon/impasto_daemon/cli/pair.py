"""`impasto pair`: let a machine use this one's daemon over the network, in one step on each."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import click
from impasto_protocol import key_files
from impasto_protocol.endpoint import PORT, TCP, default_endpoint, tcp_address
from impasto_protocol.errors import Code, ImpastoError
from impasto_protocol.pairing import Pairing
from impasto_protocol.zmq_client import Client

from impasto_daemon import launch, paired

from . import options

LARGEST = 4096
"""Bytes of a file with a code, and more than one has."""
WILDCARDS = ("0.0.0.0", "[::]")


@click.command()
@click.argument("code", required=False)
@click.option("--name", default="", metavar="NAME", help="What to call the new client. [default: client-1 …]")
@click.option("--address", default="", metavar="HOST[:PORT]",
              help="Where the client reaches this machine, or with CODE where this one reaches the daemon, if that is "
              "not what Impasto finds out itself.")  # fmt: skip
@click.option(
    "--list",
    "listing",
    is_flag=True,
    help="Say which clients are paired with this machine, and with which daemons it is.",
)
@click.option("--revoke", default="", metavar="NAME", help="Let this client in no more, from now on.")
@click.option("--forget", default="", metavar="HOST[:PORT]",
              help="Take away this machine's key for the daemon there.")  # fmt: skip
@click.pass_context
def pair(
    ctx: click.Context, code: str | None, name: str, address: str, listing: bool, revoke: str, forget: str
) -> None:
    """Pair two machines, so that one can use the other's daemon over the network.

    On the machine with the daemon, without CODE: make a key for a new client and print one line, its pairing code. On
    the client's machine: give that line as CODE, or the name of a file that holds it, or - to read it. The code is a
    secret: whoever reads it can use the daemon.
    """
    given = (code is not None, bool(name), listing, bool(revoke), bool(forget))
    if sum(given) > 1 or (address and any(given[2:])):
        sentence = "CODE, --name, --list, --revoke and --forget exclude each other; --address goes with the first two."
        raise click.UsageError(sentence)
    if listing:
        show_clients()
    elif revoke:
        paired.revoke(revoke)
        click.echo(f"{revoke} is let in no more")
    elif forget:
        give_up(endpoint_at(forget.removeprefix(TCP), ""))
    elif code is None:
        invite(name, address)
    else:
        accept(code, address)


def show_clients() -> None:
    """One line a client, and a line for each daemon that this machine is a client of."""
    known = paired.clients()
    for client in known.values():
        click.echo(f"{client.name:<24} paired {client.since}")
    daemons = key_files.known_endpoints()
    for endpoint in daemons:
        click.echo(f"{endpoint:<24} a daemon that this machine has a key for")
    if not known and not daemons:
        click.echo("no client is paired, and this machine has no key for a daemon", err=True)


def invite(name: str, address: str) -> None:
    """Make a new client's key; its code goes to standard output, and what to do with it to standard error."""
    daemon = daemon_here()
    network = daemon.get("network") or {}
    listening = str(network.get("endpoint", ""))
    pairing = paired.pair(endpoint_at(address, listening), name)
    click.echo(pairing.code)
    _, port = tcp_address(pairing.endpoint)
    say(f"{pairing.name} may use this machine's daemon at {pairing.endpoint}. On its machine type: impasto pair CODE")
    say("It can see, fetch and cancel every job here, whoever handed it in.")
    say(
        "The line above is a secret: whoever reads it can be this client, on any machine and until it is revoked: "
        f"impasto pair --revoke {pairing.name}"
    )
    if not listening:
        end = f"end the one that runs (kill {daemon['pid']}), then type " if "pid" in daemon else ""
        say(f"No daemon of yours listens on the network yet: {end}impasto daemon --listen {TCP}0.0.0.0:{port}")


def daemon_here() -> dict[str, Any]:
    """What this user's daemon says of itself; nothing where none runs. Raises ImpastoError."""
    endpoint = default_endpoint()
    if launch.is_far(endpoint):
        raise ImpastoError(
            Code.BAD_REQUEST,
            f"IMPASTO_ENDPOINT is {endpoint}: a client is paired on the machine where the daemon runs. Type `impasto "
            "pair` there; or did you mean `impasto pair CODE`?",
        )
    if not launch.somebody_listens(launch.usable_endpoint(endpoint)):
        return {}
    with Client(endpoint, agent=options.AGENT) as client:
        return dict(client.status())


def endpoint_at(address: str, otherwise: str) -> str:
    """tcp://HOST:PORT of what the user calls HOST or HOST:PORT; what that leaves open is as in `otherwise`, or this
    machine's own address. Raises ImpastoError."""
    host, port = tcp_address(otherwise) if otherwise else (WILDCARDS[0], PORT)
    if address:
        whole = address.rpartition(":")[2].isdigit() and not address.endswith("]")
        host, port = tcp_address(f"{TCP}{address}" if whole else f"{TCP}{address}:{port}")
    return f"{TCP}{own_address() if host in WILDCARDS else host}:{port}"


def own_address() -> str:
    """The address that this machine has in its network; its name where it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as attempt:
        try:
            attempt.connect(("192.0.2.1", 9))  # sends nothing: the system only looks which way it would go
            return str(attempt.getsockname()[0])
        except OSError:
            return socket.gethostname()


def accept(code: str, address: str) -> None:
    """Keep the pairing that a code carries, and try it. One that the daemon refuses is not kept, and takes no other's
    place. Raises ImpastoError(NOT_PAIRED)."""
    pairing = Pairing.of_code(text_of(code))
    endpoint = endpoint_at(address, pairing.endpoint) if address else pairing.endpoint
    pairing = Pairing(pairing.name, endpoint, pairing.server, pairing.secret)
    earlier = kept(endpoint)
    path = key_files.store_pairing(pairing)
    try:
        with Client(endpoint, agent=options.AGENT) as client:
            answer, answered = f"{client.welcome.agent} answers there", True
    except ImpastoError as error:
        if error.code is Code.NOT_PAIRED:
            put_back(earlier, path)
            left = "the key from before stays" if earlier else "its key is not kept"
            raise ImpastoError(error.code, f"This code opens nothing, and {left}. {error}") from None
        answer, answered = f"The key is kept, but for now: {error}", False
    click.echo(f"paired with the daemon at {endpoint} as {pairing.name} (the key: {path})")
    click.echo(f"To use it: export IMPASTO_ENDPOINT={endpoint}")
    click.echo(answer, err=not answered)


def kept(endpoint: str) -> Pairing | None:
    """The pairing that this machine has with the daemon there, if it can be used."""
    try:
        return key_files.load_pairing(endpoint)
    except ImpastoError:
        return None


def put_back(earlier: Pairing | None, path: Path) -> None:
    """What was there before a code was tried."""
    if earlier:
        key_files.store_pairing(earlier)
    else:
        path.unlink(missing_ok=True)


def give_up(endpoint: str) -> None:
    """Take away the key for a daemon, and say what that leaves."""
    path = key_files.forget_pairing(endpoint)
    click.echo(f"the key for {endpoint} is gone ({path})")
    say("The daemon would still know it: on its machine, impasto pair --list and --revoke NAME.")
    if default_endpoint() == endpoint:
        say(f"IMPASTO_ENDPOINT is still {endpoint}: unset it.")


def text_of(code: str) -> str:
    """The code itself, or what the file of this name or standard input (-) holds. Raises ImpastoError."""
    if code.startswith("impasto:"):
        return code
    try:
        with click.open_file(code, "rb") as file:
            return str(file.read(LARGEST).decode("ascii", "replace"))
    except OSError as error:
        sentence = f"This is neither a pairing code, which begins with impasto:, nor a file to read: {error.strerror}."
        raise ImpastoError(Code.BAD_REQUEST, sentence) from None


def say(sentence: str) -> None:
    click.echo(sentence, err=True)
