"""Where the finished tiles of a run are kept, and what they depend on."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from pansharpkit.engine import resolve_device, tile_plan
from pansharpkit.errors import FusionError, InputError
from pansharpkit.fingerprint import Fingerprint
from pansharpkit.methods.base import Method, Progress
from pansharpkit.parts import Parts
from pansharpkit.provenance import versions
from pansharpkit.requested import Prepared
from pansharpkit.runs import RunOptions, RunResult, Sink
from pansharpkit.scene import Scene

log = logging.getLogger(__name__)

_SHAPING = ("pansharpkit", "torch", "numpy", "platform")
"""What a result depends on besides options and pixels; the rest only reads and writes."""


def parts_folder(output: Path) -> Path:
    """Return the hidden folder beside an output where its finished tiles are kept.

    >>> parts_folder(Path("out/fused.tif")).as_posix()
    'out/.fused.tif.tiles'
    """
    return output.parent / f".{output.name}.tiles"


class TileRunner(Protocol):
    """Has the tiles of a scene fused by other processes."""

    def settled(self, scene: Scene, method: Method, options: RunOptions) -> RunOptions:
        """Return options that leave nothing to the machine they are used on."""
        ...

    def run(
        self,
        scene: Scene,
        method: Method,
        sink: Sink,
        options: RunOptions,
        progress: Progress | None,
        parts: Parts,
        deviations: Sink | None = None,
    ) -> RunResult:
        """Do what `engine.run` does, with tiles that come by way of `parts`."""
        ...


@contextmanager
def kept_tiles(
    output: Path,
    ready: Prepared,
    options: RunOptions,
    inputs: Iterable[Path],
    *,
    resume: bool,
    keep: bool = False,
    say: Callable[[str], None],
) -> Iterator[Parts | None]:
    """Keep finished tiles while a scene is fused, if that is asked for or pays.

    It pays where each tile is optimised by itself. With `keep`, they are kept whether it pays or
    not: tiles of other processes come that way. With `resume`, those of a run that ended early
    are used if they fit, and `say` is told why they do not. Once the run succeeds they are gone; so
    they are when it fails for a reason that they share.
    """
    if not resume:
        shutil.rmtree(parts_folder(output), ignore_errors=True)
        if not (keep or ready.method.overlap(ready.scene.sampling)):
            yield None
            return
    parts = parts_of(output, ready, options, inputs)
    if differing := parts.open():
        say(f"finished tiles of another run are not used: {'; '.join(differing)}")
    elif found := len(parts):
        log.info("%d finished tiles are taken from %s", found, parts.folder)
    try:
        yield parts
    except (InputError, FusionError):
        parts.remove()
        raise
    except BaseException:
        if found := len(parts):
            log.warning("%d finished tiles are kept; --resume goes on from there", found)
        else:
            parts.remove()
        raise
    parts.remove()


def parts_of(output: Path, ready: Prepared, options: RunOptions, inputs: Iterable[Path]) -> Parts:
    """Return the place of a run's tiles, which knows what they depend on; reads the inputs.

    Raises
    ------
    InputError
        If one of the files is gone.
    """
    about = {
        **{f"input {path}": Fingerprint.of(path).sha256 for path in inputs},
        **{f"option {name}": _stated(value) for name, value in ready.options.items()},
        **_scene(ready.scene),
        **_run(ready, options),
        **{f"version of {name}": versions()[name] for name in _SHAPING},
        "method": ready.name,
    }
    return Parts(parts_folder(output), about)


def _stated(value: object) -> object:
    """Return an option's value, with the contents of a file that it names."""
    if isinstance(value, str | Path) and Path(value).is_file():
        return [str(value), Fingerprint.of(Path(value)).sha256]
    if isinstance(value, Mapping):
        return {str(key): str(entry) for key, entry in value.items()}
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)


def _scene(scene: Scene) -> dict[str, object]:
    extent = scene.extent
    return {
        "bands": list(scene.target.names),
        "guide bands": list(scene.guide.names),
        "extent": [extent.row, extent.col, extent.height, extent.width],
        "shift": list(scene.shift),
        "sensor": repr(scene.sensor),
        "model": repr(scene.model),
    }


def _run(ready: Prepared, options: RunOptions) -> dict[str, object]:
    plan = tile_plan(ready.scene, ready.method, options)
    return {
        "tiles": [plan.tile, plan.halo, plan.overlap],
        "seed": options.seed,
        "device": resolve_device(options.device).partition(":")[0],
        "compat": options.compat,
        "dtype": options.dtype,
        "nodata": str(options.nodata),
        "bit depth": options.bit_depth,
    }
