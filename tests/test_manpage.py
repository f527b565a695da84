"""The man page says what the help says."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import typer

from pansharpkit_cli.app import app
from pansharpkit_cli.manpage import man_page, placeholder

GROFF = shutil.which("groff")


def plain(roff: str) -> str:
    """Return the text without fonts and escapes."""
    return re.sub(r"\\f[BIR]", "", roff).replace("\\-", "-").replace("\\e", "\\")


@pytest.fixture(scope="module")
def page() -> str:
    return man_page()


def commands(words: tuple[str, ...], group: Any) -> list[tuple[tuple[str, ...], Any]]:
    found = []
    for name, command in group.commands.items():
        found.append(((*words, name), command))
        if hasattr(command, "commands"):
            found += commands((*words, name), command)
    return found


def test_every_command_and_option_is_there(page: str) -> None:
    sections = dict(re.findall(r"^\.SS (.*)\n((?:(?!^\.S[SH]).*\n)*)", plain(page), re.MULTILINE))
    every = commands((), typer.main.get_command(app))
    assert len(every) > 15
    for words, command in every:
        text = sections[" ".join(("pansharpkit", *words))]
        for option in command.params:
            if option.param_type_name == "option" and option.name != "help":
                spelled = ", ".join(sorted(option.opts, key=len))
                assert re.search(rf"^{re.escape(spelled)}( |$)", text, re.MULTILINE), spelled
                assert " ".join((option.help or "").split()).replace("`", "") in text


def test_the_sections_that_people_look_for(page: str) -> None:
    for name in ("NAME", "SYNOPSIS", "OPTIONS", "COMMANDS", "ENVIRONMENT", "EXIT STATUS"):
        assert f"\n.SH {name}\n" in page
    codes = page[page.index(".SH EXIT") : page.index(".SH SEE")]
    assert re.findall(r"^\.B (\d+)$", codes, re.MULTILINE) == ["0", "1", "2", "3", "4", "5", "130"]


def test_values_are_named_after_their_types() -> None:
    fuse = typer.main.get_command(app).commands["fuse"]  # type: ignore[attr-defined]
    found = {option.name: placeholder(fuse, option) for option in fuse.params}
    wanted = {"output": "PATH", "method": "TEXT", "seed": "N", "damping": "X", "overwrite": ""}
    assert {name: found[name] for name in wanted} == wanted


@pytest.mark.skipif(GROFF is None, reason="there is no groff")
def test_groff_has_nothing_to_say_against_it(page: str) -> None:
    done = subprocess.run(
        [str(GROFF), "-man", "-Tutf8", "-ww", "-z"],
        input=page, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
