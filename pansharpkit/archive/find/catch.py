"""What a search has found so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pansharpkit.archive.entry import Unpaired
from pansharpkit.archive.find.naming import Draft
from pansharpkit.archive.find.walk import Folder, is_raster
from pansharpkit.readers.safe_open import printable


@dataclass
class Catch:
    """Scenes, what makes none, and the files that need no further look."""

    drafts: list[Draft] = field(default_factory=list)
    unpaired: list[Unpaired] = field(default_factory=list)
    taken: set[Path] = field(default_factory=set)

    def leave(self, path: Path, why: str) -> None:
        """Note what makes no scene, and why in one line, which need not name it again."""
        shown = printable(str(path))
        said = printable(why)
        for name in (shown, printable(path.name), printable(str(path.parent))):
            said = said.removeprefix(f"{name}: ").removeprefix(f"{name}, ")
        self.unpaired.append(Unpaired(shown, said))

    def take_rasters(self, folder: Folder, prefix: str = "") -> None:
        """Count the rasters of a folder, or those whose names start so, as those of products."""
        start = prefix.casefold()
        self.taken.update(
            folder.path / name
            for name in folder.names
            if is_raster(name) and name.casefold().startswith(start)
        )
