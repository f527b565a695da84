"""What became of one scene of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, get_args

from pansharpkit.errors import MetadataError
from pansharpkit.fingerprint import Fingerprint

WORKER_DIED = "WorkerDied"
"""Kind of the error of a scene that was lost with its worker: worth another try."""
Outcome = Literal["done", "flagged", "failed"]
"""``flagged``: the raster is there, and missed a bar that was set for its quality."""


@dataclass(frozen=True)
class OutputFile:
    """The raster that a scene became, as it was when it was finished."""

    path: str
    """Relative to the batch's output folder, with forward slashes."""
    sha256: str
    bytes: int
    modified_ns: int


@dataclass(frozen=True)
class SceneError:
    """Why a scene failed."""

    kind: str
    """Name of the exception, or `WORKER_DIED`."""
    text: str
    """One line: file, cause, remedy."""


@dataclass(frozen=True)
class SceneRecord:
    """The end of one attempt at a scene; JSON-ready by `to_dict`."""

    id: str
    state: Outcome
    output: OutputFile | None = None
    """None if the scene failed."""
    report_json: str | None = None
    """Relative to the output folder, as `report_html` is; None without a report."""
    report_html: str | None = None
    method: str = ""
    """The one that ran: the chosen one for ``auto``."""
    seconds: float = 0.0
    """Wall time of the attempt."""
    indices: Mapping[str, float | None] = field(default_factory=dict)
    """Of the quality report, with the registration's ``shift`` [PAN pixels] and ``r2``.

    None where a value does not exist.
    """
    inputs: Mapping[str, Fingerprint] = field(default_factory=dict)
    """Every file that the scene was made from, as it was before it was read; empty if it could not
    be. Paths are relative to the folder that holds them all."""
    flags: tuple[str, ...] = ()
    """Which bars were missed, and by how much, one line each."""
    error: SceneError | None = None
    warnings: tuple[str, ...] = ()
    host: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Return the record as JSON-ready values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> SceneRecord:
        """Read back what `to_dict` returned, through JSON or not.

        Raises
        ------
        MetadataError
            If it is no record.
        """
        try:
            return _record(dict(values))
        except (TypeError, ValueError) as error:
            raise MetadataError(f"not the record of a scene: {error}") from None


def _record(values: dict[str, object]) -> SceneRecord:
    if values.get("state") not in get_args(Outcome):
        raise ValueError(f"its state is {values.get('state')!r}")
    for name in ("flags", "warnings"):
        values[name] = tuple(_list(values.get(name, ())))
    if values.get("output") is not None:
        values["output"] = OutputFile(**_mapping(values["output"]))  # type: ignore[arg-type]
    values["inputs"] = {
        name: Fingerprint(**_mapping(found))  # type: ignore[arg-type]
        for name, found in _mapping(values.get("inputs", {})).items()
    }
    if values.get("error") is not None:
        values["error"] = SceneError(**_mapping(values["error"]))  # type: ignore[arg-type]
    return SceneRecord(**values)  # type: ignore[arg-type]


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{value!r} is no mapping")
    return {str(key): item for key, item in value.items()}


def _list(value: object) -> list[object]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{value!r} is no list")
    return list(value)
