"""What a DIMAP version 2 file (DIM_*.XML) says of one image."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Literal

import rasterio
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError

from pansharpkit.errors import GridError, MetadataError
from pansharpkit.grid import Window
from pansharpkit.readers.archive import ProductFiles
from pansharpkit.readers.tiled import Layer, find_file
from pansharpkit.readers.toa import parse_time
from pansharpkit.readers.xmltree import Node, read_xml, whole

_DIM_NAME = re.compile(r"(^|/)DIM_[^/]*\.XML$", re.IGNORECASE)
_CHANNELS = ("RED_CHANNEL", "GREEN_CHANNEL", "BLUE_CHANNEL", "ALPHA_CHANNEL")
_MOST_TILES = 10_000
Kind = Literal["pan", "ms", "pansharpened"]


@dataclass(frozen=True)
class Image:
    """One image of a delivery, PAN or MS, and what is known of it."""

    name: str
    """Name of the DIMAP file among the product's files."""
    root: Node

    @property
    def label(self) -> str:
        """Name of the DIMAP file without its folder."""
        return self.root.label

    @property
    def folder(self) -> str:
        """Where the files lie, with a slash at the end, or empty."""
        return self.name[: self.name.rfind("/") + 1]

    @property
    def mission(self) -> str:
        """Satellite, such as ``PHR1A``, ``PNEO3`` or ``SPOT6``."""
        text = f"{self.root.text('MISSION') or ''}{self.root.text('MISSION_INDEX') or ''}"
        return text.replace(" ", "").replace("-", "").upper()

    @property
    def codes(self) -> tuple[str, ...]:
        """Identifiers of the bands in the order of the files: P, or B0 ..., or R, G, B, NIR ..."""
        return tuple(code for group in self._groups() for code in self._order(group))

    @property
    def kind(self) -> Kind:
        """What the image can be in a pair."""
        processing = (self.root.text("SPECTRAL_PROCESSING") or "").upper()
        if processing.startswith(("PMS", "PXS")):
            return "pansharpened"
        if processing in ("PAN", "P"):
            return "pan"
        if processing.startswith(("MS", "XS")):
            return "ms"
        return "pan" if len(self.codes) == 1 else "ms"

    @property
    def time(self) -> datetime | None:
        """When the image was taken."""
        date, hour = self.root.text("IMAGING_DATE"), self.root.text("IMAGING_TIME")
        if date and hour:
            return parse_time(f"{date}T{hour}", "IMAGING_TIME", self.label)
        centre = self.root.text("Located_Geometric_Values/TIME")
        return parse_time(centre, "TIME", self.label) if centre else None

    @property
    def processing(self) -> str:
        """Radiometric processing: BASIC, REFLECTANCE, LINEAR_STRETCH, ...; old files say none."""
        return (self.root.text("RADIOMETRIC_PROCESSING") or "BASIC").upper()

    def special_value(self, name: str) -> float | None:
        """Return the pixel value that means NODATA or SATURATED, if there is one."""
        for node in self.root.all("Special_Value"):
            if (node.text("SPECIAL_VALUE_TEXT") or "").upper() == name:
                return node.number("SPECIAL_VALUE_COUNT")
        return None

    @property
    def crs(self) -> str | None:
        """Code of the CRS, such as ``urn:ogc:def:crs:EPSG::32630``, if it is one."""
        projected = self.root.find("Projected_CRS") is not None
        code = self.root.text("PROJECTED_CRS_CODE" if projected else "GEODETIC_CRS_CODE")
        try:
            with rasterio.Env():  # messages of PROJ to the log
                CRS.from_user_input(code)
        except (CRSError, ValueError):
            return None
        return code

    @property
    def transform(self) -> Affine | None:
        """Geotransform, if the metadata give one."""
        insert = self.root.find("Geoposition_Insert")
        if insert is None:
            return None
        dx, dy = insert.number("XDIM"), insert.number("YDIM")
        if dx <= 0 or dy <= 0:
            raise MetadataError(f"{self.label}: XDIM and YDIM must be positive")
        transform = Affine(dx, 0, insert.number("ULXMAP"), 0, -dy, insert.number("ULYMAP"))
        centred = (self.root.text("PIXEL_CRS_TYPE") or "CELL").upper() == "POINT"
        return transform @ Affine.translation(-0.5, -0.5) if centred else transform

    def check_projected(self) -> None:
        """Refuse an image that is not on a map.

        Raises
        ------
        GridError
            Saying what to do first.
        """
        geometry = self.root.text("RASTER_GEOMETRY"), self.root.text("PROCESSING_LEVEL")
        if "SENSOR" not in [(text or "").upper() for text in geometry]:
            return
        raise GridError(
            f"{self.label}: is a primary (SENSOR) image in the geometry of the sensor, without a "
            "geotransform. Orthorectify PAN and MS first, with the RPC_*.XML beside them and an "
            "elevation model (gdalwarp -rpc -to RPC_DEM=dem.tif), and give the two rasters"
        )

    def layers(self, files: ProductFiles, names: Mapping[str, str]) -> list[Layer]:
        """Return where the pixels lie, one layer for each set of files.

        Parameters
        ----------
        names : what to call the bands, by their identifiers.

        Raises
        ------
        MetadataError
            If tiles are not described, one is not listed, or the bands are not as many as stated.
        """
        stated = self.root.text("NBANDS")
        if stated is not None and whole(stated, "NBANDS", self.label) != len(self.codes):
            raise MetadataError(
                f"{self.label}: NBANDS = {stated}, but {len(self.codes)} bands are described "
                f"({', '.join(self.codes)}); get the product again"
            )
        return [self._layer(files, group, names) for group in self._groups()]

    def _groups(self) -> list[Node]:
        """Return the sets of files; Pléiades Neo has one for RGB and one for NIR, RE and DB."""
        groups = list(self.root.all("Data_Access/Data_Files"))
        if not groups:
            raise MetadataError(f"{self.label}: has no Data_Files; get the whole product")
        return groups

    def _order(self, group: Node) -> tuple[str, ...]:
        """Return the bands of a set of files in their order.

        A list of indices says it. Without one, red, green, blue and infrared stand in the order of
        the display channels, whatever their identifiers.
        """
        display = group.find("Raster_Display") or self.root.find("Raster_Display")
        indices = [] if display is None else list(display.all("Raster_Index"))
        if indices:
            listed = [(i.integer("BAND_INDEX"), i.require("BAND_ID")) for i in indices]
            if sorted(i for i, _ in listed) == list(range(1, len(listed) + 1)):
                listed.sort()
            return tuple(code for _, code in listed)
        shown = [] if display is None else [display.text(channel) for channel in _CHANNELS]
        channels = tuple(dict.fromkeys(code for code in shown if code))
        measured = (node.require("BAND_ID") for node in self.root.all("Band_Radiance"))
        every = tuple(dict.fromkeys((*channels, *measured)))
        return every or ("P",)

    def _layer(self, files: ProductFiles, group: Node, names: Mapping[str, str]) -> Layer:
        size = self.root.integer("NROWS"), self.root.integer("NCOLS")
        if min(size) < 1:
            raise MetadataError(f"{self.label}: NROWS and NCOLS must be positive")
        listed = self._listed(group)
        tiling = self.root.find("Regular_Tiling")
        if tiling is None:
            if len(listed) > 1:
                raise MetadataError(
                    f"{self.label}: lists {len(listed)} tiles without a Regular_Tiling to place "
                    "them; get the product again"
                )
            places, overlap = {(1, 1): Window(0, 0, *size)}, (0, 0)
            listed = {(1, 1): next(iter(listed.values()))}
        else:
            overlap = _overlap(tiling)
            places = self._places(tiling, size, overlap)
        self._check_listed(listed, places)
        return Layer(
            label=self.label,
            names=tuple(names.get(code, code) for code in self._order(group)),
            files=tuple(find_file(files, self.folder, listed[p], self.label) for p in places),
            places=tuple(places.values()),
            size=size,
            overlap=overlap,
            transform=self.transform,
        )

    def _listed(self, group: Node) -> dict[tuple[int, int], str]:
        """Return the file of each tile, by row and column from 1."""
        listed: dict[tuple[int, int], str] = {}
        for node in group.all("Data_File"):
            path = node.find("DATA_FILE_PATH")
            href = path.attributes.get("href", "") if path else ""
            place = (
                whole(node.attributes.get("tile_R", "1"), "tile_R", self.label),
                whole(node.attributes.get("tile_C", "1"), "tile_C", self.label),
            )
            if not href or place in listed:
                problem = "listed twice" if place in listed else "listed without a file"
                raise MetadataError(
                    f"{self.label}: tile R{place[0]}C{place[1]} is {problem}; get the product again"
                )
            listed[place] = href
        if not listed:
            raise MetadataError(f"{self.label}: Data_Files lists no file; get the whole product")
        return listed

    def _places(
        self, tiling: Node, size: tuple[int, int], overlap: tuple[int, int]
    ) -> dict[tuple[int, int], Window]:
        """Return the pixels of each tile; those at the end are cut to the image."""
        count = _pair(tiling, "NTILES_COUNT", ("ntiles_R", "ntiles_C"))
        tile = _pair(tiling, "NTILES_SIZE", ("nrows", "ncols"))
        step = tile[0] - overlap[0], tile[1] - overlap[1]
        if min(*count, *step) < 1 or count[0] * count[1] > _MOST_TILES:
            raise MetadataError(f"{self.label}: {count[0]} x {count[1]} tiles of {tile} pixels")
        image = Window(0, 0, *size)
        places = {
            (r + 1, c + 1): Window(r * step[0], c * step[1], *tile).clip(image)
            for r, c in product(range(count[0]), range(count[1]))
        }
        last = places[count]
        if last.empty or last.stop != size:
            raise MetadataError(
                f"{self.label}: {count[0]} x {count[1]} tiles of {tile[1]} x {tile[0]} pixels do "
                f"not make an image of {size[1]} x {size[0]}; get the product again"
            )
        return places

    def _check_listed(
        self, listed: Mapping[tuple[int, int], str], places: Mapping[tuple[int, int], Window]
    ) -> None:
        for wrong, problem in (
            (sorted(set(places) - set(listed)), "is not listed; get the whole product"),
            (sorted(set(listed) - set(places)), "lies outside the image; get the product again"),
        ):
            if wrong:
                row, col = wrong[0]
                raise MetadataError(f"{self.label}: tile R{row}C{col} {problem}")


def find_images(files: ProductFiles) -> list[Image]:
    """Return every image that a DIMAP file among the files describes."""
    images = []
    for name in files.names:
        if _DIM_NAME.search(name):
            root = read_xml(files.fetch([name])[name])
            if root.tag not in ("Dimap_Document", "PHR_DIMAP_Document"):
                raise MetadataError(f"{root.label}: is no DIMAP document; get the product again")
            version = root.find("METADATA_FORMAT")
            if version is not None and version.attributes.get("version", "2").startswith("1"):
                raise MetadataError(f"{root.label}: is DIMAP version 1, only 2 is supported")
            images.append(Image(name, root))
    return images


def is_dim(name: str) -> bool:
    """Whether the name is that of a DIMAP file that describes an image."""
    return _DIM_NAME.search(name) is not None


def _overlap(tiling: Node) -> tuple[int, int]:
    if tiling.find("NTILES_OVERLAP") is not None:
        return _pair(tiling, "NTILES_OVERLAP", ("nrows", "ncols"))
    rows, cols = tiling.text("OVERLAP_ROW") or "0", tiling.text("OVERLAP_COL") or "0"
    return whole(rows, "OVERLAP_ROW", tiling.label), whole(cols, "OVERLAP_COL", tiling.label)


def _pair(node: Node, path: str, names: tuple[str, str]) -> tuple[int, int]:
    found = node.find(path)
    if found is None:
        raise MetadataError(f"{node.label}: has no {path}; get the whole product")
    first, second = (
        whole(found.attributes.get(name, ""), f"{path} {name}", node.label) for name in names
    )
    return first, second
