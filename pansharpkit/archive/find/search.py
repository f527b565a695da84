"""Find the scenes of an archive: a folder, a CSV manifest, or a local STAC catalogue."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

from pansharpkit.archive.entry import Found
from pansharpkit.archive.find.catch import Catch
from pansharpkit.archive.find.families import products
from pansharpkit.archive.find.look import Looks
from pansharpkit.archive.find.manifest import read_manifest
from pansharpkit.archive.find.naming import named
from pansharpkit.archive.find.pairs import by_pattern, by_themselves
from pansharpkit.archive.find.shell import read_pair
from pansharpkit.archive.find.stac import read_stac
from pansharpkit.archive.find.walk import walk
from pansharpkit.errors import FileReadError, OptionError
from pansharpkit.readers.product import ReadOptions
from pansharpkit.readers.safe_open import printable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FindRequest:
    """Where scenes are looked for, and how PAN and MS are put together."""

    archive: Path
    """A folder; a manifest, ``.csv``; or a STAC catalogue, collection or item, ``.json``."""
    pair: tuple[str, ...] = ()
    """``PAN=PATTERN`` and ``MS=PATTERN``: what wildcards stand for must agree. Then nothing but
    such pairs is found."""
    root: Path | None = None
    """Folder that a manifest or a catalogue may name files in; its own by default."""
    skip: tuple[Path, ...] = ()
    """Folders that are not looked into, such as the one that outputs go to."""
    read: ReadOptions = field(default_factory=ReadOptions)
    """How headers are opened where names leave a choice."""


def find(request: FindRequest) -> Found:
    """Find every scene of an archive, and what makes none.

    No pixel is read, and no raster opened unless its name leaves a choice.

    Raises
    ------
    FileReadError
        If the archive is not there, or a manifest or catalogue leads out of its root.
    MetadataError
        If a manifest or catalogue is broken.
    OptionError
        If the patterns make no sense, or are given with a manifest or catalogue.
    """
    archive = Path(os.path.abspath(request.archive))  # noqa: PTH100 - links stay as written
    catch = Catch()
    if archive.is_dir():
        _in_folder(archive, request, catch)
    elif not archive.exists():
        raise FileReadError(f"{printable(str(archive))}: does not exist; check the path")
    else:
        _in_file(archive, request, catch)
    found = Found(named(catch.drafts), tuple(sorted(catch.unpaired, key=lambda left: left.path)))
    log.info("%s: %d scenes, %d left", archive, len(found.entries), len(found.unpaired))
    return found


def _in_folder(archive: Path, request: FindRequest, catch: Catch) -> None:
    patterns = read_pair(request.pair) if request.pair else None
    if request.root is not None:
        raise OptionError("--root is for a manifest or a STAC catalogue; a folder is its own")
    found = walk(archive, request.skip)
    catch.unpaired += found.unpaired
    looks = Looks(request.read)
    if patterns is not None:
        by_pattern(found, *patterns, looks, catch)
        return
    products(found, catch)
    by_themselves(found, looks, catch)


def _in_file(archive: Path, request: FindRequest, catch: Catch) -> None:
    shown = printable(str(archive))
    if request.pair:
        raise OptionError("--pair is for a folder; a manifest or a STAC catalogue names its pairs")
    root = Path(os.path.abspath(request.root or archive.parent))  # noqa: PTH100
    if archive.suffix.lower() == ".csv":
        read_manifest(archive, root, catch)
    elif archive.suffix.lower() in (".json", ".geojson"):
        read_stac(archive, root, catch)
    else:
        raise FileReadError(
            f"{shown}: is no archive; give a folder, a CSV manifest, or a STAC catalogue (.json)"
        )
