"""Run a method on images of one resolution, into any sink."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from pansharpkit.engine import RunOptions, RunResult, run
from pansharpkit.methods import create, effective_options
from pansharpkit.methods.base import Progress
from pansharpkit.parts import Parts
from pansharpkit.requested import Prepared
from pansharpkit.runs import Sink
from pansharpkit.same.colour import ColourSink
from pansharpkit.same.intake import Opened
from pansharpkit.same.request import DEFAULTS, SameTask


def prepared(
    opened: Opened, task: SameTask, name: str | None, options: Mapping[str, object]
) -> Prepared:
    """Return the method asked for, or that of the task, for images that are open.

    Raises
    ------
    OptionError
        If the method or an option is unknown, or it is a method of other tasks.
    """
    chosen = (name or DEFAULTS[task]).lower()
    method = create(chosen, options, task)
    return Prepared(opened.scene, method, chosen, effective_options(chosen, options))


def run_images(
    opened: Opened,
    ready: Prepared,
    sink: Sink,
    options: RunOptions,
    progress: Progress | None = None,
    parts: Parts | None = None,
) -> RunResult:
    """Run a method; what it makes of luminances gets its colour on the way to the sink.

    `options` say of which type the pixels in the sink are to be.

    Raises
    ------
    FusionError
        If memory does not suffice, or the method fails.
    """
    if opened.colours is None:
        return run(opened.scene, ready.method, sink, options, progress, parts=parts)
    dtype = np.dtype(options.dtype or opened.reference.dtype)
    coloured = ColourSink(sink, opened.colours, opened.scene.extent, dtype, options.nodata)
    inner = own_options(opened, options)
    found = run(opened.scene, ready.method, coloured, inner, progress, parts=parts)
    low, high = (tuple(int(n) for n in side) for side in (coloured.low, coloured.high))
    return replace(found, low=low, high=high)


def own_options(opened: Opened, options: RunOptions) -> RunOptions:
    """Return the options that the method itself is run with: luminances are not rounded."""
    if opened.colours is None:
        return options
    return replace(options, dtype="float32", nodata=float("nan"), bit_depth=None)
