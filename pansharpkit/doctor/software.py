"""The libraries, tried rather than asked: each check imports one and lets it do a little work."""

from __future__ import annotations

import importlib
import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pansharpkit.doctor.finding import Fact, Finding, State

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

PACKAGES = ("numpy", "scipy", "pyproj", "h5py", "safetensors", "xarray", "dask")
CODECS = ("DEFLATE", "ZSTD", "LERC", "JPEG", "LZW", "WEBP")
NEEDED_CODECS = ("DEFLATE", "LZW")
DRIVERS = {
    "GTiff": "GeoTIFF",
    "COG": "the output",
    "ENVI": "ENVI images",
    "JP2OpenJPEG": "JPEG 2000: Sentinel-2, some Maxar and Airbus deliveries",
    "PNG": "pictures",
    "JPEG": "pictures",
    "HDF5": "not used: HDF5 is read by h5py",
}
NEEDED_DRIVERS = ("GTiff", "COG")
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
_TOLERANCE = 1e-3
_LOSS = 2.0  # counts


def package(name: str) -> Finding:
    """Return whether a package can be imported and does something simple."""
    importlib.import_module(name)
    _TRIED.get(name, lambda: None)()
    number = version(name)
    return Finding(name, "ok", number, {"version": number})


def _try_pyproj() -> None:
    from pyproj import Transformer

    change = Transformer.from_crs("EPSG:4326", "EPSG:32630", always_xy=True)
    east, north = change.transform(-3.0, 0.0)  # the middle of the zone, on the equator
    if abs(east - 500_000) > 1 or abs(north) > 1:
        raise ValueError(f"(-3, 0) became ({east:.0f}, {north:.0f}) in EPSG:32630")


def _try_h5py() -> None:
    import h5py

    with h5py.File("doctor.h5", "w", driver="core", backing_store=False) as file:
        file["values"] = [1.0, 2.0]
        if list(file["values"]) != [1.0, 2.0]:
            raise ValueError("an array did not come back as it was written")


def _try_safetensors() -> None:
    import numpy as np
    from safetensors.numpy import load, save

    values = np.arange(4, dtype=np.float32)
    if not np.array_equal(load(save({"values": values}))["values"], values):
        raise ValueError("an array did not come back as it was written")


_TRIED = {"pyproj": _try_pyproj, "h5py": _try_h5py, "safetensors": _try_safetensors}


def gdal() -> Finding:
    """Return the version of GDAL, its drivers, and that its PROJ knows a CRS."""
    import rasterio
    from rasterio.crs import CRS

    with rasterio.Env() as environment:
        known = environment.drivers()
        CRS.from_epsg(32630).to_wkt()
    present = tuple(name for name in DRIVERS if name in known)
    absent = [name for name in DRIVERS if name not in known]
    facts: dict[str, Fact] = {
        "rasterio": rasterio.__version__,
        "gdal": str(rasterio.__gdal_version__),
        "drivers": present,
        "missing": tuple(absent),
    }
    said = f"GDAL {facts['gdal']}, rasterio {facts['rasterio']}, drivers {', '.join(present)}"
    if absent:
        said += "; missing " + ", ".join(f"{name} ({DRIVERS[name]})" for name in absent)
    return Finding("gdal", _state(absent, NEEDED_DRIVERS), said, facts)


def codecs() -> Finding:
    """Return the compressions of a GeoTIFF that can be written and read back."""
    import numpy as np

    values = np.tile(np.arange(64, dtype=np.uint8), (3, 64, 1))
    absent = [name for name in CODECS if not _survives(values, name)]
    present = tuple(name for name in CODECS if name not in absent)
    facts: dict[str, Fact] = {"present": present, "missing": tuple(absent)}
    said = ", ".join(present) + (f"; missing {', '.join(absent)}" if absent else "")
    return Finding("codecs", _state(absent, NEEDED_CODECS), said, facts)


def _survives(values: NDArray[np.uint8], codec: str) -> bool:
    """Whether a raster comes back from memory; a codec with losses may change a few counts."""
    import numpy as np
    from affine import Affine
    from rasterio.errors import RasterioError
    from rasterio.io import MemoryFile

    count, height, width = values.shape
    try:
        with MemoryFile() as memory:
            with memory.open(
                driver="GTiff", compress=codec, interleave="pixel", dtype="uint8",
                count=count, height=height, width=width, transform=Affine.scale(2.0, -2.0),
            ) as made:  # fmt: skip
                made.write(values)
            with memory.open() as made:
                back = made.read()
                kept = made.tags(ns="IMAGE_STRUCTURE").get("COMPRESSION", "")
    except RasterioError:
        return False
    off = float(np.abs(back.astype(float) - values).mean())
    return codec in kept and off < _LOSS  # GDAL ignores a codec that it does not know


def _state(absent: list[str], needed: tuple[str, ...]) -> State:
    if set(absent) & set(needed):
        return "failed"
    return "note" if absent else "ok"


def torch_() -> Finding:
    """Return PyTorch's version, threads and devices; each device has to convolve."""
    import torch

    expected = _convolved(torch.device("cpu"))
    facts: dict[str, Fact] = {
        "version": torch.__version__,
        "threads": torch.get_num_threads(),
        "cuda": torch.version.cuda,
    }
    said = f"{torch.__version__}, {torch.get_num_threads()} threads"
    cuda = torch.version.cuda
    devices = [_device(i, expected) for i in range(torch.cuda.device_count() if cuda else 0)]
    facts["devices"] = tuple(devices)
    if devices:
        return Finding("torch", "ok", f"{said}; CUDA {cuda}: {'; '.join(devices)}", facts)
    said += f"; {f'CUDA {cuda}, no device' if cuda else 'a build without CUDA'}: the CPU is used"
    if not NVIDIA_DRIVER.exists() or "CUDA_VISIBLE_DEVICES" in os.environ:
        return Finding("torch", "ok", said, facts)
    remedy = "renew it, or install the build for it" if cuda else "install the build for it"
    return Finding("torch", "note", f"{said}; there is an NVIDIA driver: {remedy}", facts)


def _convolved(device: torch.device) -> torch.Tensor:
    import torch

    image = torch.linspace(0, 1, 64 * 64, device=device).reshape(1, 1, 64, 64)
    kernel = torch.full((1, 1, 3, 3), 1 / 9, device=device)
    return torch.nn.functional.conv2d(image, kernel).cpu()


def _device(number: int, expected: torch.Tensor) -> str:
    import torch

    found = torch.cuda.get_device_properties(number)
    off = float((_convolved(torch.device("cuda", number)) - expected).abs().max())
    if off > _TOLERANCE:
        raise ValueError(f"cuda:{number} ({found.name}) convolves wrongly, by {off:.2g}")
    return f"cuda:{number} {found.name}, {found.total_memory / 2**30:.0f} GB"


def sensors() -> Finding:
    """Return how many presets there are, and whether the user's own can be read."""
    from pansharpkit.errors import SensorError
    from pansharpkit.sensor import load_sensor
    from pansharpkit.sensor.catalogue import preset_files, user_folder

    files, folder = preset_files(), user_folder()
    own = [name for name, path in files.items() if path.parent == folder]
    facts: dict[str, Fact] = {"presets": len(files), "own": tuple(own), "folder": str(folder)}
    said = f"{len(files)} presets, {len(own)} of them yours, in {folder}"
    if len(files) == len(own):
        remedy = "none came with the package: install it again"
        return Finding("sensors", "failed", f"{said}; {remedy}", facts)
    for name in own:
        try:
            load_sensor(name)
        except SensorError as error:
            return Finding("sensors", "failed", f"{said}; {error}", facts)
    return Finding("sensors", "ok", said, facts)
