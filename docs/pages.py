"""Pages made from the code: commands, environment, methods, sensors, and the notebook.

`python docs/pages.py reference/cli.md` prints one of them.
"""

from __future__ import annotations

import ast
import html
import importlib.util
import sys
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import notebook
import typer

from pansharpkit_cli import manpage

if typing.TYPE_CHECKING:
    from pansharpkit.sensor import Sensor

ENVIRONMENT = "PANSHARPKIT"


def generated() -> dict[str, str]:
    """Return the text of each generated page by its place in the site."""
    return {
        notebook.PAGE: notebook.built()[0],
        "reference/cli.md": command_page(),
        "reference/environment.md": environment_page(),
        "reference/methods.md": methods_page(),
        "reference/sensors.md": sensors_page(),
    }


@dataclass(frozen=True)
class Command:
    """One command, with the words that call it."""

    words: tuple[str, ...]
    command: Any  # a click command; recent typers bring a click of their own

    @property
    def name(self) -> str:
        """The words as typed."""
        return " ".join(("pansharpkit", *self.words))

    @property
    def options(self) -> list[Any]:
        """Options, without --help."""
        return [
            p for p in self.command.params if p.param_type_name == "option" and p.name != "help"
        ]

    @property
    def arguments(self) -> list[Any]:
        """Positional arguments."""
        return [p for p in self.command.params if p.param_type_name == "argument"]

    def placeholder(self, option: Any) -> str:
        """Return what stands for an option's value, or nothing for a flag."""
        return manpage.placeholder(self.command, option)

    def variable(self, parameter: Any) -> str | None:
        """Return the environment variable that sets an option; what only prints has none."""
        if parameter.is_eager or not parameter.expose_value:
            return None
        words = (*self.words, parameter.name)
        return "_".join((ENVIRONMENT, *words)).replace("-", "_").upper()


def commands() -> Iterator[Command]:
    """Yield the whole command line: the program itself, then its commands, groups before theirs."""
    from pansharpkit_cli.app import app

    yield from _below(Command((), typer.main.get_command(app)))


def _below(parent: Command) -> Iterator[Command]:
    yield parent
    for name, command in getattr(parent.command, "commands", {}).items():
        yield from _below(Command((*parent.words, name), command))


def command_page() -> str:
    """Return the reference of the command line."""
    parts = [
        "# Command line",
        "Results go to stdout, everything else to stderr. What each exit code means is under "
        "[exit codes](exit-codes.md), and each option can be set by an "
        "[environment variable](environment.md).",
    ]
    for command in commands():
        if command.words:
            parts += [f"## {command.name}", _prose(command.command.help)]
        if not hasattr(command.command, "commands"):
            usage = " ".join([command.name, "[OPTIONS]", *map(_placeholder, command.arguments)])
            parts.append(f"```text\n{usage}\n```")
        rows = [_argument_row(argument) for argument in command.arguments]
        rows += [_option_row(command, option) for option in command.options]
        if not command.words:
            parts.append("## Options of every command\n\nThey stand before the command's name.")
        if rows:
            parts.append(table(("", "", "default"), rows))
    return "\n\n".join(parts) + "\n"


def _placeholder(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _argument_row(argument: Any) -> tuple[str, str, str]:
    return code(_placeholder(argument)), _prose(argument.help), ""


def _option_row(command: Command, option: Any) -> tuple[str, str, str]:
    spelled = ", ".join(sorted(option.opts, key=len))
    default = "required" if option.required else _default(option.default)
    repeat = " May be repeated." if option.multiple else ""
    shown = code(f"{spelled} {command.placeholder(option)}".rstrip())
    return shown, _prose(option.help) + repeat, default


def _default(value: object) -> str:
    unset = value is None or value is False or value == () or callable(value)
    return "" if unset else code(str(value))


def _prose(text: str | None) -> str:
    return html.escape(" ".join((text or "").split()), quote=False)


def environment_page() -> str:
    """Return the table of environment variables."""
    parts = [
        "# Environment variables",
        "An option on the command line overrules its variable. Flags take `1` or `0`; an option "
        "that may be repeated takes several values separated by blanks.",
        "## Of the program",
        table(
            ("variable", "what it does"),
            [
                ("`PANSHARPKIT_SENSORS`", "folder of your own sensor presets; "
                 "`~/.config/pansharpkit/sensors` by default (`XDG_CONFIG_HOME` is honoured)"),
                ("`PANSHARPKIT_DEBUG`", "show tracebacks, like `--debug`"),
                ("`GDAL_NUM_THREADS`", "threads that compress the output; the command line sets 1 "
                 "unless you do"),
                (
                    "`GDAL_CACHEMAX`",
                    "memory for GDAL's blocks; the command line sets 256 (MB) unless you do",
                ),
                ("`CPL_TMPDIR`", "folder that archives are unpacked to"),
                ("`TMPDIR`", "folder of the scratch raster of `evaluate`"),
                ("`CUDA_VISIBLE_DEVICES`", "GPUs that PyTorch sees"),
                ("`OMP_NUM_THREADS`", "CPU threads, like `--threads`"),
                ("`NO_COLOR`", "no colours in the terminal"),
            ],
        ),
    ]  # fmt: skip
    for command in commands():
        rows = [
            (code(variable), ", ".join(code(text) for text in sorted(option.opts, key=len)))
            for option in command.options
            if (variable := command.variable(option)) and option.name != "debug"
        ]
        if rows:
            parts += [f"## {command.name}", table(("variable", "option"), rows)]
    return "\n\n".join(parts) + "\n"


def methods_page() -> str:
    """Return the methods with their options, whose descriptions are those in the code."""
    from pansharpkit.methods.entries import COMMANDS
    from pansharpkit.methods.registry import (
        REGISTRY,
        describe_options,
        options_class,
    )

    seeded = [e.name for e in REGISTRY.values() if e.seeded and "sharpen" in e.tasks]
    parts = [
        "# Methods",
        "Chosen with `-m NAME`; options are given as `--option NAME=VALUE`, or as a mapping in "
        "Python. How they work: [classical methods](../background/methods-classical.md), "
        "[Guided Deep Decoder](../background/gdd.md), "
        "[images of one resolution](../background/same-resolution.md). "
        "[Which one for what](../how-to/which-method.md) was measured, and `-m auto` "
        "[chooses](../how-to/choose-a-method.md) among the quick ones of `fuse`.",
        table(
            ("method", "what it does", "for", "family", "source"),
            [
                (
                    f"[{code(e.name)}](#{e.name})",
                    _prose(e.summary),
                    ", ".join(code(COMMANDS[task]) for task in e.tasks),
                    e.family,
                    e.source,
                )
                for e in REGISTRY.values()
            ],
        ),
        "Those of `fuse` can be followed by [back-projection](../background/back-projection.md): "
        "`--back-projection STEPS`, and `--damping D` for the plain iteration. It raises the "
        "consistency with the MS at some cost in ripple, so it is off by default.",
        f"{', '.join(code(name) for name in seeded)} give an "
        "[uncertainty](../background/uncertainty.md) beside the image: `--uncertainty`.",
    ]
    for entry in REGISTRY.values():
        parts.append(f"## {entry.name}")
        described = describe_options(entry.name)
        if not described:
            parts.append("No options.")
            continue
        said = attribute_docs(options_class(entry.name).__module__, entry.options)
        rows = [
            (code(name), html.escape(kind).replace("|", "\\|"), code(str(default)), said[name])
            for name, kind, default in described
        ]
        parts.append(table(("option", "type", "default", ""), rows))
    return "\n\n".join(parts) + "\n"


def attribute_docs(module: str, name: str) -> dict[str, str]:
    """Return the text under each field of a class; a field without one gets an empty text."""
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    found = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    said: dict[str, str] = {}
    latest = ""
    for node in found.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            latest = node.target.id
            said[latest] = ""
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and latest:
            text = " ".join(str(node.value.value).split()).replace("``", "`")
            said[latest], latest = text, ""
        else:
            latest = ""
    return said


def sensors_page() -> str:
    """Return the table of presets."""
    from pansharpkit.sensor import list_sensors, load_sensor

    sensors = [load_sensor(name) for name in list_sensors()]
    rows = [
        (
            code(s.id),
            _prose(s.name),
            str(len(s.bands)),
            _metres(s.gsd.pan_m, s.gsd.ms_m),
            "" if s.ratio is None else f"{s.ratio:.3g}",
            "yes" if s.srf else "",
            _mtf(s),
            ", ".join(s.unverified),
        )
        for s in sensors
    ]
    return "\n\n".join([
        "# Sensor presets",
        f"{len(sensors)} presets come with pansharpkit; `pansharpkit sensors show NAME` prints all "
        "figures of one with their sources, `pansharpkit sensors plot NAME -o FILE.png` draws its "
        "spectral responses. Names count without case, blanks and punctuation, and there are "
        "aliases: `WV-2`, `LC08`. [Your own preset](../how-to/sensor-preset.md) is a small file.",
        "*Responses*: spectral response curves are included. *MTF*: gains of the "
        "sensor are known, or the default stands in (0.30 for MS, 0.15 for PAN). *Unverified*: "
        "groups of figures that stand on a single source, on sources that disagree, or on memory.",
        table(
            ("id", "name", "bands", "GSD PAN / MS, m", "ratio", "responses", "MTF", "unverified"),
            rows,
        ),
    ]) + "\n"  # fmt: skip


def _mtf(sensor: Sensor) -> str:
    defaults = [band.mtf_is_default for band in sensor.bands]
    return "default" if all(defaults) else "partly" if any(defaults) else "yes"


def _metres(*values: float | None) -> str:
    return " / ".join("–" if value is None else f"{value:g}" for value in values)


def code(text: str) -> str:
    """Return text in backquotes; within them the tables of Python-Markdown take a bar as it is."""
    return f"`{text}`"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main(arguments: Sequence[str], pages: Mapping[str, str]) -> int:
    """Print pages."""
    for name in arguments or pages:
        sys.stdout.write(pages[name])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], generated()))
