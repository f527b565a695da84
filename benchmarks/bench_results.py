"""The results that the benchmarks keep, a JSON file each."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import mdtable
from bench_entry import ROOT, Entry

RESULTS = ROOT / "benchmarks" / "results"
PARTIAL = ROOT / "build" / "bench"
"""For results that lack the scenes of DATA."""
_WIDTH = 100
Json = Mapping[str, object]


@dataclass(frozen=True)
class Result:
    """What a benchmark found, and what that depends on."""

    name: str
    about: Json
    content: Json
    """``figures`` as the program wrote them, else the ``tables`` it printed, else all lines."""

    def rows(self, key: str = "rows") -> list[Json]:
        """Return a list of the figures."""
        figures = self.content["figures"]
        assert isinstance(figures, Mapping)
        return list(figures[key])

    def tables(self) -> list[mdtable.MdTable]:
        """Return the tables that the program printed."""
        tables = self.content["tables"]
        assert isinstance(tables, list)
        return [mdtable.restored(table) for table in tables]

    def printed(self) -> str:
        """Return what the program printed."""
        lines = self.content["printed"]
        assert isinstance(lines, list)
        return "\n".join(lines)


def load(name: str, folder: Path = RESULTS) -> Result | None:
    """Return a kept result; None where there is none."""
    path = folder / f"{name}.json"
    if not path.exists():
        return None
    read = json.loads(path.read_text(encoding="utf-8"))
    content = {key: read[key] for key in ("figures", "tables", "printed") if key in read}
    return Result(read["name"], read["about"], content)


def keep(entry: Entry, result: Json, data: Path | None) -> Path:
    """Write a result to where it belongs; return the file."""
    folder = PARTIAL if entry.data == "both" and data is None else RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{entry.name}.json"
    path.write_text(dumped(result) + "\n", encoding="utf-8")
    return path


def dumped(value: object, indent: int = 0) -> str:
    """Return JSON in which every row of figures has a line of its own, for readable differences.

    >>> print(dumped({"rows": [{"a": 1, "b": 2}, {"a": 3}]}))
    {
     "rows": [
      {"a": 1, "b": 2},
      {"a": 3}
     ]
    }
    """
    line = json.dumps(_short(value), ensure_ascii=False)
    if isinstance(value, Mapping) and _nested(list(value.values())):
        parts = [f"{json.dumps(key)}: {dumped(part, indent + 1)}" for key, part in value.items()]
        return _block("{", parts, "}", indent)
    if isinstance(value, list) and (_nested(value) or len(line) > _WIDTH):
        return _block("[", [dumped(part, indent + 1) for part in value], "]", indent)
    return line


def _short(value: object) -> object:
    """Return a value without the digits of its floats that mean nothing."""
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _short(part) for key, part in value.items()}
    return [_short(part) for part in value] if isinstance(value, list) else value


def _nested(parts: Sequence[object]) -> bool:
    return any(isinstance(part, (Mapping, list)) and part for part in parts)


def _block(first: str, parts: list[str], last: str, indent: int) -> str:
    inner = "\n" + " " * (indent + 1)
    return f"{first}{inner}{(',' + inner).join(parts)}\n{' ' * indent}{last}"
