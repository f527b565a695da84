"""What a benchmark is to `make bench`: the question, the command, its settings and its cost."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).resolve().parents[1]
Group = Literal["classical", "learned", "cubes", "same", "indices", "scaling"]
_OUTPUT = re.compile(r" --(?:json|out) \{\w+\}")
_HIDDEN = re.compile(rf"{_OUTPUT.pattern}| --jobs \{{\w+\}}")

ROUNDS = 3


@dataclass(frozen=True)
class Settings:
    """What is the same for all benchmarks of a run."""

    data: Path | None = None
    """Folder of further scenes."""
    rounds: int = ROUNDS
    """How often what is timed runs."""
    jobs: int = 1
    """How many scenes are judged at the same time, where nothing is timed."""


@dataclass(frozen=True)
class Entry:
    """A benchmark: one command, one file of results."""

    name: str
    group: Group
    what: str
    """The question, for lists."""
    line: str
    """Script of this folder and arguments.

    ``{data}``, ``{rounds}`` and ``{jobs}`` are those of the settings, ``{json}`` is the file that
    the figures go to and ``{stem}`` the same without suffix. Without
    either, what the program prints is kept.
    """
    cost: Literal["quick", "long"] = "quick"
    """Quick: less than about three minutes on one core."""
    timed: bool = False
    """Whether its figures are times, which other work on the machine changes."""
    data: Literal["shipped", "further", "both"] = "shipped"
    """Scenes that come with the repository, those of a folder DATA, or both: then DATA may lack."""
    seed: str = "none"
    """Of every random draw."""
    tool: str | None = None
    """What has to be there besides: ``cuda``."""

    @property
    def script(self) -> Path:
        """The program."""
        return ROOT / "benchmarks" / self.line.split()[0]

    @property
    def writes(self) -> bool:
        """Whether the program writes its figures to a file."""
        return _OUTPUT.search(self.line) is not None

    @property
    def command(self) -> str:
        """What to type, with DATA for the folder of scenes and the default of rounds."""
        line = _HIDDEN.sub("", self.line)
        return f"python benchmarks/{line.format(data='DATA', rounds=ROUNDS)}"

    @property
    def words(self) -> frozenset[str]:
        """What selects it."""
        timed = "timed" if self.timed else "untimed"
        return frozenset({self.name, self.group, self.cost, timed, "all"})

    def arguments(self, settings: Settings, figures: Path) -> list[str]:
        """Return script and arguments of a run."""
        values = {**vars(settings), "json": figures, "stem": figures.with_suffix("")}
        found = []
        for word in shlex.split(self.line)[1:]:
            if "{data}" in word and settings.data is None:
                continue
            found.append(word.format(**values))
        return [str(self.script), *found]
