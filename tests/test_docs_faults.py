"""The table of faults names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "faults.md"
if not PAGE.exists():
    pytest.skip("the documentation is not part of the package", allow_module_level=True)

NAMED = re.compile(r"`(?:(test_\w+\.py)::(test_\w+))?(?:\[([^`]+)\])?`")


def named() -> list[tuple[str, str, str]]:
    """Return the file, function and case of every test in the last column."""
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = line.strip("| ").split(" | ")
        if not line.startswith("| ") or cells[0] == "fault" or "tests" in cells:
            continue
        file = function = ""
        for new_file, new_function, case in NAMED.findall(cells[-1]):
            file, function = (new_file, new_function) if new_file else (file, function)
            found.append((file, function, case))
    return found


@pytest.mark.parametrize(("file", "function"), sorted({(f, t) for f, t, _ in named()}))
def test_every_test_exists(file: str, function: str) -> None:
    assert re.search(rf"^ *def {function}\(", (ROOT / "tests" / file).read_text(), re.MULTILINE)


@pytest.mark.parametrize(("file", "case"), sorted({(f, c) for f, _, c in named() if c}))
def test_every_case_exists(file: str, case: str) -> None:
    assert f'"{case}": ' in (ROOT / "tests" / file).read_text()


def test_every_fault_has_a_test() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    rows = [row for row in rows if not row.startswith("| fault |")]
    assert len(rows) > 50
    assert all("`test_" in row.rpartition(" | ")[2] for row in rows)
