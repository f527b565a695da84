"""`pansharpkit methods`: what can be chosen with -m."""

from __future__ import annotations

from typing import Annotated

import typer

from pansharpkit.errors import OptionError
from pansharpkit_cli import completing, console

_CHOICE = "the quick method that is best on a sample of the scene itself"
_AUTO = ["auto", "fuse", "choice", _CHOICE, "–"]


def methods(
    name: Annotated[
        str | None,
        typer.Argument(help="Show the options of one method.", autocompletion=completing.methods()),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the methods of fuse, blend and denoise, or the options of one."""
    from pansharpkit.methods.entries import COMMANDS
    from pansharpkit.methods.registry import REGISTRY

    if name == "auto":
        raise OptionError(f"auto has no options: {_CHOICE}")
    if name is not None:
        _options(name, json)
        return
    if json:
        console.print_json(
            [
                {
                    "name": e.name,
                    "commands": [COMMANDS[task] for task in e.tasks],
                    "family": e.family,
                    "summary": e.summary,
                    "source": e.source,
                }
                for e in REGISTRY.values()
            ]
        )
        return
    commands = {e.name: ", ".join(COMMANDS[task] for task in e.tasks) for e in REGISTRY.values()}
    rows = [
        _AUTO,
        *([e.name, commands[e.name], e.family, e.summary, e.source] for e in REGISTRY.values()),
    ]
    headings = dict.fromkeys(("method", "for", "family", "what it does", "source"), "left")
    console.stdout.print(console.table("Methods", headings, rows))


def _options(name: str, json: bool) -> None:
    from pansharpkit.methods.registry import describe_options

    described = describe_options(name)
    if json:
        console.print_json([{"option": o, "type": t, "default": d} for o, t, d in described])
        return
    rows = [[option, kind, str(default)] for option, kind, default in described]
    headings = dict.fromkeys(("option", "type", "default"), "left")
    console.stdout.print(console.table(f"Options of {name} (--option NAME=VALUE)", headings, rows))
