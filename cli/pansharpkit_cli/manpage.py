"""The man page, made from the help: `python -m pansharpkit_cli.manpage > pansharpkit.1`."""

from __future__ import annotations

import inspect
import re
import sys
import typing
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import typer

NAME = "pansharpkit"
_TICKED = re.compile(r"`([^`]*)`")
_PLACEHOLDERS = {Path: "PATH", int: "N", float: "X", str: "TEXT"}
_VARIABLES = """\
Each option can be set by a variable: PANSHARPKIT_, the command, and the option, in capitals with
underscores, such as PANSHARPKIT_FUSE_METHOD. PANSHARPKIT_SENSORS is the folder of your own sensor
presets. GDAL_NUM_THREADS, GDAL_CACHEMAX, CPL_TMPDIR, CUDA_VISIBLE_DEVICES, OMP_NUM_THREADS and
NO_COLOR are honoured."""


def man_page() -> str:
    """Return the page as roff source."""
    from pansharpkit_cli.app import app

    root = typer.main.get_command(app)
    parts = [
        f'.TH {NAME.upper()} 1 "" "{NAME} {_version()}" "User Commands"',
        f".SH NAME\n{NAME} \\- {_roff(_first_line(root.help))}",
        f".SH SYNOPSIS\n.B {NAME}\n[\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]...",
        f".SH DESCRIPTION\n{_roff(root.help)}",
        ".SH OPTIONS\nThey stand before the command's name.",
        *_parameters(root),
        ".SH COMMANDS",
        *(part for words, command in _below((), root) for part in _command(words, command)),
        f".SH ENVIRONMENT\n{_roff(_VARIABLES)}",
        ".SH EXIT STATUS",
        *_exit_codes(root.epilog),
        f".SH SEE ALSO\n.BR rio (1),\n.BR gdal_translate (1),\n.B {NAME} doctor",
    ]
    return "\n".join(parts) + "\n"


def _version() -> str:
    try:
        return version(NAME)
    except PackageNotFoundError:  # a build runs before there is anything installed
        return ""


def _below(words: tuple[str, ...], group: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the commands of a group with the words that call them, groups before theirs."""
    for name, command in group.commands.items():
        yield (*words, name), command
        if hasattr(command, "commands"):
            yield from _below((*words, name), command)


def _command(words: tuple[str, ...], command: Any) -> Iterator[str]:
    called = _roff(" ".join((NAME, *words)))
    arguments = " ".join(_argument(p) for p in command.params if p.param_type_name == "argument")
    yield f".SS {called}"
    if not hasattr(command, "commands"):
        yield f"\\fB{called}\\fR [\\fIOPTIONS\\fR] \\fI{_roff(arguments)}\\fR\n.PP"
    yield _roff(command.help)
    yield from _parameters(command)


def _parameters(command: Any) -> Iterator[str]:
    for parameter in command.params:
        if parameter.name == "help":
            continue
        if parameter.param_type_name == "argument":
            yield f".TP\n\\fI{_roff(_argument(parameter))}\\fR\n{_roff(parameter.help)}"
            continue
        spelled = ", ".join(f"\\fB{_roff(name)}\\fR" for name in sorted(parameter.opts, key=len))
        shown = placeholder(command, parameter)
        value = f" \\fI{_roff(shown)}\\fR" if shown else ""
        again = " May be repeated." if parameter.multiple else ""
        yield f".TP\n{spelled}{value}\n{_roff(parameter.help)}{again}{_default(parameter)}"


def _argument(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required or name.startswith("[") else f"[{name}]"


def placeholder(command: Any, option: Any) -> str:
    """Return what stands for an option's value, or nothing for a flag."""
    if option.metavar:
        return str(option.metavar)
    given = inspect.signature(command.callback, eval_str=True).parameters.get(option.name)
    inside = {t for t in _inside(given and given.annotation) if isinstance(t, type)}
    return next((shown for kind, shown in _PLACEHOLDERS.items() if kind in inside), "")


def _inside(hint: object) -> Iterator[object]:
    """Yield a type and everything that it is made of."""
    yield hint
    for part in typing.get_args(hint):
        yield from _inside(part)


def _default(option: Any) -> str:
    value = option.default
    if option.required:
        return " Required."
    unset = value is None or value is False or value == () or callable(value)
    return "" if unset or not option.show_default else f" Default: {_roff(str(value))}."


def _exit_codes(epilog: str | None) -> Iterator[str]:
    """Yield the codes that the end of the help lists."""
    for code, meaning in re.findall(r"(\d+) ([^,]+?)(?=, \d+ |\.$)", epilog or ""):
        yield f".TP\n.B {code}\n{_roff(meaning)}"


def _first_line(text: str | None) -> str:
    return (text or "").partition(":")[0].lower()


def _roff(text: str | None) -> str:
    r"""Return a text on one line with what means something to roff escaped, `code` in bold.

    >>> print(_roff("`-m NAME` is\n  .hidden"))
    \fB\-m NAME\fR is .hidden
    >>> print(_roff(".hidden"))
    \&.hidden
    """
    escaped = " ".join((text or "").split()).replace("\\", "\\e").replace("-", "\\-")
    bold = _TICKED.sub(r"\\fB\1\\fR", escaped)
    return f"\\&{bold}" if bold.startswith((".", "'")) else bold


if __name__ == "__main__":
    sys.stdout.write(man_page())
