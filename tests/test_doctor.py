"""`pansharpkit doctor`: what it finds on a healthy machine, and on broken ones."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command_line import environment, pansharpkit, subprocess_of

from pansharpkit import doctor
from pansharpkit.doctor import Finding, examination, fusion, software, surroundings
from pansharpkit.doctor.apart import Apart

NAMES = [
    "program", "machine", "settings", "temporary folder", *software.PACKAGES, "torch", "gdal",
    "codecs", "sensors", "fusion gsa", "fusion mtf-glp-fs",
]  # fmt: skip


def stub(folder: Path, name: str, text: str) -> None:
    """Put a module of that name in front of the true one."""
    (folder / f"{name}.py").write_text(text, encoding="utf-8")


@pytest.fixture
def examined(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """Findings that the command gets instead of real ones; a test may add to them."""
    found = [Finding("numpy", "ok", "2.4.0"), Finding("codecs", "note", "DEFLATE; missing LERC")]
    monkeypatch.setattr(doctor, "examine", lambda progress: found)
    return found


@pytest.mark.slow
def test_this_installation_is_healthy() -> None:
    done = subprocess_of("doctor", "--json")
    assert (done.code, done.stderr) == (0, "")
    assert done.json["verdict"] == "healthy"
    found = {each["name"]: each for each in done.json["findings"]}
    assert list(found) == NAMES
    assert "DEFLATE" in found["codecs"]["facts"]["present"]
    assert found["sensors"]["facts"]["presets"] > 40
    assert found["torch"]["facts"]["threads"] == 1
    assert "judged" in found["fusion mtf-glp-fs"]["said"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise ImportError('libtorch_cpu.so: cannot open')", "libtorch_cpu.so: cannot open"),
        ("import os, sys\nprint('Illegal opcode', file=sys.stderr, flush=True)\nos.abort()",
         "crashed the program by signal SIGABRT: Illegal opcode"),
    ],
)  # fmt: skip
def test_a_broken_torch_is_said_in_one_line(tmp_path: Path, text: str, said: str) -> None:
    stub(tmp_path, "torch", text)
    path = f"{tmp_path}:{environment()['PYTHONPATH']}"
    done = subprocess_of("doctor", "--json", env={"PYTHONPATH": path})
    assert (done.code, done.stderr) == (1, "")
    assert done.json["verdict"] == "ill"
    found = {each["name"]: each for each in done.json["findings"]}
    assert list(found) == NAMES
    assert found["torch"]["state"] == "failed"
    assert said in found["torch"]["said"]
    assert "\n" not in found["torch"]["said"]
    assert found["gdal"]["state"] == "ok"
    assert found["fusion gsa"]["state"] == "skipped"
    assert found["fusion gsa"]["said"] == "first cure torch"


def test_what_hangs_or_is_missing_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub(tmp_path, "h5py", "import time\ntime.sleep(60)")
    stub(tmp_path, "dask", "import sys\nsys.exit(3)")
    monkeypatch.syspath_prepend(str(tmp_path))
    with Apart(patience_s=4) as apart:
        assert apart.check("safetensors", "package", "safetensors").state == "ok"
        assert "code 3" in apart.check("dask", "package", "dask").said
        assert "no answer within 4 s" in apart.check("h5py", "package", "h5py").said
        assert "install it" in apart.check("nosuch", "package", "nosuch_package").said


def test_a_library_that_computes_wrongly_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = tuple(replace(band, mean=band.mean + 1) for band in fusion.KNOWN["gsa"])
    monkeypatch.setitem(fusion.KNOWN, "gsa", wrong)
    found = fusion.fused("gsa")
    assert found.state == "failed"
    assert found.said.count("instead of") == 4
    assert "cannot be trusted" in found.said


@pytest.mark.parametrize(
    ("cuda", "count", "driver", "state", "said"),
    [
        (None, 0, False, "ok", "a build without CUDA: the CPU is used"),
        (None, 0, True, "note", "there is an NVIDIA driver: install the build for it"),
        ("12.6", 0, True, "note", "there is an NVIDIA driver: renew it"),
        ("12.6", 2, True, "ok", "CUDA 12.6: GPU 0; GPU 1"),
    ],
)
def test_what_is_said_of_gpus(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    cuda: str | None,
    count: int,
    driver: bool,
    state: str,
    said: str,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(software, "_device", lambda number, expected: f"GPU {number}")
    monkeypatch.setattr(software, "NVIDIA_DRIVER", tmp_path if driver else tmp_path / "none")
    found = software.torch_()
    assert (found.state, found.facts["cuda"]) == (state, cuda)
    assert said in found.said


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_every_gpu_convolves() -> None:
    found = software.torch_()
    assert found.state == "ok"
    assert len(found.facts["devices"]) == torch.cuda.device_count()  # type: ignore[arg-type]


def test_missing_codecs_and_drivers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(software, "CODECS", ("DEFLATE", "NOSUCH"))
    assert software.codecs().state == "note"
    assert "missing NOSUCH" in software.codecs().said
    monkeypatch.setattr(software, "NEEDED_CODECS", ("NOSUCH",))
    assert software.codecs().state == "failed"
    monkeypatch.setattr(software, "DRIVERS", {"GTiff": "GeoTIFF", "NOSUCH": "nothing"})
    assert software.gdal().said.endswith("missing NOSUCH (nothing)")


def test_a_preset_of_the_user_that_cannot_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANSHARPKIT_SENSORS", str(tmp_path))
    assert software.sensors().state == "ok"
    (tmp_path / "mine.toml").write_text("id = ", encoding="utf-8")
    found = software.sensors()
    assert (found.state, found.facts["own"]) == ("failed", ("mine",))
    assert "mine.toml" in found.said


def test_settings_name_what_is_honoured_and_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    monkeypatch.setenv("PANSHARPKIT_FUSE_METHOD", "gsa")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    found = surroundings.settings()
    assert found.state == "ok"
    assert "PANSHARPKIT_FUSE_METHOD=gsa" in found.said
    assert "hidden" not in json.dumps(found.to_dict())
    monkeypatch.setenv("OMP_NUM_THREADS", "100000")
    assert surroundings.settings().state == "note"


def test_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPL_TMPDIR", str(tmp_path))
    found = surroundings.temporary_folder()
    assert found.facts["path"] == str(tmp_path)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(surroundings, "ROOM_MB", 1 << 40)
    assert surroundings.temporary_folder().state == "note"
    monkeypatch.setenv("CPL_TMPDIR", str(tmp_path / "nowhere"))
    assert surroundings.temporary_folder().state == "failed"


def test_the_machine_as_far_as_the_system_tells(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name\t: Some CPU @ 2 GHz\n")
    (tmp_path / "meminfo").write_text("MemTotal: 4096 kB\nMemAvailable:    2048 kB\n")
    (tmp_path / "memory.max").write_text("1073741824\n")
    assert surroundings.processor(tmp_path / "cpuinfo") == "Some CPU @ 2 GHz"
    assert surroundings.processor(tmp_path / "none") != ""
    assert surroundings.available_mb(tmp_path / "meminfo") == 2
    assert surroundings.available_mb(tmp_path / "none") is None
    assert surroundings.limit_mb(tmp_path / "memory.max") == 1024
    (tmp_path / "memory.max").write_text("max\n")
    assert surroundings.limit_mb(tmp_path / "memory.max") is None
    assert surroundings.machine().facts["cores"] >= 1  # type: ignore[operator]


def test_verdict_and_exit_code(examined: list[Finding]) -> None:
    done = pansharpkit("doctor")
    assert done.code == 0
    assert "All is well" in done.stdout
    assert pansharpkit("doctor", "--quiet").stdout == ""
    examined.append(Finding("torch", "failed", "cannot be imported: [red]no such file[/]"))
    done = pansharpkit("doctor")
    assert done.code == 1
    assert "[red]no such" in done.stdout  # what a library says is no markup
    assert done.stdout.rstrip().endswith("Does not work: torch.")
    assert pansharpkit("doctor", "-q").code == 1


@pytest.mark.parametrize("plain", [True, False])
def test_colours_respect_the_environment(plain: bool, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pansharpkit import doctor\n"
        "from pansharpkit_cli import app\n"
        "doctor.examine = lambda progress: [doctor.Finding('numpy', 'ok', '2')]\n"
        "sys.argv = ['pansharpkit', 'doctor']\n"
        "sys.exit(app._run(False))\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code, encoding="utf-8")
    env = environment(FORCE_COLOR="1", TERM="xterm", **({"NO_COLOR": "1"} if plain else {}))
    done = subprocess.run(
        [sys.executable, str(script)], env=env, capture_output=True, text=True, check=True
    )
    assert ("\x1b[32m" in done.stdout) is not plain


def test_checks_are_the_documented_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(Apart, "check", lambda self, name, kind, what="": Finding(name, "ok", kind))
    found = examination.examine(lambda stage, done, total: seen.append((done, total)))
    assert [each.name for each in found] == NAMES
    assert seen[-1] == (len(seen) - 1, len(seen))
