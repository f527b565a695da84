"""How far CNMF's factorisation has come, and what that is worth, beside the toolbox's array.

    python benchmarks/cnmf_convergence.py [--steps 50 100 200] [--rounds 1 3] [--folder GOLDEN]

The pair is the Hyperion crop of the golden cases, which come with the tests. Both terms of the
objective are given, the root mean square of what the fused cube, seen by either camera, misses of
either image; the cube's without the outer ring of samples, which was simulated with another PSF.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pansharpkit.methods.base import Context
from pansharpkit.methods.hs.cnmf import Cnmf, CnmfOptions
from pansharpkit.methods.hs.hyperspectral import observe, srf_of
from pansharpkit.metrics import reference as rr
from pansharpkit.model import ObservationModel, Psf
from pansharpkit.physics import Observation, Optics
from pansharpkit.sampling import Sampling

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
CASE, RATIO = "hs_paris_small", 4


def arrays(path: Path) -> dict[str, Tensor]:
    """Return the arrays of a file as float64, images as [C, H, W]."""
    with np.load(path) as stored:
        found = {name: torch.from_numpy(stored[name].astype(np.float64)) for name in stored.files}
    return {name: x.permute(2, 0, 1) if x.ndim == 3 else x for name, x in found.items()}


def pair(inputs: dict[str, Tensor]) -> Observation:
    """Return the pair with its true PSF and response."""
    psf = inputs["psf_inner_8x8"] / inputs["psf_inner_8x8"].sum()
    model = ObservationModel(
        tuple(map(tuple, inputs["SRF"].tolist())), Psf(tuple(map(tuple, psf.tolist())))
    )
    optics = Optics((0.3,) * len(inputs["HSI"]), 0.3, model=model)
    return Observation.whole(inputs["HSI"], inputs["MSI"], Sampling.edge_aligned(RATIO), optics)


def row(name: str, seen: Observation, truth: Tensor, fused: Tensor) -> str:
    """Return a line of the table."""
    guide = seen.guide - torch.tensordot(srf_of(seen).double(), fused, dims=1)
    target = (seen.target - observe(seen, fused))[:, 1:-1, 1:-1]
    misfits = [1e3 * float(x.square().mean().sqrt()) for x in (guide, target)]
    mse = (fused - truth).square().mean(dim=(1, 2))
    psnr = float((10 * torch.log10(truth.amax(dim=(1, 2)).square() / mse)).mean())
    return (
        f"| {name} | {misfits[0]:.2f} | {misfits[1]:.2f} | {psnr:.2f} "
        f"| {rr.sam_deg(truth, fused):.3f} | {rr.ergas(truth, fused, ratio=RATIO):.3f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=GOLDEN)
    parser.add_argument("--steps", type=int, nargs="+", default=[50, 75, 100, 150, 200, 300])
    parser.add_argument("--rounds", type=int, nargs="+", default=[1, 3])
    args = parser.parse_args()
    torch.set_num_threads(1)
    inputs = arrays(args.folder / f"{CASE}_inputs.npz")
    seen, truth = pair(inputs), inputs["GT"]
    print("| | missed of the guide, 1e-3 | of the cube, 1e-3 | PSNR, mean of bands | SAM | ERGAS |")
    print("|---|---:|---:|---:|---:|---:|")
    print(row("toolbox", seen, truth, arrays(args.folder / f"{CASE}_fused.npz")["CNMF"]))
    for rounds in args.rounds:
        for steps in args.steps:
            method = Cnmf(CnmfOptions(iterations=steps, rounds=rounds))
            fused = method.fit([seen], Context(0)).apply([seen], Context(0))[0]
            print(row(f"{steps} steps, rounds: {rounds}", seen, truth, fused), flush=True)


if __name__ == "__main__":
    main()
