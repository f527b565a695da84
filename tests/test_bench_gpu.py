"""The benchmark of the GPU runs from end to end, in sizes that any machine can do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command_line import ROOT, environment

SCRIPT = ROOT / "benchmarks" / "bench_gpu.py"
if not SCRIPT.is_file():
    pytest.skip("the benchmarks are not part of the package", allow_module_level=True)


def bench(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(
        command, env=environment(**env), capture_output=True, text=True, check=False
    )


def test_without_a_gpu_it_says_so() -> None:
    done = bench(CUDA_VISIBLE_DEVICES="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "bench-gpu needs a CUDA device, and PyTorch finds none here\n"


def test_bars_are_judged_by_what_was_found() -> None:
    sys.path.insert(0, str(SCRIPT.parent))
    from gpu_bars import BARS, verdicts

    found = {
        "peak TFLOP/s": {"float32": 50.0, "bfloat16": 500.0},
        "scenenet, whole scene": {"total_s": 42.0},
        "gdd, whole scene": {"total_s": 700.0, "mpx_per_s": 0.32},
        "gdd, rate": {"tflop_per_s": 5.0},
    }
    lines = verdicts(found, ["gdd"])
    assert len(lines) == len(BARS) + 1
    assert [line.rpartition(" ")[2] for line in lines[:2]] == ["holds", "HOLD"]
    assert lines[3].endswith("not measured")
    assert lines[-1] == "gdd, of the device's measured peak: 10 % of float32, 1 % of bfloat16"


@pytest.mark.slow
def test_every_measurement_is_made(tmp_path: Path) -> None:
    done = bench("--device", "cpu", "--small", "--json", str(tmp_path / "found.json"))
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["peak TFLOP/s"]["float32"] > 0
    assert found["reference at one tile"]["times_faster"] > 0
    for name in ("scenenet", "gdd"):
        if "skipped" in found.get(name, {}):
            continue
        assert found[f"{name}, rate"]["gflop"] > 0
        assert found[f"{name}, whole scene"]["mpx_per_s"] > 0
        assert 0 < found[f"{name}, seams"]["border_gradient_ratio"] < 3
        assert found[f"{name}, device against CPU"]["largest_difference_dn"] == 0
        assert found[f"{name}, twice"]["same_pixels"] is True


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_it_runs_on_a_gpu() -> None:
    assert bench("--small").returncode == 0
