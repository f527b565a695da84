"""`pansharpkit assess`: full-resolution indices of a fused raster, without a reference."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pansharpkit_cli import console
from pansharpkit_cli import options as o
from pansharpkit_cli.scenes import Naming, Pixels, Trust, scene_request
from pansharpkit_cli.spread import spread


@spread
def assess(
    fused: Annotated[Path, typer.Option("--fused", help="Raster to judge.")],
    pan: Annotated[
        Path, typer.Option("--pan", "--guide", help="The PAN or other guide that it was made with.")
    ],
    ms: Annotated[
        list[Path],
        typer.Option(
            "--ms", "--cube", help="The MS or cube it was made with; repeat for single bands."
        ),
    ],
    naming: Naming,
    model: o.ModelPath = None,
    nodata: o.NodataIn = None,
    compat: o.CompatName = None,
    assume_crs: o.AssumeCrs = None,
    allow_remote: o.AllowRemote = False,
    threads: o.Threads = None,
    min: o.Min = None,
    max: o.Max = None,
    json: o.AsJson = False,
) -> None:
    """Judge at full resolution: QNR, HQNR and the guards against ringing and colour drift."""
    from pansharpkit import judge
    from pansharpkit.gate import judged

    o.set_threads(threads)
    gate = o.gate(min, max)
    scene = scene_request(
        [str(pan), *(str(path) for path in ms)],
        naming,
        Pixels(nodata=nodata),
        Trust(assume_crs, allow_remote),
        model=model,
    )
    with console.progress_bar(json) as progress, console.notices(quiet=False):
        found = judge.assess(scene, fused, compat=o.compat(compat), progress=progress)
    missed = gate.missed(judged(found.indices, found.registration)) if gate.bars else None
    values = found.indices | ({} if missed is None else {"missed": missed})
    if json:
        console.print_json(values)
    else:
        console.print_pairs("Full resolution", values)
    console.judge(missed)
