"""Scenes of a local STAC catalogue: items with PAN and MS, Landsat items, and items that pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from pansharpkit.archive.dates import moment
from pansharpkit.archive.entry import Ring
from pansharpkit.archive.find.catch import Catch
from pansharpkit.archive.find.contained import is_web, link_out
from pansharpkit.archive.find.look import Look
from pansharpkit.archive.find.match import LEAST_SHARED, Side, match, same_day
from pansharpkit.archive.find.naming import Draft, key_of
from pansharpkit.archive.find.place import ring_of_points, shared, table
from pansharpkit.archive.find.stac_assets import Asset, Chosen, choose
from pansharpkit.archive.find.stac_json import ItemFile, items, local, text
from pansharpkit.errors import InputError
from pansharpkit.readers.archive import MOST_BESIDE, FolderFiles
from pansharpkit.readers.landsat.product import check_landsat
from pansharpkit.readers.safe_open import printable

_FEWEST = 2
"""Bands that an MS must have."""

_ALONE = "has no {}, and no other item has one of its ground and day"


@dataclass(frozen=True)
class _Item:
    """An item, with what of it could make a scene."""

    file: ItemFile
    chosen: Chosen
    acquired: datetime | None
    ring: Ring | None

    @property
    def name(self) -> str:
        """Id of the item."""
        return text(self.file.content.get("id"))


@dataclass
class _Halves:
    """Items with a PAN or an MS alone, which may find each other."""

    pans: dict[Side, _Item] = field(default_factory=dict)
    targets: dict[Side, _Item] = field(default_factory=dict)
    owners: dict[str, _Item] = field(default_factory=dict)
    """Which item has these files, by where they lie below the root."""

    def own(self, item: _Item, paths: Sequence[Path], root: Path, catch: Catch) -> bool:
        """Whether no earlier item has these files; else that is noted."""
        first = self.owners.setdefault(key_of(paths, root), item)
        if first is item:
            return True
        catch.leave(item.file.path, f"{item.file.where}: has the same files as {first.file.where}")
        return False


def read_stac(start: Path, root: Path, catch: Catch) -> None:
    """Find the scenes that a catalogue, a collection or an item describes.

    An item with PAN and MS is a scene, and so is one with Landsat metadata beside its bands; an
    item with PAN alone pairs with one with MS alone, of the same ground and day. No server is
    asked: what is not on disk is noted and left out.

    Parameters
    ----------
    start, root : absolute; no link may lead out of `root`.

    Raises
    ------
    FileReadError
        If a link or an asset that counts leads out of the root.
    MetadataError
        If the file is no STAC.
    """
    halves = _Halves()
    for file in items(start, root, catch):
        item = _Item(file, choose(file.content), _acquired(file.content), _ring(file.content))
        if not _landsat(item, root, halves, catch):
            _assets(item, root, halves, catch)
    _pair(halves, root, catch)


def _landsat(item: _Item, root: Path, halves: _Halves, catch: Catch) -> bool:
    """Draft a Landsat product; False if the item is none, or must be judged by its assets."""
    link = item.chosen.mtl
    if not link or is_web(link):
        return False
    path = local(link, item.file.path, root, item.file.where)
    if not path.is_file():
        return False
    try:
        check_landsat(FolderFiles(path.parent, most=MOST_BESIDE), path.name)
    except InputError as error:
        if item.chosen.pan:
            return False
        catch.leave(item.file.path, f"{item.file.where}: {error}")
        return True
    if outward := link_out(path.parent, root):
        catch.leave(path, outward)
    elif halves.own(item, (path,), root, catch):
        catch.drafts.append(_draft(item, "landsat", (path,), root))
    return True


def _assets(item: _Item, root: Path, halves: _Halves, catch: Catch) -> None:
    """Draft an item that has PAN and MS, or keep what it has for another."""
    chosen = item.chosen
    for kind, found in (("PAN", chosen.pan), ("MS", chosen.ms), ("bands", chosen.unsure)):
        if len(found) > 1:
            keys = printable(", ".join(asset.key for asset in found))[:200]
            catch.leave(item.file.path, f"{item.file.where}: {keys} may be its {kind}; list it "
                        "in a CSV manifest")  # fmt: skip
            return
    bands = chosen.ms or (chosen.bands if len(chosen.bands) >= _FEWEST else ())
    if not chosen.pan and not bands:
        return
    pan = _paths(item, chosen.pan, root, catch)
    ms = _paths(item, bands, root, catch)
    if pan is None or ms is None or not halves.own(item, (*pan, *ms), root, catch):
        return
    if pan and ms:
        catch.drafts.append(_draft(item, "pair", (*pan, *ms), root))
    elif pan:
        halves.pans[_side(pan, item)] = item
    else:
        halves.targets[_side(ms, item)] = item


def _paths(
    item: _Item, assets: Sequence[Asset], root: Path, catch: Catch
) -> tuple[Path, ...] | None:
    """Return where assets lie on disk; None if one does not."""
    paths = []
    for asset in assets:
        named = f"{item.file.where}: its asset {printable(asset.key)[:80]!r}"
        if is_web(asset.href):
            catch.leave(item.file.path, f"{named} is at {asset.href[:200]}, which is not opened; "
                        "download it")  # fmt: skip
            return None
        path = local(asset.href, item.file.path, root, named)
        if not path.is_file():
            catch.leave(item.file.path, f"{named} is missing: {path}")
            return None
        paths.append(path)
    return tuple(paths)


def _side(paths: Sequence[Path], item: _Item) -> Side:
    return Side(tuple(str(path) for path in paths), paths[0], item.acquired)


def _pair(halves: _Halves, root: Path, catch: Catch) -> None:
    """Pair items that have half of a scene each."""
    every = {**halves.pans, **halves.targets}
    looks = {side: Look(ring=item.ring, acquired=item.acquired) for side, item in every.items()}
    boxes = {ms: box for ms in halves.targets if (box := looks[ms].box) is not None}
    targets, places = list(boxes), table(list(boxes.values()))
    options: dict[Side, list[Side]] = {}
    for pan in halves.pans:
        box = looks[pan].box
        parts = np.zeros(0) if box is None else shared(box, places).of_smaller
        near = [targets[i] for i in np.flatnonzero(parts >= LEAST_SHARED)]
        options[pan] = [ms for ms in near if same_day(pan.acquired, ms.acquired)]
    matched = match(options, lambda side: looks[side])
    for pan, ms in matched.pairs:
        paths = [Path(text) for text in (*pan.inputs, *ms.inputs)]
        catch.drafts.append(_draft(halves.pans[pan], "pair", paths, root))
    paired = {side for pair in matched.pairs for side in pair}
    for side, item in every.items():
        if side not in paired:
            missing = "MS" if side in halves.pans else "PAN"
            why = matched.left.get(side, _ALONE.format(missing))
            catch.leave(item.file.path, f"{item.file.where}: {why}")


def _draft(item: _Item, family: str, paths: Sequence[Path], root: Path) -> Draft:
    return Draft(
        wish=item.name,
        inputs=tuple(str(path) for path in paths),
        family=family,
        key=key_of(paths, root),
        parent=item.file.collection,
        acquired=item.acquired,
        footprint=item.ring,
        source=item.file.where,
    )


def _acquired(item: object) -> datetime | None:
    properties = item.get("properties") if isinstance(item, dict) else None
    if not isinstance(properties, dict):
        return None
    keys = ("datetime", "start_datetime")
    return next((t for key in keys if (t := moment(text(properties.get(key))))), None)


def _ring(item: object) -> Ring | None:
    """Return the outer ring of an item's footprint, or else its box; None if it has neither."""
    if not isinstance(item, dict):
        return None
    geometry = item.get("geometry")
    if isinstance(geometry, dict) and geometry.get("type") == "Polygon":
        rings = geometry.get("coordinates")
        if isinstance(rings, list) and rings and isinstance(rings[0], list):
            return _points([p[:2] if isinstance(p, list) else p for p in rings[0]])
    box = item.get("bbox")
    if not isinstance(box, list) or len(box) not in (4, 6):
        return None
    west, south, east, north = (*box[:2], *box[len(box) // 2 :][:2])
    return _points([[west, south], [east, south], [east, north], [west, north]])


def _points(found: Sequence[object]) -> Ring | None:
    points = []
    for point in found:
        if not isinstance(point, list) or len(point) != 2:
            return None
        lon, lat = point
        if not (isinstance(lon, int | float) and isinstance(lat, int | float)):
            return None
        if not (abs(lon) <= 360 and abs(lat) <= 90):  # also huge integers, which are no floats
            return None
        points.append((float(lon), float(lat)))
    return ring_of_points(points)
