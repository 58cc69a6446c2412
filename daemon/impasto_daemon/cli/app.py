"""The table of commands, and how every failure ends: one line on standard error and an exit status.

0: done. 1: failed, with a sentence that says why. 2: wrong usage (click's). 3: another daemon has
the endpoint (`daemon`). 130: Ctrl-C, 143: SIGTERM.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import click
from impasto_protocol import __version__
from impasto_protocol.errors import Code, ImpastoError, Problem

COMMANDS = {
    "stylize": "stylize:stylize",
    "texture": "texture:texture",
    "daemon": "daemon:daemon",
    "pair": "pair:pair",
    "status": "status:status",
    "cancel": "cancel:cancel",
    "fetch": "fetch:fetch",
    "recipes": "recipes:recipes",
    "weights": "weights:weights",
    "install-plugin": "plugin:install_plugin",
    "uninstall-plugin": "plugin:uninstall_plugin",
    "service": "service:service",
    "doctor": "doctor:doctor",
}
"""Every command by its name, and where it is; a module is imported only when its command is used."""

AS_JSON = "impasto.json"
"""Key of click's context.meta: whether the output is for machines."""


class Commands(click.Group):
    """The commands of the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        command = getattr(importlib.import_module(f"impasto_daemon.cli.{module}"), name)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ImpastoError as error:
            fail(ctx, error.problem)
            ctx.exit(1)
        except KeyboardInterrupt:
            fail(ctx, Problem(Code.CANCELLED, "cancelled"))
            ctx.exit(130)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            what = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            hint = "`impasto --debug …` shows where"
            fail(ctx, Problem(Code.INTERNAL, f"this should not happen ({what}); {hint}"))
            ctx.exit(1)


def fail(ctx: click.Context, problem: Problem) -> None:
    """Say what went wrong: in one line on standard error, and for machines as the last object on standard output.

    The line ends with the code, which `impasto doctor CODE` and docs/troubleshooting.md explain.
    """
    if ctx.meta.get(AS_JSON):
        event = {
            "event": "error",
            "code": problem.code.value,
            "message": problem.message,
            "retryable": problem.retryable,
            "details": dict(problem.details),
        }
        click.echo(json.dumps(event, default=str))
    sys.stdout.flush()
    click.echo(f"impasto: {' '.join(problem.message.split())} [{problem.code.value}]", err=True)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="An error ends with its code in brackets; `impasto doctor CODE` says more about it.",
)
@click.version_option(__version__, prog_name="impasto")
@click.option("--debug", is_flag=True, help="Show a traceback where something unexpected fails.")
def impasto(debug: bool) -> None:
    """Paint pictures in the manner of others: neural style transfer, on the command line and in GIMP 3."""
