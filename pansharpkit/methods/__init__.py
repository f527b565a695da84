"""Fusion methods: the registry, the protocol, one file per family.

Importing this package does not import torch; creating a method does.
"""

from __future__ import annotations

from pansharpkit.methods.entries import Entry, Task
from pansharpkit.methods.registry import (
    REGISTRY,
    check_task,
    create,
    describe_options,
    effective_options,
    method_names,
)

__all__ = [
    "REGISTRY",
    "Entry",
    "Task",
    "check_task",
    "create",
    "describe_options",
    "effective_options",
    "method_names",
]
