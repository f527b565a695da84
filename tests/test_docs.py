"""What the documentation says can be typed, imported, opened and run."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

from pansharpkit import registration
from pansharpkit.methods import method_names
from pansharpkit.methods.gdd.method import PRESETS
from pansharpkit.observe import FIT_BLOCK, FIT_BLOCKS
from pansharpkit.physics.blind import BLIND_METHODS
from pansharpkit.requested import AUTO
from pansharpkit.resources import RAM_MB
from pansharpkit.sampled import FULL_SIDE, LEAST, REDUCED_SIDE
from pansharpkit.selection import LEAST_DETAIL, MOST
from pansharpkit.sensor import IN_PAN, load_sensor
from pansharpkit_cli.app import app

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
if not DOCS.is_dir():
    pytest.skip("the documentation is not part of the package", allow_module_level=True)

PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
FAST = PRESETS["fast"]
ALL_PAGES = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
LARGEST_PICTURE = 400_000
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FIGURE = re.compile(r"(?<![\w.,])\d*\.\d+")
IMAGE = re.compile(r"<img [^>]*src=\"([^\"]+)\"")


@cache
def load(name: str) -> ModuleType:
    """Import a script of the docs folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        return importlib.import_module(name)


@cache
def generated() -> dict[str, str]:
    """Return the pages that are made from the code."""
    pages: dict[str, str] = load("pages").generated()
    return pages


def blocks(page: Path, *languages: str) -> Iterator[str]:
    for language, text in FENCE.findall(page.read_text(encoding="utf-8")):
        if language in languages:
            yield text


def typed(page: Path) -> Iterator[list[str]]:
    """Yield the words of every pansharpkit command in the page's shell blocks."""
    commands = load("transcripts").commands
    for block in blocks(page, "console"):
        for line in commands(block):
            words = shlex.split(line, comments=True)
            if words[:1] == ["pansharpkit"]:
                yield words[1:]


def parse(words: list[str]) -> dict[str, Any]:
    """Parse a command as the program would, without running it; return its parameters."""
    command = typer.main.get_command(app)
    context = command.make_context("pansharpkit", list(words))
    while hasattr(command, "commands"):
        rest = [*getattr(context, "_protected_args", ()), *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, list(rest), parent=context)
    return dict(context.params)


COMMANDS = sorted({shlex.join(words) for page in PAGES for words in typed(page)})


@pytest.mark.parametrize("line", COMMANDS)
def test_quoted_commands_are_understood(line: str) -> None:
    found = parse(shlex.split(line))
    for name in (found.get("method") or "").split(","):
        assert name in ["", AUTO, *method_names(), *BLIND_METHODS]
    if sensor := found.get("sensor"):
        load_sensor(str(DOCS / "examples" / sensor) if sensor.endswith(".toml") else sensor)


def test_the_check_of_commands_sees_mistakes() -> None:
    assert len(COMMANDS) > 20
    with pytest.raises(Exception, match="--bnads"):
        parse(["fuse", "pan.tif", "ms.tif", "-o", "out.tif", "--bnads", "red"])
    with pytest.raises(Exception, match="sharpen"):
        parse(["sharpen", "pan.tif"])


@ALL_PAGES
def test_quoted_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for block in blocks(page, "console", "bash"):
        assert set(re.findall(r"^(?:\$ )?.*\bmake ([\w-]+)", block, re.MULTILINE)) <= targets


@ALL_PAGES
def test_quoted_python_compiles_and_imports(page: Path) -> None:
    for block in blocks(page, "python"):
        if "--8<--" in block:
            continue
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                module = importlib.import_module(node.module)
                assert all(hasattr(module, alias.name) for alias in node.names)
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    importlib.import_module(alias.name)


@ALL_PAGES
def test_links_and_pictures_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in [*LINK.findall(text), *IMAGE.findall(text)]:
        place = target.partition("#")[0]
        if not place or "://" in place:
            continue
        path = (page.parent / place).resolve()
        known = path.exists() or str(path.relative_to(DOCS)) in generated()
        assert known, f"{page.name} links to {target}"


def test_pictures_are_small() -> None:
    for path in (DOCS / "assets").iterdir():
        assert path.stat().st_size < LARGEST_PICTURE, path


def test_environment_variables_are_those_that_the_program_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pages = load("pages")
    text = pages.environment_page()
    for command in pages.commands():
        for option in command.options:
            if (name := command.variable(option)) is not None:
                assert f"`{name}`" in text
    monkeypatch.setenv("PANSHARPKIT_FUSE_METHOD", "gsa")
    monkeypatch.setenv("PANSHARPKIT_FUSE_CO", "LEVEL=9 BIGTIFF=YES")
    monkeypatch.setenv("PANSHARPKIT_FUSE_NO_REPORT", "1")
    found = parse(["fuse", "pan.tif", "ms.tif", "-o", "out.tif"])
    assert found["method"] == "gsa"
    assert list(found["co"]) == ["LEVEL=9", "BIGTIFF=YES"]
    assert found["no_report"] is True


def test_the_reference_names_every_option_method_and_sensor() -> None:
    pages = generated()
    for option in ("--correct-shift", "--peak", "--compat", "--quick", "--show-versions"):
        assert (
            f"`{option}" in pages["reference/cli.md"] or f", {option}" in pages["reference/cli.md"]
        )
    for name in method_names():
        assert f"## {name}\n" in pages["reference/methods.md"]
    assert "Learning rate" in pages["reference/methods.md"]
    assert "| `worldview2` | WorldView-2 | 8 |" in pages["reference/sensors.md"]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("background/registration.md", f"up to {registration.WARN_PX:g} PAN pixels"),
        ("background/registration.md", f"R² below {registration.MIN_R2:g} at every"),
        ("background/registration.md", f"R² below {registration.RELIABLE_R2:g}, or"),
        ("background/registration.md", f"within ±{registration.SEARCH_PX}"),
        ("background/tiling.md", f"{FIT_BLOCK} × {FIT_BLOCK} PAN pixels"),
        ("background/tiling.md", f"a scene of up to {FIT_BLOCKS} blocks"),
        ("background/outside-pan.md", f"below\n{IN_PAN:g} a band counts"),
        ("how-to/choose-a-method.md", f"about {REDUCED_SIDE} × {REDUCED_SIDE} MS"),
        ("how-to/choose-a-method.md", f"about {FULL_SIDE} × {FULL_SIDE} PAN"),
        ("how-to/choose-a-method.md", f"less than {LEAST_DETAIL:g} times"),
        ("how-to/choose-a-method.md", f"above {MOST['ripple_percent']:g} times as strong"),
        ("how-to/choose-a-method.md", f"above {MOST['consistency_error_percent']:g} times"),
        ("how-to/choose-a-method.md", f"drift is above {MOST['ndvi_drift']:g} times"),
        ("how-to/choose-a-method.md", f"fewer than {LEAST} MS pixels"),
        ("faq.md", f"Below an R² of {registration.MIN_R2:g} "),
        ("faq.md", f"`--ram`, {RAM_MB} MB by default"),
        ("tutorial/first-scene.md", f"and {FAST.shared + FAST.iterations}\niterations instead of"),
        ("tutorial/first-scene.md", f"instead of {PRESETS['reference'].iterations},"),
    ],
)
def test_figures_in_the_text_are_those_of_the_code(page: str, text: str) -> None:
    assert text in (DOCS / page).read_text(encoding="utf-8")


def test_the_readme_lists_all_methods() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("\n## Methods\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\|[^|]+\|(.+)\|$", section, re.MULTILINE)[2:]
    assert [name for row in rows for name in re.findall(r"`(.+?)`", row)] == method_names()


def test_the_readme_has_a_place_for_results() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.search(r"^<!-- table: results -->\n(?:.*\n)*?<!-- /table -->$", text, re.MULTILINE)


def test_guidance_quotes_figures_that_stand_on_the_pages_it_links_to() -> None:
    page = DOCS / "how-to" / "which-method.md"
    text = page.read_text(encoding="utf-8")
    linked = {(page.parent / link.partition("#")[0]).resolve() for link in LINK.findall(text)}
    elsewhere = "\n".join(path.read_text(encoding="utf-8") for path in linked - {page})
    figures = set(FIGURE.findall(text))
    known = {float(figure) for figure in FIGURE.findall(elsewhere)}
    assert len(figures) > 40
    for figure in figures:
        places = len(figure.partition(".")[2])
        assert any(round(value, places) == float(figure) for value in known), figure


def test_no_include_was_taken_for_code() -> None:
    for page in PAGES:  # a formatter puts blanks into the marker, which then includes nothing
        assert "8 < --" not in page.read_text(encoding="utf-8"), page


def test_the_shell_example_is_valid_shell() -> None:
    script = DOCS / "examples" / "sharpen_all.sh"
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0


def test_transcripts_are_refreshed_in_place() -> None:
    transcripts = load("transcripts")
    page = "<!-- run -->\n```console\n$ WORD=here\n$ echo $WORD\nold\n```\n```console\n$ no\n```\n"
    assert transcripts.refreshed(page) == page.replace("old", "here")


def test_doctests_in_docstrings_become_code() -> None:
    fenced = load("doctests").fenced
    assert fenced("Say.\n\n>>> 1\n1\n\nMore.") == "Say.\n\n```pycon\n>>> 1\n1\n```\n\nMore."
