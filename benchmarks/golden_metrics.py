"""Compare the indices with reference figures from the field's own toolboxes.

    python benchmarks/golden_metrics.py [FOLDER ...]

A folder holds a ``golden.json`` and the arrays that it names; the default is ``tests/golden``. For
each index the largest deviation over all cases and methods is printed, relative for ERGAS, and the
exit code is 1 if one lies above its tolerance.

Rows "streamed" come from the window-by-window entry point. Rows "from the pair" do too, with EXP
made from MS; the reference runs used a stored, rounded EXP, so that these differ by its rounding
(1/16 DN in ``tests/golden``) and have no tolerance.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from golden_cases import FOLDER, GoldenCase, cases  # noqa: E402
from golden_figures import deviations, relative  # noqa: E402

from pansharpkit.metrics import Raster, full_resolution, reduced_resolution  # noqa: E402
from pansharpkit.physics import Optics  # noqa: E402
from pansharpkit.sampling import Sampling  # noqa: E402

TOLERANCE = 1e-10
ERGAS_TOLERANCE = 1e-9
SINGLE_TOLERANCE = 2e-5
"""For D_rho, which the toolbox computes in single precision."""
WINDOW = 48
"""Deliberately small and odd: many windows, none of them a whole number of blocks."""
STREAMED = "streamed "
FROM_PAIR = "from the pair "
REDUCED = {
    "q2n": "Q2n_32", "q": "Q_avg", "sam_deg": "SAM", "ergas": "ERGAS", "scc": "SCC",
    "psnr_db": "PSNR_global", "psnr_band_mean_db": "PSNR_bandmean", "ssim": "SSIM_bandmean",
    "rmse": "RMSE",
}  # fmt: skip
FULL = {
    "d_lambda": "D_lambda", "d_lambda_alparone2008": "D_lambda_orig", "d_s": "D_s",
    "d_s_alparone2008": "D_s_orig", "qnr": "QNR", "d_lambda_k": "D_lambda_K", "hqnr": "HQNR",
}  # fmt: skip
Deviations = dict[str, float]


def tolerance(name: str) -> float | None:
    """Return the tolerance of a figure; None for those the stored arrays cannot give exactly."""
    if name.startswith(FROM_PAIR):
        return None
    if "ERGAS" in name:
        return ERGAS_TOLERANCE
    return SINGLE_TOLERANCE if "D_rho" in name else TOLERANCE


def streamed(case: GoldenCase, method: str) -> Deviations:
    """Return the deviations of the streaming entry points, in small windows."""
    if case.name.startswith("hs"):
        return {}
    fused = Raster.of(case.fused(method))
    if "FR" in case.name:
        indices = full_resolution(
            fused,
            Raster.of(case.input("PAN")),
            Raster.of(case.input("MS_LR")),
            Sampling.toolbox(case.ratio),
            Optics(case.gains, 0.5, "toolbox"),
            window=WINDOW,
        )
        prefix, names = FROM_PAIR, FULL
    else:
        assert case.peak is not None
        truth = Raster.of(case.input("GT"))
        indices = reduced_resolution(
            truth, fused, ratio=case.ratio, peak=case.peak, compat="toolbox", window=WINDOW
        )
        prefix, names = STREAMED, REDUCED
    figures = {name: indices.values[ours] for ours, name in names.items()}
    found = relative(figures, case.figures[method])
    return {prefix + name: value for name, value in found.items()}


def collect(folder: Path) -> tuple[dict[str, tuple[float, str]], int]:
    """Return each index's largest deviation and where it is, and the number of figures."""
    worst: dict[str, tuple[float, str]] = {}
    count = 0
    for case in cases(folder).values():
        for method in case.methods:
            found = {**deviations(case, method), **streamed(case, method)}
            count += len(found)
            for name, value in found.items():
                key = f"hs:{name}" if case.name.startswith("hs") else name
                worst[key] = max(worst.get(key, (-1.0, "")), (value, f"{case.name} {method}"))
    return worst, count


def show(folder: Path) -> bool:
    """Print the table of a folder; return whether all figures lie within their tolerance."""
    start = time.perf_counter()
    worst, count = collect(folder)
    print(f"{folder}: {count} figures in {time.perf_counter() - start:.1f} s")
    good = True
    for name, (value, where) in worst.items():
        limit = tolerance(name)
        verdict = "-" if limit is None else "ok" if value <= limit else "ABOVE"
        good &= verdict != "ABOVE"
        bound = "" if limit is None else f"{limit:.0e}"
        print(f"  {name:28} {value:9.2e}  {bound:6} {verdict:5}  {where}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, default=[FOLDER])
    results = [show(folder) for folder in parser.parse_args().folders]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
