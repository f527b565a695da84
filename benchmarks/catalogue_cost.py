"""What catalogue and overview of a batch cost: per scene, and over many.

    python benchmarks/catalogue_cost.py SCENE.tif [--scenes 100000] [--overview 10000]

SCENE is any raster that `pansharpkit fuse` wrote. Its item and thumbnail are made again and again;
the collection and the overview are made over copies of what is known of it. Times are those of the
processor; sizes are of the files. The figures of docs/how-to/catalogue.md follow this.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copyfile

from pydantic import JsonValue

from pansharpkit.archive.entry import SceneEntry
from pansharpkit.archive.ledger import NAME, Ledger
from pansharpkit.archive.overview import overview
from pansharpkit.archive.record import OutputFile, SceneRecord
from pansharpkit.archive.stac import catalogue
from pansharpkit.archive.stac import item as stac
from pansharpkit.archive.thumbnail import thumbnail
from pansharpkit.writer import sha256_of

REPEATS = 5
SCENE = "scene"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("raster", type=Path)
    parser.add_argument("--scenes", type=int, default=100_000, help="items of the collection")
    parser.add_argument("--overview", type=int, default=10_000, help="scenes of the overview")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        record, entry = stored(asked.raster, out)
        path = stac.write_item(record, entry, out)
        raster = path.with_suffix(".tif")
        show("thumbnail", timed(lambda: thumbnail(raster)), stac.thumbnail_path(raster))
        show("item, with its thumbnail", timed(lambda: stac.write_item(record, entry, out)), path)
        many = timed(lambda: catalogue.write_catalogue(out, copies(path, asked.scenes)), 1)
        show(f"collection of {asked.scenes} items", many, out / "collection.json")
        read = timed(lambda: list(catalogue.stored_items(out, [SCENE] * 1000)), 1)
        show("reading 1000 items for that", read)
        fill(out, entry, record, asked.overview)
        whole = timed(lambda: overview(out), 1)
        for found in overview(out):
            show(f"overview of {asked.overview} scenes, both files", whole, found)


def stored(raster: Path, out: Path) -> tuple[SceneRecord, SceneEntry]:
    """Copy a raster to where a batch would have it, and return what is known of it."""
    copy = out / SCENE / f"{SCENE}.tif"
    copy.parent.mkdir()
    copyfile(raster, copy)
    status = copy.stat()
    output = OutputFile(f"{SCENE}/{SCENE}.tif", sha256_of(copy), status.st_size, status.st_mtime_ns)
    indices = {"hqnr": 0.9, "d_lambda_k": 0.03, "d_s": 0.05, "qnr": 0.88, "shift": 0.2, "r2": 0.9}
    ring = ((0.0, 40.0), (2.0, 40.0), (2.0, 42.0), (0.0, 42.0), (0.0, 40.0))
    return (
        SceneRecord(SCENE, "done", output, method="gsa", seconds=9.0, indices=indices),
        SceneEntry(SCENE, ("pan.tif", "ms.tif"), "pair", footprint=ring),
    )


def copies(path: Path, count: int) -> Iterator[dict[str, JsonValue]]:
    """Yield an item that often, under new names."""
    item = json.loads(path.read_text(encoding="utf-8"))
    for i in range(count):
        item["id"] = f"LC08_L1TP_{i:09d}"
        yield item


def fill(out: Path, entry: SceneEntry, record: SceneRecord, count: int) -> None:
    """Begin a ledger that holds a scene that often, under new names."""
    with Ledger(out / NAME) as ledger:
        ledger.enter([entry])
        ledger.start(entry, "digest", {})
        ledger.finish(record)
    with sqlite3.connect(out / NAME) as database:
        names = [row[1] for row in database.execute("PRAGMA table_info(scenes)")]
        renamed = {"id": "?", "entry": f"replace(entry, '\"{SCENE}\"', '\"' || ? || '\"')"}
        values = ", ".join(renamed.get(name, name) for name in names)
        database.executemany(
            f"INSERT INTO scenes SELECT {values} FROM scenes WHERE id = '{SCENE}'",
            ([f"LC08_L1TP_{i:09d}"] * 2 for i in range(1, count)),
        )


def timed(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Return the seconds of processor time that a call takes, the mean of a few."""
    started = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - started) / repeats


def show(what: str, seconds: float, path: Path | None = None) -> None:
    """Print a line."""
    size = "" if path is None else f"{path.stat().st_size / 1e6:10.3f} MB  {path.name}"
    print(f"{what:42s} {seconds:9.3f} s {size}")


if __name__ == "__main__":
    main()
