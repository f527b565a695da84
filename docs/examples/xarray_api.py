"""Open, look, fuse, judge: the Python API on the bundled scene."""

import pansharpkit
import pansharpkit.accessor  # adds .pansharp to DataArrays

# A scene of files. The box makes the example quick; leave it out for everything.
pan, ms = pansharpkit.demo_files()
box = (607000.0, 4739000.0, 609000.0, 4741000.0)
scene = pansharpkit.open_scene(pan, ms, sensor="landsat8_oli", bounds=box)
print(scene.bands)
print(scene.registration().describe())

# Lazy arrays: only what is computed is read.
red = scene.target.sel(band="B4 Red", x=slice(607000, 609000), y=slice(4741000, 4739000))
print("mean red:", round(float(red.mean()), 1))

# Fused in memory, on the PAN's pixels.
fused = scene.fuse("gsa")
print(fused.dims, fused.shape, fused.dtype)
print("HQNR:", round(scene.assess(fused)["hqnr"], 3))

# NDVI at 15 m, with plain xarray.
nir, red = fused.sel(band="B5 NIR"), fused.sel(band="B4 Red")
ndvi = (nir - red) / (nir + red)
print("NDVI:", round(float(ndvi.min()), 2), "to", round(float(ndvi.max()), 2))

# Arrays in, array out: the accessor.
again = scene.target.compute().pansharp.fuse(
    scene.guide.compute(), "gsa", sensor="landsat8_oli", bands=("B2", "B3", "B4", "B5")
)
print(again.shape, "the whole overlap of the two arrays")
