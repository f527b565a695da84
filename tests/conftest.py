"""Settings and fixtures that every test shares."""

from __future__ import annotations

import os

os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
import torch
from fault_place import ground, place
from hypothesis import settings

__all__ = ["ground", "place"]

settings.register_profile("steady", deadline=None, derandomize=True, max_examples=40)
settings.load_profile("steady")
torch.set_num_threads(1)  # tests of small arrays only lose by more

LONG = (
    "test_reliability_fuse.py",
    "test_cycfusion.py",
    "test_cli.py",
    "test_restoration.py",
    "test_reliability_archive.py",
    "test_scenenet.py",
    "test_gdd.py",
    "test_metrics_streaming.py",
    "test_tilecluster.py",
    "test_archive_cluster.py",
    "test_reliability_batch.py",
    "test_cli_batch.py",
    "test_docs_site.py",
    "test_cli_cubes.py",
)
"""Files that take long, the longest first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long: no worker should be left with it when others are done."""
    ranks = {name: rank for rank, name in enumerate(LONG)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(LONG)))
