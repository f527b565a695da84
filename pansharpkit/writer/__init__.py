"""Write fused rasters: windows to a partial file, verified, copied to a COG, renamed at the end."""

from pansharpkit.writer.envi import is_envi
from pansharpkit.writer.manifest import Manifest, sha256_of
from pansharpkit.writer.picture import is_picture
from pansharpkit.writer.preflight import check_output, required_bytes
from pansharpkit.writer.profile import OutputProfile, lineage_tags
from pansharpkit.writer.raster import RasterWriter, open_output

__all__ = [
    "Manifest",
    "OutputProfile",
    "RasterWriter",
    "check_output",
    "is_envi",
    "is_picture",
    "lineage_tags",
    "open_output",
    "required_bytes",
    "sha256_of",
]
