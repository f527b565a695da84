"""Deliveries dressed as real ones: every file that comes with them, and the text around the facts.

The elements are those of public samples of DIMAP 2, which hold more than the facts that count.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import vendor_products
from affine import Affine
from command_line import pansharpkit
from vendor_products import Files, Raster, ground, write_dimap, write_dimap_image, write_maxar

from pansharpkit.readers import open_product

DRESSED = (
    (
        "<Dimap_Document>",
        '<?xml-stylesheet href="LIBRARY/STYLE.XSL" type="text/xsl"?><Dimap_Document version="1.1">'
        "<!-- strip --><Dataset_Content><Dataset_Components><Component><COMPONENT_TITLE>Strip "
        'Source</COMPONENT_TITLE><COMPONENT_PATH href="LINEAGE/STRIP_1_DIM.XML"/></Component>'
        "</Dataset_Components></Dataset_Content>",
    ),
    (
        "<Band_Measurement_List>",
        "<Radiometric_Calibration><Instrument_Calibration><Band_Measurement_List>"
        "<Band_Spectral_Range><BAND_ID>B0</BAND_ID><FWHM><MIN>.4</MIN></FWHM><GAIN>0</GAIN>"
        "<BIAS>0</BIAS></Band_Spectral_Range>",
    ),
    (
        "</Band_Measurement_List>",
        "</Band_Measurement_List></Instrument_Calibration></Radiometric_Calibration>",
    ),
    ("<IMAGING_TIME>{time}<", "<IMAGING_TIME>{time}Z<"),
)


def dress(monkeypatch: pytest.MonkeyPatch, *changes: tuple[str, str]) -> None:
    text = vendor_products.DIM
    for plain, dressed in (*DRESSED, *changes):
        assert plain in text
        text = text.replace(plain, dressed)
    monkeypatch.setattr(vendor_products, "DIM", text)


def add_the_rest(folder: Path) -> None:
    """Add what lies around the image: masks, previews, lineage, world files, coefficients."""
    for name in ("LINEAGE/STRIP_1_DIM.XML", "LINEAGE/GROUND_1_DIM.XML", "RPC_1.XML"):
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("<Dimap_Document/>")
    for name in ("INDEX.HTM", "PREVIEW_1.JPG", "CLD_1_MSK.GML", "DELIVERY.PDF"):
        (folder / name).write_text(name)
    for image in folder.glob("*.JP2"):
        with rasterio.open(image) as dataset:
            a = dataset.transform
        origin = a @ (0.5, 0.5)
        image.with_suffix(".J2W").write_text("\n".join(map(str, (a.a, 0, 0, a.e, *origin))))


@pytest.mark.parametrize("folders", [1, 2])
def test_airbus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folders: int) -> None:
    dress(monkeypatch)
    order = write_dimap(tmp_path / "order", suffix="JP2", spectral="P")
    pan, ms = sorted(order.glob("IMG_*"), reverse=True)
    path = next(ms.glob("DIM_*"))
    path.write_text(path.read_text().replace("PROCESSING>P<", "PROCESSING>MS<"))
    for folder in (pan, ms):
        add_the_rest(folder)
    if folders == 1:
        for file in ms.iterdir():
            if not (pan / file.name).exists():
                file.rename(pan / file.name)
    product = open_product([str(order / "VOL_PHR.XML")])
    assert product.sensor_id == "pleiades1a"
    assert product.scaling is not None
    assert product.target.names == ("Red", "Green", "Blue", "NIR")
    assert product.target.grid.transform == ground()[1].transform
    assert product.notices == ()


def test_airbus_in_degrees_without_tiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dress(
        monkeypatch,
        ("<NTILES>{count}</NTILES>{tiling}", ""),
        ("Projected_CRS>", "Geodetic_CRS>"),
        ("PROJECTED_CRS_CODE", "GEODETIC_CRS_CODE"),
        ("EPSG::32630", "EPSG::4326"),
    )
    monkeypatch.setattr(vendor_products, "UTM30", "EPSG:4326")
    images = zip(("PAN", "MS"), ground(), (1e-5, 2e-5), ("P", "RGBN"), strict=True)
    for kind, image, step, codes in images:
        raster = Raster(image.values, Affine(step, 0, 4.9, 0, -step, 45.7))
        write_dimap_image(
            tmp_path / kind, f"PHR1B_{kind}", raster, tuple(codes),
            [Files(f"IMG_{kind}", range(len(codes)), tuple(codes))], tiles=(1, 1), spectral=kind,
        )  # fmt: skip
    grid = open_product([str(tmp_path)]).target.grid
    assert grid.crs.to_epsg() == 4326
    np.testing.assert_allclose(grid.transform.a, 2e-5)


def test_maxar(tmp_path: Path) -> None:
    order = write_maxar(tmp_path / "order")
    for folder in order.glob("*_P001_*"):
        for name in ("BROWSE.JPG", "PIXEL_SHAPE.shp", "README.XML"):
            (folder / f"15JUN30104914-2AS-000000000000_01_P001-{name}").write_text("<x/>")
    (order / "GIS_FILES").mkdir()
    (order / "000000000000_01_README.XML").write_text("<x/>")
    assert open_product([str(order)]).target.names == ("Blue", "Green", "Red", "NIR1")


def test_a_folder_of_no_pair_says_what_goes_alone(tmp_path: Path) -> None:
    (tmp_path / "S2A_MSIL2A_20210630T105031.SAFE").mkdir()
    done = pansharpkit("info", tmp_path / "S2A_MSIL2A_20210630T105031.SAFE")
    assert done.code == 4
    assert "give two: the PAN or guide first" in done.stderr
