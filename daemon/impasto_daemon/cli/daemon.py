"""`impasto daemon`: serve in the foreground, as a service or a terminal wants it."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import click
from impasto_protocol.endpoint import tcp_address
from impasto_protocol.errors import Code, ImpastoError

from impasto_daemon import launch
from impasto_daemon.log import LEVELS
from impasto_daemon.supervisor import TAKEN, Settings, run
from impasto_daemon.weights import check_weights_path

from . import options

_DEFAULT = Settings(endpoint="")


def read_listen(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """An endpoint on the network, or none at all."""
    try:
        return value and tcp_address(value) and value
    except ImpastoError as error:
        raise click.BadParameter(str(error)) from None


def read_devices(context: click.Context, option: click.Parameter, value: str) -> tuple[str, ...]:
    """The names in a list with commas. Raises click.BadParameter for an empty one."""
    names = tuple(name.strip() for name in value.split(","))
    if not all(names):
        raise click.BadParameter(f"{value!r} is not a list of devices, such as cuda:0,cuda:1.")
    return names


@click.command()
@options.endpoint
@click.option("--listen", envvar=launch.LISTEN, default="", metavar="ENDPOINT", callback=read_listen,
              help="Let paired clients (see impasto pair) in over the network too: tcp://0.0.0.0:7766. "
              f"[default: ${launch.LISTEN}, else not]")  # fmt: skip
@click.option("--device", "--devices", "devices", default=",".join(_DEFAULT.devices), show_default=True,
              metavar="NAMES", callback=read_devices, help="auto, cpu, cuda, cuda:1, mps …; of several, as in "
              "cuda:0,cuda:1, each paints a job of its own.")  # fmt: skip
@click.option("--weights", type=options.file_path(), metavar="PATH", help="VGG19 weights to use instead of the cache.")
@click.option("--offline", is_flag=True, help="Never fetch weights from the network.")
@click.option("--idle-exit", type=options.Number(0), default=_DEFAULT.idle_exit, show_default=True, metavar="SECONDS",
              help="Leave after so long without a job; 0 for never.")  # fmt: skip
@click.option("--worker-idle", type=options.Number(0), default=_DEFAULT.worker_idle, show_default=True,
              metavar="SECONDS", help="Give the device back after so long without a job; 0 for never.")  # fmt: skip
@click.option("--log-level", type=click.Choice(LEVELS), default=_DEFAULT.log_level, show_default=True)
@click.option("--painter", envvar=launch.PAINTER, default=_DEFAULT.painter, hidden=True)
def daemon(
    endpoint: str | None,
    listen: str,
    devices: tuple[str, ...],
    weights: Path | None,
    offline: bool,
    idle_exit: float,
    worker_idle: float,
    log_level: str,
    painter: str,
) -> None:
    """Serve jobs until told to stop (Ctrl-C, SIGTERM)."""
    if painter == _DEFAULT.painter and not launch.has_torch():
        sentence = f"the daemon needs torch, which is not installed. Type: {launch.INSTALL}"
        raise ImpastoError(Code.UNREACHABLE, sentence)
    settings = Settings(
        endpoint=launch.usable_endpoint(endpoint),
        listen=listen,
        devices=devices,
        weights=check_weights_path(weights) if weights else None,
        offline=offline,
        idle_exit=idle_exit,
        worker_idle=worker_idle,
        painter=painter,
        log_level=log_level,
    )
    status = run(settings)
    if status == TAKEN:
        with suppress(ImpastoError):  # it may not listen yet
            click.echo(f"impasto: to end the other daemon: kill {options.process_at(settings.endpoint)}", err=True)
    sys.exit(status)
