"""Images with rational polynomial coefficients in place of a grid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.rpc import RPC
from rasters import write_geotiff

from pansharpkit.errors import GridError
from pansharpkit.readers import ReadOptions, open_geotiff

NOISE = np.random.default_rng(0).integers(1, 4000, (1, 64, 64)).astype("u2")
ONE = [1.0] + [0.0] * 19
COEFFICIENTS = RPC(
    0, 500, 40, 0.1, ONE, [0.0, 0.0, 1.0] + [0.0] * 17, 32, 32, 3, 0.1, ONE,
    [0.0, 1.0] + [0.0] * 18, 32, 32, None, None,
)  # fmt: skip


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    ("image", "beside"),
    [
        ("16FEB_P001.TIF", "16FEB_P001.RPB"),
        ("scene_pan.tif", "scene_pan_RPC.TXT"),
        ("po_1_pan.tif", "po_1_pan_rpc.txt"),
        ("IMG_SPOT6_P_R1C1.TIF", "RPC_SPOT6_P_R1C1.XML"),
    ],
)
def test_beside_the_image(image: str, beside: str, tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / image, NOISE, None, None)
    with pytest.raises(GridError, match=r"has no geotransform; georeference"):
        open_geotiff(path)
    (tmp_path / beside).write_text("hostile \0 contents that nobody reads")
    with pytest.raises(GridError, match=rf"{image}: .*\({beside}\).*gdalwarp -rpc"):
        open_geotiff(path)


@pytest.mark.parametrize("sidecars", [True, False])
def test_inside_the_image(sidecars: bool, tmp_path: Path) -> None:
    path = tmp_path / "pan.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=64, height=64, count=1, dtype="uint16", rpcs=COEFFICIENTS
    ) as out:
        out.write(NOISE)
    for extra in tmp_path.glob("*.RPB"):
        extra.unlink()
    with pytest.raises(GridError, match=r"pan\.tif: .*\(in its own tags\).*gdalwarp -rpc"):
        open_geotiff(path, ReadOptions(sidecars=sidecars))


def test_an_image_with_both_is_placed_by_its_grid(tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / "a.tif", NOISE)
    (tmp_path / "a.RPB").write_text("")
    assert open_geotiff(path).grid.transform.a == 15
