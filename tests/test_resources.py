"""What a process does with memory."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

ALLOCATES = """
import resource
import numpy as np
from pansharpkit.resources import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(200):
        np.ones(1 << 17)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

asked_anew = faults()
keep_freed_memory()
faults()
print(asked_anew, faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the C library of Linux")
def test_workers_of_dask_use_memory_again() -> None:
    environment = dict(os.environ) | {"MALLOC_TRIM_THRESHOLD_": "65536"}
    done = subprocess.run(
        [sys.executable, "-c", ALLOCATES],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    anew, kept = map(int, done.stdout.split())
    if anew < 1000:
        pytest.skip("this C library keeps what is freed by itself")
    assert kept < anew / 10
