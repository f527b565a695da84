"""Quality indices: exact, masked, and streaming over rasters larger than memory.

:mod:`~pansharpkit.metrics.reference` and :mod:`~pansharpkit.metrics.noreference` hold the indices
of whole arrays; :func:`reduced_resolution` and :func:`full_resolution` compute them all at once,
window by window, with confidence intervals.
"""

from pansharpkit.metrics.full import full_resolution
from pansharpkit.metrics.indices import Indices, QualityMap
from pansharpkit.metrics.rasters import Area, Raster
from pansharpkit.metrics.reduced import reduced_resolution

__all__ = ["Area", "Indices", "QualityMap", "Raster", "full_resolution", "reduced_resolution"]
