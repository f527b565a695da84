"""Many scenes: what is in an archive, which were fused, and what came of each."""

from __future__ import annotations
