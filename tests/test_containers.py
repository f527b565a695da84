"""The container recipes, as far as they can be checked without a builder."""

from __future__ import annotations

import fnmatch
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_line import ROOT

FOLDER = ROOT / "containers"
if not FOLDER.is_dir():
    pytest.skip("the recipes are not part of the package", allow_module_level=True)

RECIPES = sorted(FOLDER.glob("*.Dockerfile"))
HADOLINT = shutil.which("hadolint")
KNOWN = {"ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "FROM", "LABEL", "RUN", "USER", "WORKDIR"}
MADE_OF = (
    "pansharpkit", "cli", "sensors", "pyproject.toml", "hatch_build.py", "constraints.txt",
    "README.md", "LICENSE", "NOTICE",
)  # fmt: skip
"""What a wheel is built from."""


@dataclass(frozen=True)
class Step:
    word: str
    rest: str


def steps(text: str) -> Iterator[Step]:
    """Yield the instructions of a recipe, continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield Step(word, rest.strip())


def faults(text: str) -> list[str]:
    """Return what is wrong with a recipe."""
    found: list[str] = []
    every = list(steps(text))
    found += [f"unknown instruction {step.word}" for step in every if step.word not in KNOWN]
    stages: list[str] = []
    for step in every:
        if step.word == "FROM":
            image, _, stage = step.rest.partition(" AS ")
            stages.append(stage or image)
            if not re.fullmatch(r"[\w./-]+:\d[\w.-]+", image):
                found.append(f"{image} is not pinned")
        if (source := re.match(r"--from=(\S+)", step.rest)) and source[1] not in stages[:-1]:
            found.append(f"{source[1]} is no stage before")
        if step.word == "RUN":
            found += _of_command(step.rest)
        if step.word in ("ENTRYPOINT", "CMD"):
            found += [] if _is_list(step.rest) else [f"{step.word} goes through a shell"]
    return [*found, *_of_the_last_stage(every)]


def _of_command(command: str) -> Iterator[str]:
    if "apt-get install" in command:
        for needed in ("apt-get update", "--no-install-recommends", "rm -rf /var/lib/apt/lists"):
            if needed not in command:
                yield f"apt-get without {needed}"
    if re.search(r"\b(sudo|curl|wget)\b", command):
        yield f"fetches or rises: {command}"


def _of_the_last_stage(every: list[Step]) -> Iterator[str]:
    last = max((i for i, step in enumerate(every) if step.word == "FROM"), default=0)
    users = [step.rest for step in every[last:] if step.word == "USER"]
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]):
        yield "runs as root, or as a user without a number"
    if sum(step.word == "ENTRYPOINT" for step in every[last:]) != 1:
        yield "needs one ENTRYPOINT"
    settings = " ".join(step.rest for step in every if step.word == "ENV")
    for needed in ("PIP_CONSTRAINT=", "PIP_NO_CACHE_DIR=1"):
        if needed not in settings:
            yield f"{needed} is not set"


def _is_list(text: str) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except ValueError:
        return False


def ignored(path: str) -> bool:
    """Return whether .dockerignore keeps a file or folder of the root out."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    out = False
    for line in (line.strip() for line in lines):
        if line and not line.startswith("#"):
            pattern = line.removeprefix("!")
            if fnmatch.fnmatch(path, pattern) or fnmatch.fnmatch(path, f"{pattern}/*"):
                out = not line.startswith("!")
    return out


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_recipes_are_sound(recipe: Path) -> None:
    text = recipe.read_text(encoding="utf-8")
    assert faults(text) == []
    every = list(steps(text))
    assert Step("RUN", "pansharpkit doctor && rm -rf /tmp/*") in every
    assert every[-2:] == [Step("ENTRYPOINT", '["pansharpkit"]'), Step("CMD", '["--help"]')]
    assert f"-f containers/{recipe.name}" in text


def test_there_is_one_for_cpu_and_one_for_cuda() -> None:
    cpu, cuda = (path.read_text(encoding="utf-8") for path in RECIPES)
    assert [path.name for path in RECIPES] == ["cpu.Dockerfile", "cuda.Dockerfile"]
    assert cpu.count('${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"}') == 2
    assert "NVIDIA_DRIVER_CAPABILITIES" in cuda
    assert "TORCH_INDEX" not in cuda


def test_what_is_copied_is_there_and_nothing_else() -> None:
    assert all((ROOT / name).exists() and not ignored(name) for name in MADE_OF)
    for kept_out in (".git", ".venv", "tests", "docs", "site", "build", "secrets.env"):
        assert ignored(kept_out), kept_out
    assert ignored("pansharpkit/__pycache__")
    assert not ignored("pansharpkit/_demo/README.md")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("python:3.11-slim-bookworm AS", "python:latest AS", "python:latest is not pinned"),
        ("USER 10001:10001", "USER root", "runs as root"),
        ("--no-install-recommends ", "", "apt-get without --no-install-recommends"),
        ('ENTRYPOINT ["pansharpkit"]', "ENTRYPOINT pansharpkit", "ENTRYPOINT goes through a shell"),
        ("--from=build", "--from=nothing", "nothing is no stage before"),
        ("COPY . .", "ADD . .", "unknown instruction ADD"),
        ("PIP_CONSTRAINT=/src/constraints.txt ", "", "PIP_CONSTRAINT= is not set"),
    ],
)
def test_the_check_sees_mistakes(old: str, new: str, fault: str) -> None:
    text = RECIPES[0].read_text(encoding="utf-8")
    assert old in text
    assert any(found.startswith(fault) for found in faults(text.replace(old, new, 1)))


@pytest.mark.skipif(HADOLINT is None, reason="hadolint is not installed")
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_hadolint_has_nothing_to_say(recipe: Path) -> None:
    done = subprocess.run([str(HADOLINT), str(recipe)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
