"""What a batch has to do: which scenes are new, done or to be done again, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pansharpkit.archive.entry import SceneEntry
from pansharpkit.archive.files import input_changes, output_changes
from pansharpkit.archive.rows import Row
from pansharpkit.archive.settings import differing

Verdict = Literal[
    "new",
    "interrupted",
    "failed",
    "given up",
    "changed inputs",
    "changed options",
    "changed output",
    "done",
    "flagged",
]
_AT_REST = ("done", "flagged", "given up")
_SHOWN = 3  # changes that a line names

Options = Mapping[str, object]


@dataclass(frozen=True)
class Planned:
    """A scene and what a batch does about it."""

    entry: SceneEntry
    verdict: Verdict
    why: str = ""
    """One line; empty where the verdict says it all."""
    known: bool = False
    """Whether the ledger knows of an earlier attempt, so that files of it may be replaced."""
    failures: int = 0
    """Of the scene as it now is."""

    @property
    def to_do(self) -> bool:
        """Whether the scene is to be fused."""
        return self.verdict not in _AT_REST

    @property
    def resumes(self) -> bool:
        """Whether tiles of the last attempt still are what is wanted."""
        return self.verdict in ("interrupted", "failed")

    @property
    def anew(self) -> bool:
        """Whether earlier failures say nothing about the next attempt."""
        return self.verdict.startswith("changed")


@dataclass(frozen=True)
class Judge:
    """What a batch does now, to be compared with what the ledger says was done."""

    folder: Path
    digest: str
    options: Options
    recall: Callable[[str], Options]
    """The options with a hash, as the ledger knows them."""
    max_attempts: int = 3
    """Failures after which a scene is given up."""
    verify: bool = False
    """Whether to read the rasters that are there."""
    beside: tuple[str, ...] = ()
    """Suffixes of rasters that there has to be beside each of them."""

    def judge(self, entry: SceneEntry, row: Row | None) -> Planned:
        """Return what to do about one scene."""
        if row is None or not row.attempts:
            return Planned(entry, "new")
        verdict, why = self._verdict(entry, row)
        planned = Planned(entry, verdict, why, known=True)
        return planned if planned.anew else replace(planned, failures=row.failures)

    def _verdict(self, entry: SceneEntry, row: Row) -> tuple[Verdict, str]:
        if differing := self.differing(row):
            return "changed options", _shown(differing)
        record = row.record
        if record is not None and record.inputs:
            found = input_changes(record.inputs, entry.inputs)
            if found:
                return "changed inputs", _shown(found)
        if row.state == "waiting":
            return "failed", "to be tried again, as asked for"
        if record is None:
            return "interrupted", f"attempt {row.attempts} did not end"
        if record.state == "failed":
            times = f"failed {row.failures} {'time' if row.failures == 1 else 'times'}"
            why = f"{times}: {record.error.text if record.error else 'unknown why'}"
            return "given up" if row.failures >= self.max_attempts else "failed", why
        if record.output is None:
            return "changed output", "the ledger names no raster"
        wrong = output_changes(record.output, self.folder, verify=self.verify)
        wrong = wrong or self._missing(Path(record.output.path))
        return (record.state, "; ".join(record.flags)) if not wrong else ("changed output", wrong)

    def differing(self, row: Row) -> tuple[str, ...]:
        """Return in what the options of the last attempt differ, one line each."""
        if row.options_hash == self.digest:
            return ()
        return differing(self.recall(row.options_hash or ""), self.options)

    def _missing(self, raster: Path) -> str | None:
        """Return which raster is not beside another, relative to the folder, or None."""
        wanted = (raster.with_suffix(suffix) for suffix in self.beside)
        absent = [path.as_posix() for path in wanted if not (self.folder / path).is_file()]
        return f"{', '.join(absent)}: not there" if absent else None


def _shown(lines: tuple[str, ...]) -> str:
    more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return "; ".join(lines[:_SHOWN]) + more
