"""Run the benchmarks, keep their results with what they depend on, and render the tables.

    make bench [DATA=folder] [ONLY="quick+timed"] [ROUNDS=3]
    python benchmarks/bench.py --data DATA --only auto-choice classical-quality
    python benchmarks/bench.py --list

By default everything runs that has what it needs: `bench_entries.py` has the list, and DATA holds
the folders that each script names. A result goes to ``benchmarks/results/NAME.json``, and the
tables of README and docs follow it. Where a table has scenes of DATA as well, a run without DATA
goes to ``build/bench`` and changes no table. A benchmark that fails leaves its result as it was,
and the exit code is then 1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import mdtable
import render
from bench_entries import selected
from bench_entry import ROOT, ROUNDS, Entry, Settings
from bench_record import ABSENT, Clock, about, peers
from bench_results import keep

_CUDA = "import sys, torch; sys.exit(not torch.cuda.is_available())"


def lacking(entry: Entry, data: Path | None) -> str | None:
    """Return what an entry needs and does not find here."""
    if entry.data == "further" and data is None:
        return "needs DATA, a folder of further scenes"
    if entry.tool == "cuda":
        found = subprocess.run([sys.executable, "-c", _CUDA], check=False).returncode == 0
        return None if found else "needs a CUDA device"
    return None


def run(entry: Entry, settings: Settings) -> dict[str, object] | None:
    """Run a benchmark and return its result; None if it failed."""
    started = Clock.now()
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        printed, code = echoed([sys.executable, *entry.arguments(settings, figures)])
        content = found(entry, figures, anonymous(printed, settings.data))
    if content is None or (code and "figures" not in content):
        print(f"{entry.name} failed with exit code {code}", file=sys.stderr)
        return None
    scenes = {"shipped": "the repository's", "further": "DATA", "both": "the repository's, DATA"}
    told = scenes[entry.data] if settings.data is not None else scenes["shipped"]
    record = about(entry.command, entry.seed, told, started)
    return {"name": entry.name, "about": record, "exit_code": code, **content}


def echoed(command: list[str]) -> tuple[str, int]:
    """Run a command, passing on what it prints; return that and the exit code."""
    lines = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment()
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            lines.append(line)
    return "".join(lines), process.returncode


def environment() -> dict[str, str]:
    """Return an environment in which the code of this checkout runs, wherever another lies."""
    places = [str(ROOT), str(ROOT / "cli"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}


def anonymous(text: str, data: Path | None) -> str:
    """Return a text without the places where checkout and DATA lie here."""
    places = {} if data is None else {str(data.resolve()): "DATA", str(data): "DATA"}
    for place, shown in (places | {f"{ROOT}/": ""}).items():
        text = text.replace(place, shown)
    return text


def found(entry: Entry, figures: Path, printed: str) -> dict[str, object] | None:
    """Return what a run found: its figures, else the tables it printed, else all it printed."""
    if entry.writes:
        return {"figures": json.loads(figures.read_text())} if figures.exists() else None
    if tables := mdtable.found(printed):
        return {"tables": [mdtable.stored(table) for table in tables]}
    return {"printed": printed.strip("\n").splitlines()} if printed.strip() else None


def every(entries: list[Entry], settings: Settings) -> list[str]:
    """Run benchmarks one after another; return the names of those that failed."""
    failed = []
    for entry in entries:
        if reason := lacking(entry, settings.data):
            print(f"{entry.name}: passed over, {reason}")
            continue
        print(f"\n== {entry.name}: {entry.command}", flush=True)
        result = run(entry, settings)
        if result is None:
            failed.append(entry.name)
            continue
        print(
            f"== {entry.name}: {keep(entry, result, settings.data).relative_to(ROOT)}", flush=True
        )
    return failed


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of further scenes")
    parser.add_argument("--only", nargs="+", default=["all"], help="names, groups, quick+timed ...")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of what is timed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="of what is not")
    parser.add_argument("--list", action="store_true", help="list the benchmarks and end")
    asked = parser.parse_args()
    if asked.data is not None and not asked.data.is_dir():
        parser.error(f"no folder {asked.data}")
    try:
        asked.entries = selected(asked.only)
    except ValueError as error:
        parser.error(str(error))
    return asked


def main() -> int:
    asked = parse()
    if asked.list:
        for entry in asked.entries:
            print(f"{entry.name:19}{entry.group:11}{entry.cost:7}{entry.what}")
        return 0
    for name, version in peers().items():
        if version == ABSENT:
            print(f"missing peer: {name}; its rows are left out")
    data = None if asked.data is None else asked.data.resolve()
    failed = every(asked.entries, Settings(data, asked.rounds, asked.jobs))
    changed = render.refresh()
    print("\nrendered anew:", ", ".join(changed) or "nothing")
    if failed:
        print("failed:", ", ".join(failed), file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
