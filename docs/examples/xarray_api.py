"""The notebook of the documentation: open, look, fuse, judge, on the bundled scene."""

# %% [markdown]
# # Fuse with xarray: a notebook
#
# One pair of files, from opening it to a judged NDVI map. Everything below a cell is what it
# printed and drew, on the scene that comes with the package: Pamplona, Landsat 8, PAN at 15 m and
# four bands at 30 m.
#
# [Download the notebook](xarray_api.ipynb), or [the same as a script](xarray_api.py). It needs
# nothing but pansharpkit; `make notebook` runs it again.
#
# ## Open
#
# Only headers are read here. The box is what will be fused, small enough to count pixels in its
# pictures: leave `bounds` out for the whole scene.

# %% The scene
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

import pansharpkit
import pansharpkit.accessor  # adds .pansharp to DataArrays

pan, ms = pansharpkit.demo_files()
west, south, east, north = box = (609600.0, 4740300.0, 612300.0, 4742700.0)
scene = pansharpkit.open_scene(pan, ms, sensor="landsat8_oli", bounds=box)
print(scene.bands)
print("PAN", scene.guide.shape, " MS", scene.target.shape, scene.target.dtype)

# %% [markdown]
# `scene.guide` and `scene.target` are lazy DataArrays of (band, y, x): coordinates are centres of
# pixels, and only what is computed is read.

# %% The box in both, and a mean
part = {"x": slice(west, east), "y": slice(north, south)}
pan_part, ms_part = scene.guide.sel(part), scene.target.sel(part)
print("PAN", pan_part.shape, " MS", ms_part.shape)
print(f"mean red: {float(ms_part.sel(band='B4 Red').mean()):.0f}")

# %% [markdown]
# ## Do the two fit?
#
# The shift between PAN and MS is measured in the pixels, before any fusion. One sharp peak at 0
# is what you want; [beyond half a pixel](../background/registration.md) you would be warned.

# %% R² of PAN on the MS bands, against trial shifts of the MS
found = scene.registration()
print(found.describe())
shifts, r2 = zip(*found.curve, strict=True)
figure, axes = plt.subplots(figsize=(7, 2.4), layout="constrained")
axes.plot(shifts, r2, ".-")
axes.set(xlabel="shift of the MS, columns (PAN px)", ylabel="R²")
axes.grid(alpha=0.3)
plt.show()

# %% [markdown]
# ## Fuse
#
# In memory, on the pixels of the PAN, in the units of the MS. Without a name the default method
# is taken; [which one for what](../how-to/which-method.md) is told elsewhere.

# %% Fusing
fused = scene.fuse()
print(fused.name, fused.shape, fused.dtype)

# %% MS, PAN and the fused image, the colours with one stretch
colours = ["B4 Red", "B3 Green", "B2 Blue"]
before, after = ms_part.sel(band=colours), fused.sel(band=colours)
low, high = before.compute().quantile([0.01, 0.99]).values
figure, panels = plt.subplots(1, 3, figsize=(12, 3.7), layout="constrained")
before.plot.imshow(ax=panels[0], vmin=low, vmax=high)
pan_part.squeeze().plot.imshow(ax=panels[1], cmap="gray", robust=True, add_colorbar=False)
after.plot.imshow(ax=panels[2], vmin=low, vmax=high)
for panel, title in zip(panels, ("MS, 30 m", "PAN, 15 m", "fused, 15 m"), strict=True):
    panel.set(title=title, aspect="equal")
    panel.set_axis_off()
plt.show()

# %% [markdown]
# ## Judge
#
# Nobody knows the true image at 15 m. These indices compare the result with its two parents:
# [what each one means](../background/metrics.md). HQNR is 1 at best; the consistency error says
# by how many per cent the result, brought back to 30 m, is not the MS; ripple should stay near
# that of the PAN.

# %% Four methods on this part of the scene
rows = {}
for method in ("exp", "brovey", "gsa", "mtf-glp-fs"):
    found = scene.assess(scene.fuse(method))
    rows[method] = {
        "HQNR": found["hqnr"],
        "consistency error %": found["consistency_error_percent"],
        "ripple %": found["ripple_percent"],
        "NDVI drift": found["ndvi_drift"],
    }
print(pd.DataFrame(rows).T.round(3))

# %% [markdown]
# ## NDVI, twice as fine
#
# With plain xarray. The drift in the table above is what fusion did to it at 30 m: fine for a
# map, too much for a trend of a few thousandths.


# %% NDVI of the MS and of the fused image
def ndvi(image):
    """Return the normalised difference of near infrared and red."""
    nir, red = (image.sel(band=name).astype(float) for name in ("B5 NIR", "B4 Red"))
    return (nir - red) / (nir + red)


figure, panels = plt.subplots(1, 2, figsize=(10, 3.7), layout="constrained")
for panel, image, title in zip(panels, (ms_part, fused), ("30 m", "15 m"), strict=True):
    values = ndvi(image).compute()
    drawn = values.plot.imshow(ax=panel, cmap="YlGn", vmin=0, vmax=0.6, add_colorbar=False)
    panel.set(title=f"NDVI, {title}", aspect="equal")
    panel.set_axis_off()
    print(f"{title}: mean {float(values.mean()):.3f}, deviation {float(values.std()):.3f}")
figure.colorbar(drawn, ax=panels)
plt.show()

# %% [markdown]
# ## Arrays instead of files
#
# However the two were read, the accessor fuses them: evenly spaced coordinates say where pixels
# are.

# %% The accessor
again = ms_part.compute().pansharp.fuse(
    pan_part.compute(), "gsa", sensor="landsat8_oli", bands=("B2", "B3", "B4", "B5")
)
print(again.dims, again.shape)

# %% [markdown]
# ## Larger than memory
#
# `fuse_to` writes a cloud-optimised GeoTIFF tile by tile, with its report, as the command line
# does.

# %% To a file, with its report
with tempfile.TemporaryDirectory() as folder:
    done = scene.fuse_to(Path(folder) / "sharp.tif", "mtf-glp-fs")
    print([path.name for path in (done.manifest.path, done.report_json, done.report_html)])
    print(f"HQNR of the report: {done.report.indices['hqnr']:.3f}")
