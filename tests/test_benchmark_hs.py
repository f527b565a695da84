"""The table of methods for cubes: a run goes on where another ended, and the best are marked."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
if not (FOLDER / "hs_quality.py").exists():
    pytest.skip("the benchmarks are not here", allow_module_level=True)
sys.path.insert(0, str(FOLDER))

import hs_quality  # noqa: E402
import hs_tables  # noqa: E402

CONDITIONS: dict[str, object] = {"seeds": 1, "blind": False}
FIGURES = {"psnr_db": 30.0, "sam_deg": 2.0, "ergas": 1.0, "ssim": 0.9, "cpu_s": 3.0}


def row(scene: str, method: str, **changed: object) -> dict[str, object]:
    return {"scene": scene, "method": method, **FIGURES, **changed}


def test_rows_are_kept_as_they_are_found(tmp_path: Path) -> None:
    path = tmp_path / "hs.json"
    kept = hs_quality.Kept(path, CONDITIONS)
    kept.add(row("a r4", "fuse"))
    kept.add(row("a r4", "cnmf"))
    kept.add(row("a r4", "fuse", psnr_db=31.0))  # run anew
    again = hs_quality.Kept(path, CONDITIONS)
    assert list(again.rows) == [("a r4", "fuse"), ("a r4", "cnmf")]
    assert again.rows["a r4", "fuse"]["psnr_db"] == 31
    assert [file.name for file in tmp_path.iterdir()] == ["hs.json"]
    with pytest.raises(SystemExit, match="other options"):
        hs_quality.Kept(path, {**CONDITIONS, "blind": True})


def test_the_best_of_each_pair_is_bold_and_a_gap_is_empty() -> None:
    rows = [row("a", "x"), row("a", "y", psnr_db=31.0, sam_deg=2.5), row("b", "x")]
    text = hs_tables.document([*rows, {"scene": "b", "method": "y", "error": "too small"}])
    assert "| a | 30.00 | **31.00** |" in text
    assert "| a | **2.00** | 2.50 |" in text
    assert "| b | **30.00** |  |" in text
    assert "| a | 3.00 | 3.00 |" in text  # seconds are no matter of being best
    assert "| y | 1 | 31.00 | 2.50 | 1.000 | 0.9000 | 3.00 | 1 | 0 |" in text
    assert "b, y: too small" in text
