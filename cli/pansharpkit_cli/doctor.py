"""`pansharpkit doctor`: whether this installation can do its work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from pansharpkit_cli import console
from pansharpkit_cli import options as o

if TYPE_CHECKING:
    from pansharpkit.doctor import Finding

_STYLES = {"ok": "green", "note": "yellow", "failed": "bold red", "skipped": "yellow"}


def doctor(json: o.AsJson = False, quiet: o.Quiet = False) -> None:
    """Examine this installation: versions, devices, codecs, settings, and two small fusions.

    Takes about ten seconds. Exit code 0 if all is well, 1 if something does not work.
    """
    from pansharpkit.doctor import examine, healthy

    with console.progress_bar(quiet or json) as progress:
        findings = examine(progress)
    well = healthy(findings)
    if json:
        console.print_json(
            {
                "verdict": "healthy" if well else "ill",
                "findings": [finding.to_dict() for finding in findings],
            }
        )
    elif not quiet:
        _print(findings)
        console.stdout.print(_verdict(findings, well), soft_wrap=True, highlight=False)
    if not well:
        raise typer.Exit(1)


def _print(findings: list[Finding]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    made = Table(box=SIMPLE_HEAD, show_header=False, pad_edge=False, collapse_padding=True)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    made.add_column(justify="right", no_wrap=True)
    for finding in findings:
        state = Text(finding.state, style=_STYLES[finding.state])
        made.add_row(finding.name, state, Text(finding.said), f"{finding.seconds:.1f} s")
    console.stdout.print(made)


def _verdict(findings: list[Finding], well: bool) -> str:
    seconds = sum(finding.seconds for finding in findings)
    if well:
        return f"[bold green]All is well[/], after {seconds:.0f} s."
    sick = ", ".join(finding.name for finding in findings if finding.state == "failed")
    return f"[bold red]Does not work[/]: {sick}."
