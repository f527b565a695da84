"""One tile: read it, fuse it, and what happens where that fails."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from pansharpkit.batches import Batches, Uploaded, Uploader, batch_limit
from pansharpkit.errors import FusionError
from pansharpkit.methods import create
from pansharpkit.methods.base import Context, Fitted
from pansharpkit.observe import FitSample, Observer, output_mask
from pansharpkit.parts import Fused
from pansharpkit.physics import Observation
from pansharpkit.radiometry import cast
from pansharpkit.runs import RunOptions
from pansharpkit.scene import Block
from pansharpkit.tiles import Tile

FALLBACK = "mtf-glp-fs"
"""Classical method for tiles on which another one fails."""
BANDS_FALLBACK = "gsa-hs"
"""The same beside a guide of several bands."""


@dataclass(frozen=True)
class Read:
    """A tile's pixels, and the same on their way to the GPU."""

    block: Block
    uploaded: Uploaded | None = None


class TileWork:
    """What is done with each tile of a run, in any order, by any thread or process.

    Parameters
    ----------
    halo : guide pixels around a tile that the method looks at.
    blended : whether neighbouring tiles overlap, so that their pixels are not final yet.
    uncertain : whether standard deviations come after the fused bands.
    """

    def __init__(
        self,
        observer: Observer,
        fitted: Fitted,
        options: RunOptions,
        context: Context,
        *,
        halo: int,
        blended: bool,
        uncertain: bool = False,
    ) -> None:
        self._observer = observer
        self._fitted = fitted
        self._options = options
        self._context = context
        self._halo = halo
        self._blended = blended
        self._uncertain = uncertain
        self._dtype = np.dtype(options.dtype or observer.scene.target.dtype)
        on_gpu = torch.device(context.device).type == "cuda"
        self._upload = Uploader(context.device) if on_gpu else None
        self.batch = batch_limit(fitted, context.device, int(blended))
        """Tiles to be read for one call."""
        self._batches = Batches(fitted, context) if self.batch > 1 else None
        self._fallback: Fitted | None = None
        self._one_at_a_time = threading.Lock()

    def read(self, tile: Tile) -> Read:
        """Read a tile, and send it to the GPU if that is where it goes."""
        block = self._observer.read(tile.padded, self._halo)
        if self._upload is None or not output_mask(block).any():
            return Read(block)
        here = replace(self._observer, device="cpu")
        return Read(block, self._upload(here.observation(block, tile.padded, tile.index)))

    def fuse(self, tiles: tuple[Tile, ...], reads: list[Read]) -> list[Fused]:
        """Fuse tiles, in batches where the method wants them; what failed there, one by one."""
        seen = [self._seen(*pair) for pair in zip(tiles, reads, strict=True)]
        made: dict[int, torch.Tensor] = {}
        if self._batches is not None:
            made = self._batches.apply([observation for observation in seen if observation])
        return [
            self._fuse(tile, read.block, observation, made.get(tile.index))
            for tile, read, observation in zip(tiles, reads, seen, strict=True)
        ]

    def stored(
        self, values: NDArray[np.float32], valid: NDArray[np.bool_], fault: str | None = None
    ) -> Fused:
        """Return working values, and their deviations if there are any, as they are written."""
        bands = len(self._observer.scene.target.names)
        stored = self._observer.working.to_stored(values)
        options = self._options
        pixels = cast(stored[:bands], valid, self._dtype, options.nodata, options.bit_depth)
        if not self._uncertain:
            return Fused(pixels, valid, fault)
        deviation = np.where(valid, stored[bands:], np.nan).astype(np.float32)
        return Fused(pixels, valid, fault, deviation)

    def _seen(self, tile: Tile, read: Read) -> Observation | None:
        """Return what the method gets to see of a tile, if it has pixels."""
        if read.uploaded is not None:
            return read.uploaded.ready()
        if not output_mask(read.block).any():
            return None
        return self._observer.observation(read.block, tile.padded, tile.index)

    def _fuse(
        self,
        tile: Tile,
        block: Block,
        observation: Observation | None,
        made: torch.Tensor | None,
    ) -> Fused:
        """Fuse a tile's blended window, unless that was made in a batch already."""
        inner = tile.blended.relative_to(tile.padded).slices
        valid, fault = output_mask(block)[inner], None
        bands = block.target.shape[0] * (2 if self._uncertain else 1)
        values = np.zeros((bands, *valid.shape), np.float32)
        if observation is not None and valid.any():
            fused, fault = self._apply_safely(observation, inner, made)
            values = fused.float().cpu().numpy()
        return Fused(values, valid, fault) if self._blended else self.stored(values, valid, fault)

    def _apply_safely(
        self, observation: Observation, inner: tuple[slice, slice], made: torch.Tensor | None
    ) -> tuple[torch.Tensor, str | None]:
        """Return the inner part of a fused tile, and what went wrong on the way, if anything."""
        try:
            if made is None:
                made = self._fitted.apply([observation], self._context)[0]
            fused = made[:, *inner]
            if bool(torch.isfinite(fused.sum())) or bool(torch.isfinite(fused).all()):
                return fused, None
            failure = "the result is not finite"
        except torch.cuda.OutOfMemoryError:
            if self._options.device != "auto":
                raise FusionError(
                    f"tile {observation.index} does not fit into GPU memory; use a smaller --tile"
                ) from None
            torch.cuda.empty_cache()
            on_cpu = replace(self._context, device="cpu")
            fused = self._fitted.apply([observation.to("cpu")], on_cpu)[0][:, *inner]
            return fused, "did not fit into GPU memory and ran on the CPU"
        except (FusionError, torch.linalg.LinAlgError) as error:  # type: ignore[attr-defined]
            failure = str(error)
        fused = self._classical().apply([observation], self._context)[0][:, *inner]
        if self._uncertain:
            fused = torch.cat([fused, torch.full_like(fused, torch.nan)])
        return fused, f"fell back to {self._classical_name}: {failure}"

    @property
    def _classical_name(self) -> str:
        scene = self._observer.scene
        beside = FALLBACK if len(scene.guide.names) == 1 else BANDS_FALLBACK
        return scene.fallback or beside

    def _classical(self) -> Fitted:
        with self._one_at_a_time:
            if self._fallback is None:
                method = create(self._classical_name)
                sample = FitSample(self._observer, method.halo(self._observer.scene.sampling))
                self._fallback = method.fit(sample, self._context)
            return self._fallback
