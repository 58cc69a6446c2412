"""`impasto doctor`: what is wrong, and what to type; or what an error's code means."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

import click
from impasto_protocol.errors import RETRYABLE, Code

from impasto_daemon.doctor import OK, PROBLEM, WARNING, Finding, examine
from impasto_daemon.explained import PAGE, explanation, named

from . import options

MARKS = {OK: ("✓", "green"), WARNING: ("!", "yellow"), PROBLEM: ("✗", "red")}


def complete(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Codes that begin like this."""
    return [code.value for code in Code if code.value.startswith(incomplete)]


@click.command()
@click.argument("code", required=False, shell_complete=complete)
@options.endpoint
@options.as_json
@click.pass_context
def doctor(ctx: click.Context, code: str | None, endpoint: str | None, as_json: bool) -> None:
    """Say in plain words what is wrong here, and what to type. Fails when there is a problem.

    With CODE, as an error has it in brackets at its end: say what it means and what to do.
    """
    if code is not None:
        explain(named(code), as_json)
    elif problems := report(examine(endpoint), as_json):
        ctx.exit(min(problems, 1))


def explain(code: Code, as_json: bool) -> None:
    """One code in full."""
    found = explanation(code)
    if as_json:
        facts = {"code": code.value, **asdict(found), "retryable": code in RETRYABLE, "page": f"{PAGE}#{code.value}"}
        click.echo(json.dumps(facts))
    else:
        click.echo(f"{code.value}: {found.meaning}\n→ {found.remedy}")


def report(findings: Iterable[Finding], as_json: bool) -> int:
    """Each finding as it comes, or all as one object; the number of problems."""
    told = []
    for finding in findings:
        told.append(finding)
        if not as_json:
            show(finding)
    problems = sum(finding.level == PROBLEM for finding in told)
    if as_json:
        click.echo(json.dumps({"problems": problems, "findings": [asdict(finding) for finding in told]}))
        return problems
    click.echo("\nNothing is broken." if not problems else f"\n{problems} to be put right.")
    if any(finding.code for finding in told):
        click.echo("More about a code in brackets: impasto doctor CODE")
    return problems


def show(finding: Finding) -> None:
    """A line, and below it the remedy."""
    mark, colour = MARKS[finding.level]
    code = f" [{finding.code.value}]" if finding.code else ""
    click.echo(f"{click.style(mark, fg=colour)} {finding.room + ':':<9} {finding.sentence}{code}")
    if finding.remedy:
        click.echo(f"  {'':<9} → {finding.remedy}")
