"""Which device a run is on, and which tiles it has."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from pansharpkit.errors import OptionError
from pansharpkit.methods.base import Method, guide_halo
from pansharpkit.observe import mask_reach
from pansharpkit.resources import affordable_tile
from pansharpkit.runs import RunOptions
from pansharpkit.scene import Scene
from pansharpkit.tiles import Tile, TilePlan, aligned_tile

_STRIP = 8192  # guide pixels; rows of tiles this wide share what was read in the cache of blocks


def resolve_device(device: str) -> str:
    """Return the torch device to use.

    Raises
    ------
    OptionError
        If a device is asked for by name that this machine does not have.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except RuntimeError:
        found = torch.device("meta")
    if found.type not in ("cpu", "cuda"):
        raise OptionError(f"there is no device {device!r}; use auto, cpu or cuda")
    if found.type == "cuda" and (found.index or 0) >= torch.cuda.device_count():
        raise OptionError(
            f"--device {device}: PyTorch finds {torch.cuda.device_count()} CUDA devices here; use "
            "--device auto"
        )
    return device


def side_by_side(method: Method, scene: Scene, device: str) -> bool:
    """Return whether tiles are computed several at a time.

    Methods whose tiles have to be blended optimise each of them: such a tile takes all threads for
    itself. So does a GPU.
    """
    return device == "cpu" and method.overlap(scene.sampling) == 0


def tile_plan(scene: Scene, method: Method, options: RunOptions) -> TilePlan:
    """Return the tiles of a run; the size is the user's where it changes what is computed."""
    sampling = scene.sampling
    overlap = method.overlap(sampling)
    halo = max(guide_halo(method, sampling), mask_reach(sampling))
    side = options.tile
    if side_by_side(method, scene, resolve_device(options.device)):
        bands = len(scene.target.names)
        side = affordable_tile(side, halo, bands, options.workers, options.ram_mb)
    tile = aligned_tile(side, sampling.ratio)
    if options.compat == "toolbox":  # its circular borders know only whole images
        tile = max(scene.extent.height, scene.extent.width)
    return TilePlan(scene.extent, scene.domain, tile, halo, min(overlap, tile // 2))


def assembled(plan: TilePlan) -> Iterator[Tile]:
    """Yield the tiles in the order in which a run writes them."""
    return iter(plan) if plan.overlap else plan.in_strips(_STRIP)
