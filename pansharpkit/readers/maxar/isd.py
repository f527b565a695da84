"""What Maxar's image support data (.IMD with .TIL, or one .XML) say of one image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from pansharpkit.errors import GridError, MetadataError
from pansharpkit.grid import Window
from pansharpkit.readers.archive import ProductFiles
from pansharpkit.readers.maxar.pvl import Group, group_of, read_pvl
from pansharpkit.readers.tiled import Layer, find_file
from pansharpkit.readers.xmltree import read_xml

_PART = re.compile(r"_(P\d{3})$", re.IGNORECASE)
_OTHER_XML = re.compile(r"(^|/)(DIM|VOL|RPC|LUT|STRIP|GROUND|HEIGHT|PROC)_|README|LAYOUT|_MTL\.")
_BANDS_OF_ID = {
    "P": "P",
    "MULTI": "B G R N",
    "BGRN": "B G R N",
    "RGB": "R G B",
    "NRG": "N R G",
    "N": "N",
    "MS1": "N R G B",
    "MS2": "N2 RE Y C",
}
"""Bands by bandId, for metadata without a group for each band."""
_EIGHT_BANDS = "C B G Y R RE N N2"
Kind = Literal["pan", "ms", "swir", "pansharpened"]


@dataclass(frozen=True)
class Image:
    """One image of a delivery, PAN or MS, and what is known of it."""

    stem: str
    """Path of the metadata file among the product's files, without suffix."""
    imd: Group
    til: Group | None
    rpb: str | None
    """Name of the file with the rational polynomial coefficients, if there is one."""

    @property
    def label(self) -> str:
        """Name of the metadata file."""
        return self.imd.label

    @property
    def folder(self) -> str:
        """Where the files lie, with a slash at the end, or empty."""
        return self.stem[: self.stem.rfind("/") + 1]

    @property
    def part(self) -> str:
        """Number of the part of the order, such as ``P001``; empty if the name has none."""
        found = _PART.search(self.stem)
        return found[1].upper() if found else ""

    @property
    def images(self) -> list[Group]:
        """The acquisitions that the image was made of."""
        return [g for g in self.imd.groups if re.fullmatch(r"image(_\d+)?", g.name.casefold())]

    @property
    def satellite(self) -> str | None:
        """Code of the satellite, such as ``WV02``."""
        return self.first("satId")

    def first(self, *keys: str) -> str | None:
        """Return a value from the file's top, an acquisition, or the map projection."""
        for group in (self.imd, *self.images, *self.imd.starting("map_projected")):
            if (value := group.get(*keys)) is not None:
                return value
        return None

    @property
    def codes(self) -> tuple[str, ...]:
        """Codes of the bands, in the order of the file: P, or C, B, G, Y, R, RE, N, N2."""
        groups = self.imd.starting("band_")
        if groups:
            return tuple(group.name[5:].upper() for group in groups)
        identity = self.imd.require("bandId").upper()
        if identity == "MULTI" and (self.satellite or "").upper() in ("WV02", "WV03"):
            return tuple(_EIGHT_BANDS.split())
        if identity not in _BANDS_OF_ID:
            self.imd.reject(
                "bandId",
                "is not known, and no BAND_ groups say which bands it means; fuse the PAN and MS "
                "images themselves, with --sensor and --band-names",
            )
        return tuple(_BANDS_OF_ID[identity].split())

    @property
    def kind(self) -> Kind:
        """What the image can be in a pair."""
        if (self.imd.get("panSharpenAlgorithm") or "None").upper() != "NONE":
            return "pansharpened"
        if self.codes == ("P",):
            return "pan"
        return "swir" if all(re.fullmatch(r"S\d", code) for code in self.codes) else "ms"

    @property
    def catalogue_ids(self) -> frozenset[str]:
        """Identifiers of the acquisitions."""
        return frozenset(value for g in self.images if (value := g.get("catId")) is not None)

    def check_projected(self) -> None:
        """Refuse an image that is not on a map.

        Raises
        ------
        GridError
            Saying what to do first.
        """
        level = self.imd.get("productLevel") or ""
        kind = self.imd.get("imageDescriptor") or ""
        if level.upper() != "LV1B" and "BASIC" not in kind.upper():
            return
        model = self.rpb.rpartition("/")[2] if self.rpb else "its .RPB, which is missing here,"
        raise GridError(
            f"{self.label}: is a Basic (1B) image in the geometry of the sensor, without a "
            f"geotransform. Orthorectify PAN and MUL first, with {model} and an elevation model "
            "(gdalwarp -rpc -to RPC_DEM=dem.tif), and give the two rasters"
        )

    def layer(self, files: ProductFiles, names: Sequence[str]) -> Layer:
        """Return where the pixels lie.

        Raises
        ------
        MetadataError
            If tiles are not described, or their description makes no sense.
        """
        size = self.imd.integer("numRows"), self.imd.integer("numColumns")
        if min(size) < 1:
            raise MetadataError(f"{self.label}: numRows and numColumns must be positive")
        tiles: tuple[tuple[str, Window], ...]
        if self.til is None:
            tiles = ((self._only_raster(files), Window(0, 0, *size)),)
            overlap = 0
        else:
            tiles = tuple(self._tile(files, group) for group in _tiles(self.til))
            overlap = self.til.integer("tileOverlap") if self.til.get("tileOverlap") else 0
        return Layer(
            label=self.label if self.til is None else self.til.label,
            names=tuple(names),
            files=tuple(name for name, _ in tiles),
            places=tuple(place for _, place in tiles),
            size=size,
            overlap=(overlap, overlap),
        )

    def _only_raster(self, files: ProductFiles) -> str:
        """Return the raster of an image that no .TIL describes."""
        stem = PurePosixPath(self.stem).name.casefold()
        rasters = [
            name
            for name in files.names
            if name.startswith(self.folder)
            and "/" not in name[len(self.folder) :]
            and re.search(r"\.(tiff?|jp2|ntf)$", name, re.IGNORECASE)
        ]
        if any(re.search(r"_R\d+C\d+", name, re.IGNORECASE) for name in rasters):
            raise MetadataError(
                f"{self.label}: the image is in tiles, but the .TIL file that places them is "
                "missing; get the whole product"
            )
        same = [n for n in rasters if PurePosixPath(n).stem.casefold() == stem]
        return same[0] if same else f"{self.stem}.TIF"

    def _tile(self, files: ProductFiles, group: Group) -> tuple[str, Window]:
        name = group.require("filename")
        if "/" in name or "\\" in name:
            group.reject("filename", "is not a bare file name")
        row, col = group.integer("ULRowOffset"), group.integer("ULColOffset")
        height = group.integer("LRRowOffset") - row + 1
        width = group.integer("LRColOffset") - col + 1
        if height < 1 or width < 1:
            group.reject("LRRowOffset", "and LRColOffset lie before the upper left corner")
        return find_file(files, self.folder, name, group.label), Window(row, col, height, width)


def _tiles(til: Group) -> list[Group]:
    """Return the groups of the tiles, all of them."""
    groups = [g for g in til.groups if re.fullmatch(r"tile(_\d+)?", g.name.casefold())]
    stated = til.integer("numTiles")
    if len(groups) != stated or not groups:
        raise MetadataError(
            f"{til.label}: numTiles = {stated}, but {len(groups)} tiles are described; the file is "
            "cut off, get it again"
        )
    return groups


def find_images(files: ProductFiles) -> list[Image]:
    """Return every image that text or XML metadata among the files describe."""
    stems = {_stem(name): name for name in files.names if _suffix(name) == "imd"}
    images = [_from_text(files, stem, name) for stem, name in stems.items()]
    for name in files.names:
        if _suffix(name) == "xml" and not _OTHER_XML.search(name.upper()):
            stem = _stem(name)
            if stem not in stems and (image := _from_xml(files, stem, name)) is not None:
                images.append(image)
    return images


def is_isd(name: str) -> bool:
    """Whether the name may be that of Maxar metadata: .IMD or .TIL."""
    return _suffix(name) in ("imd", "til")


def _from_text(files: ProductFiles, stem: str, name: str) -> Image:
    til = _sibling(files, stem, "til")
    paths = files.fetch([name, *([til] if til else [])])
    return Image(
        stem,
        read_pvl(paths[name]),
        read_pvl(paths[til]) if til else None,
        _sibling(files, stem, "rpb"),
    )


def _from_xml(files: ProductFiles, stem: str, name: str) -> Image | None:
    """Return the image that an XML file describes; None if it is about something else."""
    root = read_xml(files.fetch([name])[name])
    imd, til = root.find("IMD"), root.find("TIL")
    if imd is None:
        return None
    rpb = name if root.find("RPB") is not None else _sibling(files, stem, "rpb")
    return Image(stem, group_of(imd), None if til is None else group_of(til), rpb)


def _sibling(files: ProductFiles, stem: str, suffix: str) -> str | None:
    return next((n for n in files.names if _suffix(n) == suffix and _stem(n) == stem), None)


def _stem(name: str) -> str:
    return name.rpartition(".")[0]


def _suffix(name: str) -> str:
    return name.rpartition(".")[2].lower()
