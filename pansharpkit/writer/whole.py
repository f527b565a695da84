"""Small files that appear whole or not at all."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from pansharpkit.errors import OutputError
from pansharpkit.writer.flush import sync


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file under another name, then rename it; text is stored as UTF-8.

    What a killed process left of an earlier attempt is removed.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    hidden = path.with_name(f".{path.name}.partial-")
    partial = Path(f"{hidden}{os.getpid()}")
    try:
        for leftover in glob.glob(glob.escape(str(hidden)) + "*"):  # noqa: PTH207
            Path(leftover).unlink(missing_ok=True)
        partial.write_bytes(data)
        sync(partial)
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)
