"""What a batch does to every scene, flat and with a hash: whether two runs did the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path

from pansharpkit.fingerprint import Fingerprint, changes
from pansharpkit.intake import SceneRequest
from pansharpkit.pipeline import FuseRequest

_NOT_ASKED = {
    "scene.inputs",
    "output",
    "overwrite",
    "resume",
    "run.threads",
    "run.ram_mb",
    "run.device",
    "method.uncertainty",
}
"""Which scene, on what it is computed, and what comes beside: they do not change the raster."""


def settings(request: FuseRequest) -> dict[str, object]:
    """Return the options of a request that its result depends on, as flat JSON-ready values.

    A file that an option names, a preset or a model, counts with its contents.
    """
    return {name: value for name, value in _flat("", request) if name not in _NOT_ASKED}


def digest(options: Mapping[str, object]) -> str:
    """Return a short hash of options, the same on every machine."""
    text = json.dumps(dict(options), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def differing(before: Mapping[str, object], now: Mapping[str, object]) -> tuple[str, ...]:
    """Return in what the settings of two runs differ, one line each.

    What an earlier release had no option for is what it is by default, so that new options do not
    make old results out of date. Nothing is known of the settings of an empty `before`.
    """
    if not before:
        return changes({}, now)
    usual = settings(FuseRequest(SceneRequest(()), Path()))
    missing = [name for name in now if name not in before and name in usual]
    return changes({**before, **{name: usual[name] for name in missing}}, now)


def _flat(name: str, value: object) -> Iterator[tuple[str, object]]:
    if is_dataclass(value):
        for field in fields(value):
            yield from _flat(f"{name}.{field.name}".lstrip("."), getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _flat(f"{name}.{key}", entry)
    else:
        yield name, _plain(value)


def _plain(value: object) -> object:
    if isinstance(value, tuple | list | frozenset | set):
        return [_plain(entry) for entry in value]
    if isinstance(value, str | Path) and (path := Path(value)).suffix and path.is_file():
        return f"{path.name} {Fingerprint.of(path).sha256[:16]}"
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)
