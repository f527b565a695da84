"""The notebook of the documentation holds its script, and gives again what it shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DOCS = Path(__file__).parents[1] / "docs"
if not DOCS.is_dir():
    pytest.skip("the documentation is not part of the package", allow_module_level=True)

NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
METHODS = '("exp", "brovey", "gsa", "mtf-glp-fs")'
ONE = '("mtf-glp-fs",)'
LAST = "## Larger than memory"


@pytest.fixture(scope="module")
def notebook() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS))
        import notebook

        yield notebook


@pytest.fixture(scope="module")
def kept(notebook: ModuleType) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(notebook.NOTEBOOK.read_text(encoding="utf-8"))
    return found


def sources(cells: list[dict[str, Any]]) -> list[tuple[str, str, object]]:
    return [(c["cell_type"], "".join(c["source"]), c["metadata"].get("title")) for c in cells]


def test_the_notebook_holds_the_cells_of_its_script(
    notebook: ModuleType, kept: dict[str, Any]
) -> None:
    cells = notebook.cells(notebook.SCRIPT.read_text(encoding="utf-8"))
    assert sources(kept["cells"]) == sources(cells)
    counts = [c["execution_count"] for c in kept["cells"] if c["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))


def test_the_page_shows_text_and_pictures(notebook: ModuleType, kept: dict[str, Any]) -> None:
    text, pictures = notebook.page(kept)
    assert len(pictures) > 2
    assert all(content.startswith(b"\x89PNG") for content in pictures.values())
    assert re.findall(r"!\[[^\]]{8,}\]\((.+)\)", text) == list(pictures)
    assert max(map(len, text.splitlines())) < 1000
    assert "Warning" not in text
    assert notebook.NOTEBOOK.stat().st_size < 900_000


def test_a_cell_that_failed_makes_no_page(notebook: ModuleType) -> None:
    cell = {**notebook.cells("# %% Fail\nfail()\n")[0], "outputs": [{"output_type": "error",
            "evalue": "no such name"}]}  # fmt: skip
    with pytest.raises(ValueError, match="no such name"):
        notebook.page({"cells": [cell]})


def test_it_gives_what_it_shows(
    notebook: ModuleType, kept: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run anew what takes seconds: one method of those that it compares, and no file at the end."""
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    script = notebook.SCRIPT.read_text(encoding="utf-8")
    assert (script.count(METHODS), script.count(LAST)) == (1, 1)
    quick = script.partition(f"# %% [markdown]\n# {LAST}")[0].replace(METHODS, ONE)
    again, pictures = notebook.page(notebook.run(quick))
    shown, expected = notebook.page(kept)
    shown = shown.partition(LAST)[0].replace(METHODS, ONE)
    shown = re.sub(r"^(?:exp|brovey|gsa) .+\n", "", shown, flags=re.MULTILINE)
    assert list(pictures) == list(expected)
    assert NUMBER.sub("", again).split() == NUMBER.sub("", shown).split()
    found, known = (list(map(float, NUMBER.findall(text))) for text in (again, shown))
    assert found == pytest.approx(known, rel=0.02, abs=0.003)
