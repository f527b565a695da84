"""Draw the pictures of the documentation from the bundled scene.

    python docs/pictures.py [--demo FOLDER]

Runs the whole demo, which takes some minutes, unless FOLDER holds what `pansharpkit demo -o FOLDER`
wrote. Pixels are drawn as squares, never smoothed; all pictures of the scene share one stretch.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pansharpkit import blend, open_scene, registration, showcase
from pansharpkit.api import OpenScene
from pansharpkit.grid import Window
from pansharpkit.readers import open_geotiff
from pansharpkit.report.quicklook import Limits, limits_of, magnify, rgb_bands, stretch
from pansharpkit.scene import Scene
from pansharpkit.source import Source

ASSETS = Path(__file__).parent / "assets"
CITY = Window(196, 300, 176, 150)
"""Old town, citadel and river: PAN pixels of the picture that opens the README."""
STRIP = Window(196, 262, 140, 300)
"""The same and what lies beside it, for the divider on the first page of the documentation."""
DETAIL = Window(262, 322, 84, 92)
"""The old town, for the comparison at 4:1; inside the part that the demo's GDD fuses."""
BANKS = Window(120, 150, 440, 420)
"""The town and its surroundings, for methods side by side at 1:1."""
INFRARED = (3, 2, 1)
"""Bands of the scene in the usual false colours: vegetation is red."""
LANDSAT = Path(__file__).parents[1] / "tests" / "data" / "landsat8_alabama_mini"
HAZE = Window(0, 190, 148, 187)
"""Pixels of the strip in `LANDSAT` where haze and small clouds lie over a town."""
KNOWN_SHIFT = 3.0
"""PAN pixels by which the MS is displaced for the second registration curve."""

Picture = NDArray[np.uint8]
"""[h, w, 3]."""


class Views:
    """Pictures of any window of the scene, all with the stretch of the MS.

    `rgb` are the bands drawn red, green and blue, by index; natural colours if not given.
    """

    def __init__(self, scene: Scene, rgb: Sequence[int] | None = None) -> None:
        self.scene = scene
        self.rgb = list(rgb or rgb_bands(scene.target.names))
        ms, valid = scene.target.read(scene.target.grid.window)
        pan, pan_valid = scene.guide.read(scene.guide.grid.window)
        self._colour: Limits = limits_of(ms[self.rgb], valid)
        self._grey: Limits = limits_of(pan, pan_valid)

    def pan(self, window: Window, zoom: int) -> Picture:
        """Draw the PAN."""
        values, valid = self.scene.guide.read(window)
        return magnify(stretch(values, valid, self._grey), zoom)

    def ms(self, window: Window, zoom: int) -> Picture:
        """Draw the MS pixels where they lie, each as one square."""
        values, valid = self.scene.target.read(self.scene.target.grid.window)
        sampling = self.scene.sampling
        picks = []
        for axis, (start, size) in enumerate(
            ((window.row, window.height), (window.col, window.width))
        ):
            fine = start - 0.5 + (np.arange(size * zoom) + 0.5) / zoom
            index = np.rint((fine - sampling.phase[axis]) / sampling.ratio[axis]).astype(int)
            picks.append(np.clip(index, 0, values.shape[1 + axis] - 1))
        return stretch(values[self.rgb], valid, self._colour)[np.ix_(*picks)]

    def fused(self, source: Source, window: Window, zoom: int) -> Picture:
        """Draw a fused raster, which may be a part of the scene."""
        corner = source.grid.to_pixels_of(self.scene.guide.grid)
        origin = Window(round(corner.f), round(corner.c), 0, 0)
        values, valid = source.read(window.relative_to(origin))
        return self.drawn(values, valid, zoom)

    def drawn(self, values: NDArray[np.generic], valid: NDArray[np.bool_], zoom: int) -> Picture:
        """Draw fused pixels [C, h, w]."""
        return magnify(stretch(values[self.rgb], valid, self._colour), zoom)


def side_by_side(panels: Mapping[str, Picture], columns: int) -> Image.Image:
    """Lay pictures of one size out in rows, each with its caption above."""
    first = next(iter(panels.values()))
    height, width = first.shape[:2]
    gap, head = 8, 34
    rows = -(-len(panels) // columns)
    size = (columns * (width + gap) - gap, rows * (height + head + gap) - gap)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    face = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    font = ImageFont.truetype(str(face), 22)
    for i, (caption, picture) in enumerate(panels.items()):
        left, top = i % columns * (width + gap), i // columns * (height + head + gap)
        pen.text((left + 2, top + 4), caption, fill="black", font=font)
        sheet.paste(Image.fromarray(picture), (left, top + head))
    return sheet


def save(picture: Image.Image, name: str) -> None:
    """Write a picture into the folder of assets, as good as fits into 400 KB."""
    path = ASSETS / name
    for quality in range(92, 60, -4):
        picture.save(path, quality=quality, optimize=True, subsampling=0)
        if path.stat().st_size < 400_000:
            return
    raise SystemExit(f"{path} is larger than 400 KB at any reasonable quality")


def draw_scene(scene: Scene, fused: Mapping[str, Source]) -> None:
    """Draw the opening picture, the whole scene at 1:1, and the methods at 4:1."""
    views = Views(scene)
    best = fused[showcase.HEADLINE]
    before_after = {
        "MS, 30 m": views.ms(CITY, 3),
        "PAN, 15 m": views.pan(CITY, 3),
        "fused, 15 m": views.fused(best, CITY, 3),
    }
    save(side_by_side(before_after, 3), "before-after.jpg")
    # Enlarged by the browser. Edges of MS pixels lie between those of PAN pixels: hence twice.
    Image.fromarray(views.ms(STRIP, 2)).save(ASSETS / "strip-ms.png", optimize=True)
    Image.fromarray(views.fused(best, STRIP, 1)).save(ASSETS / "strip-fused.png", optimize=True)
    whole = scene.extent
    save(Image.fromarray(views.ms(whole, 1)), "scene-ms.jpg")
    save(Image.fromarray(views.fused(best, whole, 1)), "scene-fused.jpg")
    panels = {"PAN": views.pan(DETAIL, 4), "MS": views.ms(DETAIL, 4)}
    panels |= {name: views.fused(source, DETAIL, 4) for name, source in fused.items()}
    save(side_by_side(panels, 3), "methods.jpg")


def draw_learned(scene: OpenScene) -> None:
    """Draw scenenet beside MTF-GLP-FS, without and with back-projection, at 1:1 and 4:1."""
    images = {
        "mtf-glp-fs": scene.fuse("mtf-glp-fs"),
        "10 back-projections": scene.fuse("mtf-glp-fs", back_projection=10, damping=1.0),
        "scenenet": scene.fuse("scenenet"),
    }

    def drawn(views: Views, window: Window, zoom: int) -> dict[str, Picture]:
        cut = (slice(None), *window.slices)
        valid = np.ones((window.height, window.width), bool)
        return {name: views.drawn(image.values[cut], valid, zoom) for name, image in images.items()}

    natural, infrared = Views(scene.scene), Views(scene.scene, INFRARED)
    save(side_by_side(drawn(natural, BANKS, 1), 3), "learned-1.jpg")
    panels = {"PAN": natural.pan(DETAIL, 4), **drawn(natural, DETAIL, 4)}
    panels["MS, infrared"] = infrared.ms(DETAIL, 4)
    panels |= {f"{name} ": one for name, one in drawn(infrared, DETAIL, 4).items()}
    save(side_by_side(panels, 4), "learned-4.jpg")


def draw_registration(scene: Scene) -> None:
    """Draw R² against the shift, for the scene as it is and for a displaced MS."""
    style = {"svg.hashsalt": "pansharpkit", "svg.fonttype": "none", "font.size": 11}
    cases = {
        "as georeferenced": scene,
        f"MS displaced by {KNOWN_SHIFT:g} columns": scene.moved((0.0, KNOWN_SHIFT)),
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(7.2, 3.6), layout="constrained")
        axes = figure.subplots()
        for text, case in cases.items():
            found = registration.measure(case)
            columns, r2 = zip(*found.curve, strict=True)
            axes.plot(columns, r2, marker=".", ms=4, label=text)
            axes.annotate(
                f"{found.shift_cols:+.2f} px, R² {found.r2:.3f}",
                (found.shift_cols, found.r2), (0, 7), textcoords="offset points", ha="center",
            )  # fmt: skip
        axes.set(xlabel="trial shift of the MS, columns (PAN px)", ylabel="R²", ylim=(0.4, 1.06))
        axes.grid(alpha=0.3)
        figure.legend(loc="outside upper center", ncols=2, frameon=False)
        figure.savefig(ASSETS / "registration.svg", metadata={"Date": None})


def draw_blend() -> None:
    """Draw a visible and a thermal band of one scene, and two blends of them, at 3:1."""
    files = [LANDSAT / f"LC80200392015216LGN00_{band}.TIF" for band in ("B4", "B10")]
    images = {
        name: open_geotiff(path) for name, path in zip(("red", "thermal"), files, strict=True)
    }
    values = {name: image.read(image.grid.window)[0] for name, image in images.items()}
    for method in ("mean", "dwt-max"):
        values[f"blended, {method}"] = blend(*files, method=method).values
    panels = {}
    for name, pixels in values.items():
        valid = np.ones(pixels.shape[1:], bool)
        drawn = stretch(pixels, valid, limits_of(pixels, valid))[HAZE.slices]
        panels[name] = magnify(drawn, 3)
    save(side_by_side(panels, 2), "blend.jpg")


def fused_rasters(folder: Path, *, run: bool) -> dict[str, Source]:
    """Return the rasters of the demo by method, made now if asked for."""
    found: dict[str, Source] = {}
    for name, request in showcase.requests(folder).items():
        if run:
            showcase.fuse(request)
        found[name] = open_geotiff(request.output)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw everything."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--demo", type=Path, help="folder that `pansharpkit demo` wrote to")
    given: Path | None = parser.parse_args(arguments).demo
    ASSETS.mkdir(exist_ok=True)
    opened = open_scene(*showcase.demo_files(), sensor="landsat8_oli")
    scene = opened.scene
    with tempfile.TemporaryDirectory() as scratch:
        folder = given or Path(scratch)
        draw_scene(scene, fused_rasters(folder, run=given is None))
    draw_learned(opened)
    draw_registration(scene)
    draw_blend()


if __name__ == "__main__":
    main()
