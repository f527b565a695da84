"""Settings and fixtures that every test shares."""

from __future__ import annotations

import os

os.environ.setdefault("MPLBACKEND", "Agg")

import torch
from fault_place import ground, place
from hypothesis import settings

__all__ = ["ground", "place"]

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("steady")
torch.set_num_threads(1)  # tests of small arrays only lose by more
