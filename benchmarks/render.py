"""Put the tables of the benchmarks into README and docs, or check that they are there.

    python benchmarks/render.py            # what `make bench` does at its end
    python benchmarks/render.py --check    # exit code 1 if a page says anything else

A table stands between ``<!-- table: NAME -->`` and ``<!-- /table -->``; `bench_tables.py` makes it
from ``benchmarks/results``. Where a result has not been kept yet, what stands there stays: the
check names such tables, and the page of the benchmarks lists them as typed by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from bench_entry import ROOT
from bench_results import RESULTS
from bench_tables import LISTS, Page, known, rendered

REGION = re.compile(r"(?<=<!-- table: )([\w-]+) -->\n(.*?)<!-- /table -->", re.DOTALL)

_MADE = re.compile(f"{REGION.pattern}|<!-- run -->\n```console\n.*?```", re.DOTALL)


def pages(root: Path = ROOT) -> Iterator[Path]:
    """Yield the files that may hold tables."""
    yield root / "README.md"
    yield from sorted((root / "docs").rglob("*.md"))


def named(text: str) -> list[str]:
    """Return the names of the tables in a text."""
    return [match[1] for match in REGION.finditer(text)]


def refreshed(text: str, shown: tuple[Page, ...] | None = None, results: Path = RESULTS) -> str:
    """Return a text with its tables as the results have them.

    The lists of benchmarks, which tell of all pages, are made of `shown` if it is given.

    Raises
    ------
    ValueError
        If a table has a name that is not known.
    """

    def fresh(match: re.Match[str]) -> str:
        name = match[1]
        if name not in known():
            raise ValueError(f"no table is called {name!r}; there are {', '.join(known())}")
        if shown is None and name in LISTS:
            return match[0]
        table = rendered(name, shown or (), results)
        return match[0] if table is None else f"{name} -->\n\n{table}\n\n<!-- /table -->"

    return REGION.sub(fresh, text)


def waiting(text: str, results: Path = RESULTS) -> list[str]:
    """Return the tables of a text that no result has been kept for."""
    return [name for name in named(text) if rendered(name, (), results) is None]


def shown_where(root: Path = ROOT) -> tuple[Page, ...]:
    """Return which tables and which commands each page has."""
    return tuple(
        Page(path.relative_to(root).as_posix(), tuple(named(text)), _MADE.sub("", text))
        for path in pages(root)
        for text in [path.read_text(encoding="utf-8")]
    )


def stale(
    root: Path = ROOT, results: Path = RESULTS, shown: tuple[Page, ...] | None = None
) -> list[tuple[Path, str]]:
    """Return the pages that differ from the results, with the text they should have."""
    found = []
    for path in pages(root):
        text = path.read_text(encoding="utf-8")
        if (fresh := refreshed(text, shown, results)) != text:
            found.append((path, fresh))
    return found


def refresh(root: Path = ROOT, results: Path = RESULTS) -> list[str]:
    """Write the tables into the pages; return the pages that changed."""
    changed = stale(root, results, shown_where(root))
    for path, text in changed:
        path.write_text(text, encoding="utf-8")
    return [path.relative_to(root).as_posix() for path, _ in changed]


def check(root: Path = ROOT, results: Path = RESULTS) -> int:
    """Print what differs and what waits for a result; return the exit code."""
    for path in pages(root):
        for name in waiting(path.read_text(encoding="utf-8"), results):
            print(f"{path.relative_to(root)}: {name} is typed by hand, there is no result yet")
    found = stale(root, results)
    for path, _ in found:
        print(f"{path.relative_to(root)}: not as in benchmarks/results; run benchmarks/render.py")
    return 1 if found else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, say what differs")
    if parser.parse_args().check:
        return check()
    print("\n".join(refresh()) or "nothing to change")
    return 0


if __name__ == "__main__":
    sys.exit(main())
