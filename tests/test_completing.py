"""What shells offer on Tab."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import environment

from pansharpkit.methods import method_names
from pansharpkit.sensor import list_sensors
from pansharpkit_cli import completing

BASH = shutil.which("bash")


def run(**variables: str) -> str:
    """Return what the program prints with these variables in its environment."""
    done = subprocess.run(
        [sys.executable, "-m", "pansharpkit_cli.app"],
        env=environment(**variables), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout


def bash(*words: str) -> list[str]:
    """Return what bash offers for the last of the words."""
    line = " ".join(("pansharpkit", *words))
    found = run(_PANSHARPKIT_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words)))
    return found.splitlines()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("den",), ["denoise"]),
        (("fuse", "--sens"), ["--sensor"]),
        (("fuse", "--back"), ["--back-projection"]),
        (("fuse", "-m", "bdsd"), ["bdsd", "bdsd-pc"]),
        (("blend", "-m", "d"), ["dwt-max", "dip-fusion"]),
        (("evaluate", "--method", "exp,bdsd"), ["exp,bdsd", "exp,bdsd-pc"]),
        (("sensors", "show", "worldview2"), ["worldview2"]),
        (("batch", "run", "--sensor", "worldview2"), ["worldview2"]),
    ],
    ids=" ".join,
)
def test_bash(words: tuple[str, ...], offered: list[str]) -> None:
    assert bash(*words) == offered


def test_zsh_says_what_methods_do() -> None:
    found = run(
        _PANSHARPKIT_COMPLETE="complete_zsh", _TYPER_COMPLETE_ARGS="pansharpkit fuse -m mtf-glp-f"
    )
    assert '"mtf-glp-fs":"MTF-matched' in found


@pytest.mark.skipif(BASH is None, reason="there is no bash")
def test_the_script_for_bash_works_in_bash(tmp_path: Path) -> None:
    program = tmp_path / "pansharpkit"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m pansharpkit_cli.app "$@"\n')
    program.chmod(0o755)
    script = run(_PANSHARPKIT_COMPLETE="source_bash")
    (tmp_path / "completion.sh").write_text(script, encoding="utf-8")
    lines = (
        f"PATH={tmp_path}:$PATH; . {tmp_path}/completion.sh",
        "COMP_WORDS=(pansharpkit fuse --sensor plan); COMP_CWORD=3",
        "$(complete -p pansharpkit | sed 's/.*-F \\([^ ]*\\).*/\\1/') pansharpkit",
        'printf "%s\\n" "${COMPREPLY[@]}"',
    )
    done = subprocess.run(
        [str(BASH), "--norc", "-c", "\n".join(lines)],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    expected = [name for name in list_sensors() if name.startswith("plan")]
    assert done.stdout.split() == expected
    assert len(expected) > 2


def test_the_script_for_zsh_names_the_program() -> None:
    script = run(_PANSHARPKIT_COMPLETE="source_zsh")
    assert script.lstrip().startswith("#compdef pansharpkit")
    assert "compdef _pansharpkit_completion pansharpkit" in script


def test_what_is_offered() -> None:
    assert [name for name, _ in completing.methods("sharpen", auto=True)("")] == [
        "auto",
        *method_names("sharpen"),
    ]
    assert completing.methods("denoise")("auto") == []
    assert [name for name, _ in completing.sensors("")] == list_sensors()
    taken = [name for name, _ in completing.method_lists("gsa,")]
    assert "gsa,exp" in taken
    assert "gsa,gsa" not in taken
    assert completing.words("cpu", "cuda")("cu") == ["cuda"]


def test_offering_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from pansharpkit_cli import app, completing\n"
        "assert completing.methods('sharpen')('') and completing.method_lists('exp,')\n"
        "assert completing.sensors('')\n"
        "print(sorted({'torch', 'rasterio', 'dask', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
