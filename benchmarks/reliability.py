"""What a scene and a batch survive: every trial of a fault, counted.

    python benchmarks/reliability.py [--trials 30] [--json FILE]

Runs the tests that are marked as trials of a fault, with more seeds than CI does, and prints the
table of docs/reliability.md. A trial survives if nothing was lost, no wrong file had a final name,
and the run that followed made what an undisturbed one makes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


class Tally:
    """Counts trials by their fault."""

    def __init__(self) -> None:
        self.faults: dict[str, str] = {}
        self.trials: Counter[str] = Counter()
        self.survived: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            marker = item.get_closest_marker("fault")
            if marker is not None:
                self.faults[item.nodeid] = marker.args[0]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        fault = self.faults.get(report.nodeid)
        if fault is None:
            return
        if report.skipped:
            self.skipped[fault] += 1
        elif report.when == "call" or report.failed:
            self.trials[fault] += 1
            self.survived[fault] += report.passed

    def rows(self) -> list[tuple[str, int, int]]:
        """Return fault, trials and how many were survived, in the order of the tests."""
        return [
            (fault, self.trials[fault], self.survived[fault])
            for fault in dict.fromkeys(self.faults.values())
        ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=30, help="of faults at random moments")
    parser.add_argument("--json", type=Path, help="file for the counts")
    asked = parser.parse_args()
    os.environ["PANSHARPKIT_TRIALS"] = str(asked.trials)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    tally = Tally()
    pytest.main(
        ["-q", "-m", "fault", "-p", "no:cacheprovider", "-p", "no:xdist", str(ROOT / "tests")],
        plugins=[tally],
    )
    print("\n| fault | trials | survived |\n|---|---|---|")
    for fault, trials, survived in tally.rows():
        missed = f" ({tally.skipped[fault]} not possible here)" if tally.skipped[fault] else ""
        print(f"| {fault} | {trials} | {survived}{missed} |")
    if asked.json is not None:
        rows = [
            {"fault": fault, "trials": trials, "survived": survived,
             "not_possible": tally.skipped[fault]}
            for fault, trials, survived in tally.rows()
        ]  # fmt: skip
        asked.json.write_text(json.dumps({"rows": rows}, indent=1))
    return int(sum(tally.survived.values()) != sum(tally.trials.values()))


if __name__ == "__main__":
    sys.exit(main())
