"""Products among the files of an archive: whole folders, packed files, and single files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path, PurePosixPath

from pansharpkit.archive.dates import date_in, moment
from pansharpkit.archive.find.bundles import DIMAP, MAXAR, bundles
from pansharpkit.archive.find.catch import Catch
from pansharpkit.archive.find.naming import Draft, key_of
from pansharpkit.archive.find.walk import Folder, Walk
from pansharpkit.errors import FileReadError, InputError, PansharpkitError
from pansharpkit.readers.archive import is_archive
from pansharpkit.readers.cubes.desis import is_desis, is_desis_image
from pansharpkit.readers.cubes.enmap import is_enmap, is_enmap_image
from pansharpkit.readers.cubes.hyperion import is_hyperion
from pansharpkit.readers.cubes.prisma import is_prisma
from pansharpkit.readers.dimap.image import is_dim
from pansharpkit.readers.landsat.mtl import Mtl
from pansharpkit.readers.landsat.product import check_landsat, is_mtl
from pansharpkit.readers.maxar.isd import is_isd
from pansharpkit.readers.peek import names_in, names_of_first
from pansharpkit.readers.safe_open import check_regular, printable
from pansharpkit.readers.sentinel2 import holds_sentinel2
from pansharpkit.readers.zipped import is_packed, unpacker

_LANDSAT = re.compile(r"(^|/)L[COTEM]\d{2}_?[A-Z0-9_]*_(B\d+|QA_\w+|BQA|ANG|[SV][AZ]A)\.\w+$", re.I)
_BAND = re.compile(r"_(B\d+|BQA|QA_\w+|[SV][AZ]A)\.tiff?$", re.IGNORECASE)
_FORMS = ("txt", "json", "xml")
_PACKED = re.compile(r"\.(tar\.gz|tgz|tar|zip)$", re.IGNORECASE)
_ALONE = "is a cube without a finer image; name a guide for it in a CSV manifest"
_GUIDE = "is Sentinel-2, which has no PAN; it can guide a cube: name both in a CSV manifest"
_WITHOUT_GUIDE = {"cube": _ALONE, "sentinel2": _GUIDE}
_UNKNOWN = "is no product that is known, or is broken"


def products(found: Walk, catch: Catch) -> None:
    """Find the products of all families below a folder."""
    folders = _without_sentinel2(found.folders, catch)
    for folder in folders:
        _landsat(folder, found.root, catch)
        _cubes(folder, found.root, catch)
    bundles(MAXAR, folders, found, catch)
    bundles(DIMAP, folders, found, catch)
    unpacked = {Path(draft.inputs[0]) for draft in catch.drafts}
    for folder in folders:
        for name in filter(_is_packed, folder.names):
            _packed(folder, name, found.root, unpacked, catch)


def _is_packed(name: str) -> bool:
    return _PACKED.search(name) is not None


def _without_sentinel2(folders: Sequence[Folder], catch: Catch) -> tuple[Folder, ...]:
    """Return the folders that are no part of a Sentinel-2 product."""
    tops = [folder for folder in folders if holds_sentinel2(folder.names)]
    for top in tops:
        catch.leave(top.path, _GUIDE)
    inside = {top.place for top in tops}
    kept = []
    for folder in folders:  # each comes before those in it
        if folder.place in inside or (folder.place and folder.parent in inside):
            inside.add(folder.place)
            catch.take_rasters(folder)
        else:
            kept.append(folder)
    return tuple(kept)


def _landsat(folder: Folder, root: Path, catch: Catch) -> None:
    """Find the products whose metadata lie in a folder."""
    found: dict[str, list[str]] = {}
    for name in folder.names:
        if is_mtl(Path(name)):
            found.setdefault(name[: name.upper().rindex("_MTL.")], []).append(name)
    for stem, names in found.items():
        own = _files_of(folder, stem, alone=len(found) == 1)
        catch.taken.update(own.path / name for name in own.names)
        mtl = min(names, key=lambda name: _FORMS.index(name.rpartition(".")[2].lower()))
        path = folder.path if len(found) == 1 else folder.path / mtl
        if astray := [n for n in folder.outward if n.startswith(f"{stem}_") or _BAND.search(n)]:
            catch.leave(path, f"holds {astray[0]}, a link that leads out of the archive")
            continue
        try:
            metadata = check_landsat(own, mtl)
        except InputError as error:
            catch.leave(path, str(error))
            continue
        catch.drafts.append(
            Draft(
                wish=stem,
                inputs=(str(path),),
                family="landsat",
                key=key_of([path], root),
                parent=folder.place,
                acquired=_landsat_time(metadata) or date_in(stem),
                source=printable(str(folder.path / mtl)),
            )
        )


def _files_of(folder: Folder, stem: str, alone: bool) -> Folder:
    """Return the files of one of a folder's Landsat products."""
    start = f"{stem}_"
    own = [n for n in folder.names if n.startswith(start) or (alone and _BAND.search(n))]
    return replace(folder, names=tuple(own))


def _landsat_time(mtl: Mtl) -> datetime | None:
    date = mtl.get("DATE_ACQUIRED", "ACQUISITION_DATE")
    clock = mtl.get("SCENE_CENTER_TIME", "SCENE_CENTER_SCAN_TIME")
    return moment(f"{date}T{clock}") or moment(date)


def _cubes(folder: Folder, root: Path, catch: Catch) -> None:
    """Find hyperspectral products: PRISMA brings its PAN, others need a guide."""
    for name in folder.names:
        path = folder.path / name
        if is_prisma(name):
            catch.drafts.append(_single(path, folder, root, "prisma"))
        elif is_enmap(name) or is_desis(name) or is_hyperion(name):
            catch.leave(path, _ALONE)
            catch.take_rasters(folder, name[: _cube_stem(name)])
        elif (is_enmap_image(name) or is_desis_image(name)) and path not in catch.taken:
            catch.leave(path, _ALONE)
            catch.taken.add(path)


def _cube_stem(name: str) -> int:
    """Return how many characters of a metadata file's name the files of its cube share."""
    upper = name.upper()
    return max(upper.find("-METADATA.XML"), upper.find("_MTL_L1"))


def _single(path: Path, folder: Folder, root: Path, family: str) -> Draft:
    """Draft a product that is one file."""
    wish = _PACKED.sub("", path.name) if _is_packed(path.name) else path.stem
    return Draft(
        wish=wish,
        inputs=(str(path),),
        family=family,
        key=key_of([path], root),
        parent=folder.place,
        acquired=date_in(wish),
        source=printable(str(path)),
    )


def _packed(folder: Folder, name: str, root: Path, unpacked: set[Path], catch: Catch) -> None:
    path = folder.path / name
    beside = folder.path / _PACKED.sub("", name)
    if any(beside == product or beside in product.parents for product in unpacked):
        catch.leave(path, f"lies unpacked beside it, and {beside.name} is taken instead")
        return
    try:
        family = family_of(path)
    except PansharpkitError as error:
        catch.leave(path, str(error))
        return
    catch.drafts.append(_single(path, folder, root, family))


def family_of_packed(path: Path) -> str | None:
    """Return whose product an archive holds, by the first names in it; None if nobody knows.

    ``cube`` stands for a hyperspectral one that brings no finer image. Nothing is unpacked.

    Raises
    ------
    FileReadError
        If it is a zip file that may not be opened, or no file.
    """
    check_regular(path, printable(str(path)))
    if is_archive(path):
        return _family_of_any(names_of_first(path))
    files = unpacker(path)
    files.close()
    return _family_of_any(files.names)


def _family_of_any(names: Iterable[str]) -> str | None:
    """Return whose product files are, by the first name that gives it away."""
    xml = False
    for name in names:
        if (family := _family_of_name(name)) is not None:
            return family
        xml |= name.lower().endswith(".xml")
    # Some of Maxar's deliveries have no metadata but XML files named like their images.
    return "maxar" if xml else None


def _family_of_name(path: str) -> str | None:
    name = PurePosixPath(path).name
    if is_dim(name):
        return "dimap"
    if is_mtl(Path(name)) or _LANDSAT.search(name):
        return "landsat"
    if is_isd(name):
        return "maxar"
    if is_prisma(name):
        return "prisma"
    if is_enmap(name) or is_desis(name) or is_hyperion(name) or is_enmap_image(name):
        return "cube"
    return "sentinel2" if holds_sentinel2([name]) else None


def family_of(path: Path) -> str:
    """Return whose product a path is: a folder, an archive, a metadata file, or a whole product.

    Raises
    ------
    FileReadError
        If it is none that can be fused by itself, or an archive that may not be opened.
    """
    family = family_of_packed(path) if is_packed(path) else _family_of_any(names_in(path))
    if family in _WITHOUT_GUIDE:
        raise FileReadError(f"{printable(str(path))}: {_WITHOUT_GUIDE[family]}")
    if family is None:
        raise FileReadError(f"{printable(str(path))}: {_UNKNOWN}")
    return family
