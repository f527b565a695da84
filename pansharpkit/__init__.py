"""pansharpkit: pansharpening and image fusion for remote sensing.

>>> import pansharpkit
>>> scene = pansharpkit.open_scene(*pansharpkit.demo_files(), sensor="landsat8_oli")
>>> scene.bands
('B2 Blue', 'B3 Green', 'B4 Red', 'B5 NIR')

Everything heavy is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pansharpkit.api import OpenScene, open_scene
    from pansharpkit.same.arrays import assess_blend, blend, denoise
    from pansharpkit.showcase import demo_files

__all__ = ["OpenScene", "assess_blend", "blend", "demo_files", "denoise", "open_scene"]

_HOMES = {
    "OpenScene": "pansharpkit.api",
    "assess_blend": "pansharpkit.same.arrays",
    "blend": "pansharpkit.same.arrays",
    "denoise": "pansharpkit.same.arrays",
    "open_scene": "pansharpkit.api",
    "demo_files": "pansharpkit.showcase",
}


def __getattr__(name: str) -> object:
    """Import a public name from where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module 'pansharpkit' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    return value
