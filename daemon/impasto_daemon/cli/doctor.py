"""`impasto doctor`: what is wrong, and what to type."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from impasto_daemon.doctor import OK, PROBLEM, WARNING, Finding, examine

from . import options

MARKS = {OK: ("✓", "green"), WARNING: ("!", "yellow"), PROBLEM: ("✗", "red")}


@click.command()
@options.endpoint
@options.as_json
@click.pass_context
def doctor(ctx: click.Context, endpoint: str | None, as_json: bool) -> None:
    """Say in plain words what is wrong here, and what to type. Fails when there is a problem."""
    findings = []
    for finding in examine(endpoint):
        findings.append(finding)
        if not as_json:
            show(finding)
    problems = sum(finding.level == PROBLEM for finding in findings)
    if as_json:
        click.echo(json.dumps({"problems": problems, "findings": [asdict(finding) for finding in findings]}))
    else:
        click.echo("\nNothing is broken." if not problems else f"\n{problems} to be put right.")
    ctx.exit(1 if problems else 0)


def show(finding: Finding) -> None:
    """A line, and below it the remedy."""
    mark, colour = MARKS[finding.level]
    click.echo(f"{click.style(mark, fg=colour)} {finding.room + ':':<9} {finding.sentence}")
    if finding.remedy:
        click.echo(f"  {'':<9} → {finding.remedy}")
