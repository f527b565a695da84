"""The writer: windows in any order, from any thread; a file under its final name only if whole."""

from __future__ import annotations

import contextlib
import glob
import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.io import DatasetWriter

from pansharpkit.errors import OutputError
from pansharpkit.grid import Window
from pansharpkit.writer.envi import EnviFile, create_envi, data_path, header_path
from pansharpkit.writer.flush import Flusher, sync
from pansharpkit.writer.layout import (
    ENVI,
    RAW,
    Layout,
    copy_to_layout,
    create_partial,
)
from pansharpkit.writer.lock import OutputLock
from pansharpkit.writer.manifest import Manifest, describe
from pansharpkit.writer.picture import PICTURES, copy_to_picture, layout_of, options_of
from pansharpkit.writer.preflight import SUFFIXES, check_folder, check_output, explain, sidecars
from pansharpkit.writer.profile import OutputProfile
from pansharpkit.writer.verify import Sample, raster_window, verify
from pansharpkit.writer.windows import check_window, merged

log = logging.getLogger(__name__)


def open_output(
    path: Path | str,
    profile: OutputProfile,
    *,
    overwrite: bool = False,
    inputs: Sequence[Path] = (),
    cog: bool = True,
    threads: int | None = None,
    pictures: bool = False,
) -> RasterWriter:
    """Return a writer to be used in a ``with`` block.

    The name of the file says whether it is a GeoTIFF or an ENVI image, or, if `pictures` are
    allowed, a PNG or JPEG file; `cog=False` writes a plain tiled GeoTIFF.
    """
    path = Path(path)
    layout = layout_of(path, cog=cog, pictures=pictures)
    return RasterWriter(
        data_path(path), profile, layout, overwrite=overwrite, inputs=inputs, threads=threads
    )


class RasterWriter:
    """Writes one raster; see `open_output`.

    On entry everything that can be known to be wrong is checked. Windows go to a hidden partial
    file in the target's folder, which is compressed at once unless a COG is wanted: overviews come
    first in that. On a clean exit the file is read back, copied to its final layout if it must be,
    read back again and renamed; `manifest` then describes it. On an exception everything is
    removed, and a file that was to be replaced stays as it was.
    """

    def __init__(
        self,
        path: Path,
        profile: OutputProfile,
        layout: Layout,
        *,
        overwrite: bool,
        inputs: Sequence[Path],
        threads: int | None = None,
    ) -> None:
        self._path = path.absolute()
        self._profile = profile
        self._layout = layout
        self._is_picture = layout in PICTURES.values()
        self._options = options_of(self._path, layout, profile, threads)
        self._overwrite = overwrite
        self._inputs = tuple(inputs)
        hidden = self._path.parent / f".{self._path.name}"
        self._partials = f"{hidden}.partial-"
        self._lock = OutputLock(Path(f"{hidden}.lock"), self._path)
        self._mutex = threading.Lock()
        self._dataset: DatasetWriter | EnviFile | None = None
        self._flusher: Flusher | None = None
        self._written = np.empty((0, 4), np.int64)
        self._samples: list[Sample] = []
        self._manifest: Manifest | None = None

    @property
    def manifest(self) -> Manifest:
        """What was written.

        Raises
        ------
        OutputError
            Before the ``with`` block has ended cleanly.
        """
        if self._manifest is None:
            raise OutputError(f"{self._path} is not finished")
        return self._manifest

    def check(self) -> None:
        """Refuse what cannot be written, before anything is computed; touch nothing.

        Raises
        ------
        OptionError, OutputError
            As `check_output` does; entering checks again.
        """
        try:
            self._check_output()
            self._lock.check()
        except OSError as error:
            raise self._explained(error) from error

    def _check_output(self) -> None:
        suffixes = tuple(PICTURES) if self._is_picture else SUFFIXES
        check_output(
            self._path, self._profile, overwrite=self._overwrite, inputs=self._inputs,
            suffixes=suffixes,
        )  # fmt: skip

    def __enter__(self) -> RasterWriter:
        check_folder(self._path)
        try:
            self._lock.acquire()
        except OSError as error:
            raise self._explained(error) from error
        try:
            self._remove_partials()  # of dead jobs: we hold the lock
            self._check_output()
            self._dataset = self._created()
            if self._layout.direct:  # other partial files are read once and deleted
                self._flusher = Flusher(self._partial)
        except BaseException as error:
            self._abandon()
            if isinstance(error, (OSError, rasterio.errors.RasterioError)):
                raise self._explained(error) from error
            raise
        return self

    def _created(self) -> DatasetWriter | EnviFile:
        """Create the partial file: the output itself if it takes windows in any order."""
        if self._layout is ENVI:
            return create_envi(self._partial, self._profile, self._options)
        options = self._options if self._layout.direct else RAW
        return create_partial(self._partial, self._profile, options)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._finish()
        except (OSError, rasterio.errors.RasterioError) as failure:
            raise self._explained(failure) from failure
        finally:
            self._abandon()

    def write(
        self,
        window: Window,
        values: NDArray[np.generic],
        valid: NDArray[np.bool_] | None = None,
    ) -> None:
        """Write a window, which must not overlap those written before.

        Parameters
        ----------
        values : [C, h, w] in the profile's type.
        valid : [h, w]; False pixels become nodata, or masked. A valid pixel that equals the nodata
            value is missing to every reader: `radiometry.cast` moves it aside.

        Raises
        ------
        OutputError
            If shape or type are not those announced, the window lies outside or was written
            already, pixels are missing and the output can neither hold nodata nor a mask, or the
            file cannot be written.
        """
        check_window(self._path, self._profile, window, values, valid)
        values, mask = merged(self._path, self._profile, values, valid)
        sample = Sample.of(window, values, mask)
        with self._mutex:
            if self._dataset is None:
                raise OutputError(f"{self._path}: the writer is not open")
            self._claim(window)
            try:
                self._dataset.write(values, window=raster_window(window))
                if mask is not None:
                    self._dataset.write_mask(mask, window=raster_window(window))
            except rasterio.errors.RasterioError as error:
                raise explain(self._path, self._profile, error) from error
            self._samples.append(sample)
            if self._flusher is not None:
                self._flusher.wrote(values.nbytes)

    def _claim(self, window: Window) -> None:
        box = np.array([[window.row, window.col, *window.stop]])
        rows = (self._written[:, 0] < window.stop[0]) & (self._written[:, 2] > window.row)
        cols = (self._written[:, 1] < window.stop[1]) & (self._written[:, 3] > window.col)
        if (rows & cols).any():
            raise OutputError(f"{self._path}: {window} was written already")
        self._written = np.concatenate([self._written, box])

    def _finish(self) -> None:
        """Verify, copy if need be, verify again, rename."""
        self._close()
        self._check_complete()
        final, masked = self._partial, self._profile.with_mask
        try:
            driver = "ENVI" if self._layout is ENVI else "GTiff"
            verify(final, self._samples, with_mask=masked, driver=driver)
            if self._is_picture:
                final = Path(f"{self._partial}.final")
                copy_to_picture(self._partial, final, self._layout, self._options, with_mask=masked)
            elif not self._layout.direct:
                final = Path(f"{self._partial}.final")
                copy_to_layout(self._partial, final, self._layout, self._options)
                verify(final, self._samples, with_mask=masked)
        except OutputError as error:
            raise explain(self._path, self._profile, error) from error
        manifest = describe(final, self._path, self._profile.digest())
        self._publish(final)
        self._manifest = manifest
        log.info("wrote %s (%d bytes)", self._path, manifest.bytes)

    def _publish(self, final: Path) -> None:
        """Rename; of two files the header comes last, so that there is no image before."""
        header = Path(f"{final}.hdr") if self._layout is ENVI else None
        for file in (final, header):
            if file is not None:
                sync(file)
        if header is not None:
            header_path(self._path).unlink(missing_ok=True)
        final.replace(self._path)
        for stale in sidecars(self._path):
            stale.unlink(missing_ok=True)
        if header is not None:
            header.replace(header_path(self._path))
        sync(self._path.parent)

    def _check_complete(self) -> None:
        top, left, bottom, right = self._written.T
        missing = self._profile.grid.height * self._profile.grid.width - int(
            ((bottom - top) * (right - left)).sum()
        )
        told = self._profile.nodata is not None or self._profile.with_mask
        if missing and (self._layout is ENVI or not told):
            raise OutputError(
                f"{self._path}: {missing} pixels were never written, and the output has neither a "
                "nodata value nor a mask for them"
            )

    @property
    def _partial(self) -> Path:
        return Path(f"{self._partials}{os.getpid()}")

    def _explained(self, error: BaseException) -> OutputError:
        if isinstance(error, OutputError):
            return error
        return explain(self._path, self._profile, error)

    def _close(self) -> None:
        if self._flusher is not None:
            self._flusher.close()
            self._flusher = None
        if self._dataset is not None:
            with rasterio.Env():  # else GDAL tells the terminal what went wrong, not us
                self._dataset.close()
            self._dataset = None

    def _abandon(self) -> None:
        """Leave nothing behind but what is finished."""
        with contextlib.suppress(OSError, rasterio.errors.RasterioError):
            self._close()  # on a full disk, closing fails too
        self._remove_partials()
        self._lock.release()

    def _remove_partials(self) -> None:
        for leftover in glob.glob(glob.escape(self._partials) + "*"):  # noqa: PTH207
            Path(leftover).unlink(missing_ok=True)
