"""Any ENVI image: a header (.hdr) and a file of bare numbers.

Hyperion, AVIRIS and most research cubes come like this.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pansharpkit.errors import FileReadError, InputError, MetadataError
from pansharpkit.readers.archive import ProductFiles
from pansharpkit.readers.cubes.livebands import live_cube
from pansharpkit.readers.cubes.raster import band_names
from pansharpkit.readers.cubes.recognise import recognise
from pansharpkit.readers.cubes.spectra import in_nm
from pansharpkit.readers.envi.header import (
    Header,
    Layout,
    read_header,
    read_layout,
    read_nodata,
)
from pansharpkit.readers.envi.place import read_grid
from pansharpkit.readers.envi.source import EnviSource
from pansharpkit.readers.product import UNNAMED, Cube, ReadOptions, Scaling
from pansharpkit.readers.safe_open import check_regular, printable
from pansharpkit.spectra import Spectra

_DATA_SUFFIXES = ("", ".img", ".dat", ".bsq", ".bil", ".bip", ".raw", ".bin", ".cube", ".cub")
_CARRIED = ("description", "sensor type", "acquisition time", "cloud cover", "sun elevation")
_LONGEST_TAG = 1000


def is_header(name: str) -> bool:
    """Whether the name is that of an ENVI header."""
    return name.lower().endswith(".hdr")


def is_envi_data(name: str) -> bool:
    """Whether the name is that of a file which only an ENVI header can explain."""
    return PurePosixPath(name).suffix.lower() in _DATA_SUFFIXES[1:]


def open_envi(files: ProductFiles, name: str, options: ReadOptions) -> Cube:
    """Open an ENVI image by the name of its header or of its data file.

    Raises
    ------
    FileReadError
        If header or data are missing, or the data are shorter than the header says.
    MetadataError
        If the header is broken, or a list in it does not fit the bands.
    InputError
        If the kind of file is not supported, the data do not belong to the header, or no band
        holds an image.
    GridError
        If its map info cannot be understood.
    """
    found = _opened(files, name, options)
    header, spectra = found.header, found.spectra
    cube = Cube(
        source=found.source,
        spectra=spectra,
        sensor_id=recognise(spectra),
        metadata=_metadata(header),
        notices=found.notices,
        scaling=_scaling(header, found.source.layout.count),
    )
    return live_cube(cube, options, found.good)


def open_envi_bands(
    files: ProductFiles, name: str, options: ReadOptions | None = None
) -> EnviSource:
    """Open all bands of an ENVI image, dead ones too, by the name of its header or data file.

    Raises
    ------
    InputError
        As `open_envi` does.
    """
    return _opened(files, name, options or ReadOptions()).source


def envi_spectra(files: ProductFiles, name: str) -> Spectra | None:
    """Return where the bands of an ENVI image lie, all of them; None if its header does not say.

    Raises
    ------
    InputError
        As `open_envi` does.
    """
    return _opened(files, name, ReadOptions()).spectra


@dataclass(frozen=True)
class _Opened:
    """The numbers and what the header says of them."""

    source: EnviSource
    header: Header
    spectra: Spectra | None
    good: tuple[bool, ...]
    notices: tuple[str, ...]


def _opened(files: ProductFiles, name: str, options: ReadOptions) -> _Opened:
    header_name, data_name = header_and_data(files, name)
    paths = files.fetch([header_name, data_name])
    header, path = read_header(paths[header_name]), paths[data_name]
    label = printable(PurePosixPath(data_name).name)
    check_regular(path, label)
    layout = read_layout(header)
    _check_size(layout, path, label, header, options)
    good = tuple(flag > 0 for flag in header.numbers("bbl", layout.count) or ())
    spectra, notices = _spectra(header, layout.count, good)
    nodata, said = options.marker(read_nodata(header), layout.dtype, header.label)
    source = EnviSource(
        path=path,
        layout=layout,
        grid=read_grid(header, layout.height, layout.width, options.assume_crs),
        names=_names(header, layout.count, spectra),
        nodata=nodata,
        indexes=tuple(range(layout.count)),
        label=label,
        keep=files,
    )
    return _Opened(source, header, spectra, good, (*notices, *said))


def header_and_data(files: ProductFiles, name: str) -> tuple[str, str]:
    """Return the names of header and data: x.hdr or x.img.hdr with x.img, whatever their case.

    Raises
    ------
    FileReadError
        If one is missing, or several may belong to the header.
    """
    by_lower = {other.lower(): other for other in files.names}
    shown = printable(PurePosixPath(name).name)
    if not is_header(name):
        stem = name[: len(name) - len(PurePosixPath(name).suffix)]
        found = [
            by_lower[f"{n.lower()}.hdr"] for n in (name, stem) if f"{n.lower()}.hdr" in by_lower
        ]
        if not found:
            raise FileReadError(f"{shown}: has no header {shown}.hdr beside it; get it, or convert "
                                "the image to GeoTIFF")  # fmt: skip
        return found[0], name
    stem = name[: -len(".hdr")]
    found = [by_lower[key] for s in _DATA_SUFFIXES if (key := (stem + s).lower()) in by_lower]
    if len(found) != 1:
        problem = f"may belong to any of {', '.join(map(printable, found))}" if found else (
            "has no data file beside it")  # fmt: skip
        raise FileReadError(f"{shown}: {problem}; give the data file, named {printable(stem)} or "
                            f"{printable(stem)}.img")  # fmt: skip
    return name, found[0]


def _check_size(
    layout: Layout, path: Path, label: str, header: Header, options: ReadOptions
) -> None:
    if layout.height * layout.width > options.max_pixels:
        raise InputError(
            f"{header.label}: says {layout.width} x {layout.height} pixels, at most "
            f"{options.max_pixels} are allowed; raise --max-pixels if this is right"
        )
    size = path.stat().st_size
    shape = f"{layout.count} bands of {layout.height} x {layout.width} {layout.dtype.name}"
    if size < layout.end:
        raise FileReadError(
            f"{label}: is truncated ({size} bytes, {layout.end} expected by {header.label} for "
            f"{shape}); copy it again, or correct the header"
        )
    if size - layout.end >= layout.width * layout.dtype.itemsize:
        raise InputError(
            f"{label}: has {size} bytes, {header.label} explains {layout.end} ({shape}); correct "
            "samples, lines, bands, data type or header offset"
        )


def _spectra(
    header: Header, count: int, good: tuple[bool, ...]
) -> tuple[Spectra | None, tuple[str, ...]]:
    centers = header.numbers("wavelength", count)
    if centers is None:
        return None, (f"{header.label}: names no wavelengths",)
    unit, fwhm = header.text("wavelength units"), header.numbers("fwhm", count)
    return in_nm(centers, unit, header.label, fwhm=fwhm, good=good)


def _names(header: Header, count: int, spectra: Spectra | None) -> tuple[str, ...]:
    given = header.items("band names") or ()
    if len(given) == count and len(set(given)) == count and all(given):
        return given
    if spectra is not None:
        return band_names(spectra)
    return tuple(f"{UNNAMED} {i}" for i in range(1, count + 1))


def _scaling(header: Header, count: int) -> tuple[Scaling, ...] | None:
    gains = header.numbers("data gain values", count)
    offsets = header.numbers("data offset values", count)
    if gains is not None and 0 in gains:
        raise MetadataError(f"{header.label}: data gain values holds 0, which scales a band away; "
                            "correct it, or remove the entry")  # fmt: skip
    if gains is not None or offsets is not None:
        pairs = zip(gains or (1.0,) * count, offsets or (0.0,) * count, strict=True)
        return tuple(pairs)
    factor = header.number("reflectance scale factor")
    if factor is None:
        return None
    if factor <= 0:
        raise MetadataError(f"{header.label}: reflectance scale factor = {factor:g}, must be > 0")
    return ((1 / factor, 0.0),) * count


def _metadata(header: Header) -> dict[str, str]:
    found = {key.replace(" ", "_").upper(): header.text(key) for key in _CARRIED}
    return {k: v for k, v in found.items() if v is not None and len(v) <= _LONGEST_TAG}
