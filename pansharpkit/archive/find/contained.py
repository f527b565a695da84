"""Paths that a manifest or a catalogue names: local, and inside the folder they may reach."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path

from pansharpkit.errors import FileReadError
from pansharpkit.readers.archive import MOST_BESIDE, FolderFiles
from pansharpkit.readers.safe_open import printable
from pansharpkit.readers.tiled import DEPTH

_REMOTE = re.compile(r"[a-z][a-z0-9+.-]+:/|//", re.IGNORECASE)
_WEB = re.compile(r"(https?|s3|gs|az|abfss?|ftps?)://", re.IGNORECASE)
_SHOWN = 120


def is_web(name: str) -> bool:
    """Whether a name is that of something on a server, as catalogues often have them."""
    return _WEB.match(name) is not None


def contained(name: str, base: Path, root: Path, where: str) -> Path:
    """Return the absolute path that a name means; whether it exists is not looked at.

    Parameters
    ----------
    name : as it is written, relative to `base` or absolute.
    root : folder out of which neither the path nor a link on it may lead.
    where : file and line that name it, for the message.

    Raises
    ------
    FileReadError
        If it is empty, a URL, a path of GDAL's virtual file systems, or leads out of `root`.
    """
    shown = printable(name)[:_SHOWN]
    if not name.strip() or "\0" in name:
        raise FileReadError(f"{where}: names no file; write a path below {root}")
    path = Path(os.path.abspath(base / name))  # noqa: PTH100 - links stay as they are written
    if _REMOTE.match(name) or name.lstrip().startswith("<") or str(path).startswith("/vsi"):
        raise FileReadError(f"{where}: {shown!r} is not a local file; write a path below {root}")
    if not (path.is_relative_to(root) and path.resolve().is_relative_to(root.resolve())):
        raise FileReadError(
            f"{where}: {shown!r} leads out of {printable(str(root))}; keep files below it, or "
            "pass --root with the folder that holds them all"
        )
    return path


@lru_cache(maxsize=1024)
def link_out(folder: Path, root: Path) -> str | None:
    """Return what is wrong with a product's folder that holds a link out of the root, or None."""
    real = root.resolve()
    files = FolderFiles(folder, DEPTH, most=MOST_BESIDE)
    for name in files.names:
        path = folder / name
        if path.is_symlink() and not path.resolve().is_relative_to(real):
            return f"holds the link {printable(name)}, which leads out of {printable(str(root))}"
    return None
