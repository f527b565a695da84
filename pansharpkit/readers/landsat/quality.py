"""Landsat quality bands: three generations put the same facts into different bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pansharpkit.grid import Window
from pansharpkit.readers.classes import CloudMask

_MEDIUM = 2  # two-bit confidence: 0 not known, 1 low, 2 medium, 3 high


@dataclass(frozen=True)
class QualityLayout:
    """Where a quality band says what."""

    fill: int
    """Bits of pixels that were not imaged."""
    flags: int
    """Bits any of which means cloud, dilated cloud, shadow or cirrus."""
    confidences: tuple[int, ...] = ()
    """Lower bit of each two-bit confidence of the same."""


PRE_COLLECTION = QualityLayout(fill=0b1, flags=0, confidences=(12, 14))
"""BQA until 2017: cirrus and cloud confidences only (Landsat 8; USGS LDOPE user guide 1.2)."""
COLLECTION_1 = QualityLayout(fill=0b1, flags=1 << 4, confidences=(7, 11))
"""BQA: cloud, shadow and cirrus confidences (USGS Landsat QA tools guide 1.4)."""
COLLECTION_2 = QualityLayout(fill=0b1, flags=0b11110)
"""QA_PIXEL: dilated cloud, cirrus, cloud, shadow (USGS LSDS-1619)."""


def layout_of(collection: str | None) -> QualityLayout:
    """Return the layout of a collection number as the metadata give it, if they do.

    >>> layout_of("02") is COLLECTION_2
    True
    """
    if collection is None:
        return PRE_COLLECTION
    return COLLECTION_1 if collection.lstrip("0") == "1" else COLLECTION_2


@dataclass(frozen=True)
class CloudSource(CloudMask):
    """A quality band seen as a cloud mask: 1 where cloud, shadow or cirrus is likely, else 0."""

    layout: QualityLayout

    def read(self, window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return [1, h, w] zeros and ones; pixels that were not imaged are zero and valid."""
        bits, _ = self.source.read(window)
        found = np.bitwise_and(bits, self.layout.flags) != 0
        for low in self.layout.confidences:
            found |= np.bitwise_and(np.right_shift(bits, low), 0b11) >= _MEDIUM
        found &= np.bitwise_and(bits, self.layout.fill) == 0
        return found.astype(np.uint8), np.ones(found.shape[1:], bool)
