"""What an archive holds, and what a batch would do about it, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from pansharpkit.archive.beside import Beside
from pansharpkit.archive.entry import Found
from pansharpkit.archive.find import FindRequest, find
from pansharpkit.archive.ledger import NAME, Ledger
from pansharpkit.archive.plan import Judge, Planned
from pansharpkit.archive.record import SceneRecord
from pansharpkit.archive.settings import digest, settings
from pansharpkit.errors import InputError, OptionError
from pansharpkit.gate import Gate
from pansharpkit.pipeline import FuseRequest
from pansharpkit.readers.safe_open import printable


@dataclass(frozen=True)
class BatchRequest:
    """Everything that says what is to be fused, how, and where to."""

    find: FindRequest
    folder: Path
    """Where outputs, ledger and catalogue go."""
    scene: FuseRequest
    """How each scene is fused; inputs and output are filled in."""
    gate: Gate = field(default_factory=Gate)
    max_attempts: int = 3
    """Failures after which a scene is left alone, until its inputs or options change."""
    skip_missing_pairs: bool = False
    verify: bool = False
    """Whether to read all rasters that are there, to see that they still are the same."""
    overwrite: bool = False
    """Whether rasters may be replaced that the ledger does not know."""
    beside: Beside = field(default_factory=Beside)
    """What is written beside each raster."""


@dataclass(frozen=True)
class Past:
    """What the scenes took that have a raster already."""

    scenes: int = 0
    seconds: float = 0.0
    bytes: int = 0

    def __add__(self, record: SceneRecord) -> Past:
        """Add one of them."""
        size = 0 if record.output is None else record.output.bytes
        return Past(self.scenes + 1, self.seconds + record.seconds, self.bytes + size)


@dataclass(frozen=True)
class Survey:
    """What an archive holds and what a batch would do about it."""

    found: Found
    planned: tuple[Planned, ...]
    gone: tuple[str, ...] = ()
    """Scenes of the ledger that the archive no longer holds."""
    past: Past = field(default_factory=Past)
    """What scenes took that are done already."""

    @property
    def to_do(self) -> tuple[Planned, ...]:
        """What is to be fused."""
        return tuple(each for each in self.planned if each.to_do)


def search(request: BatchRequest) -> Found:
    """Find the scenes of a batch, which may lie around its output folder.

    Raises
    ------
    PansharpkitError
        If the method, the archive or the output folder makes no sense.
    """
    request.scene.method.stand_in().create()  # mistakes are told before an archive is searched
    request.beside.check(request.folder / "x.tif", report=request.scene.report, overwrite=True)
    if request.folder.resolve() == request.find.archive.resolve():
        raise OptionError(f"{request.folder}: is the archive itself; choose another --out")
    return find(replace(request.find, skip=(*request.find.skip, request.folder)))


def survey(request: BatchRequest) -> Survey:
    """Find out what a batch would do; nothing is written.

    Raises
    ------
    PansharpkitError
        If the method, the archive or the ledger makes no sense.
    """
    found = search(request)
    path = request.folder / NAME
    if not path.exists():
        return Survey(found, tuple(Planned(entry, "new") for entry in found.entries))
    with Ledger(path, "read") as ledger:
        return compared(request, found, ledger)


def check_pairs(request: BatchRequest, found: Found) -> None:
    """Refuse an archive without scenes, or with inputs that make none and are not to be skipped.

    Raises
    ------
    InputError
        Naming the first.
    """
    if found.unpaired and not request.skip_missing_pairs:
        first = found.unpaired[0]
        others = len(found.unpaired) - 1
        more = f" ({others} more make no scene either)" if others else ""
        raise InputError(f"{first.path}: {first.why}{more}; or pass --skip-missing-pairs")
    if not found.entries:
        archive = printable(str(request.find.archive))
        raise InputError(f"{archive}: no scene was found; check the {_suspect(request.find)}")


def _suspect(asked: FindRequest) -> str:
    """Return what is wrong, perhaps, if nothing was found."""
    if asked.pair:
        return "patterns of --pair"
    return "path, or say how to pair with --pair" if asked.archive.is_dir() else "file"


def compared(request: BatchRequest, found: Found, ledger: Ledger) -> Survey:
    """Return what a batch would do about what was found, as the ledger has it."""
    options = settings(request.scene)
    beside = request.beside.rasters(uncertainty=request.scene.method.uncertainty)
    judge = Judge(
        request.folder,
        digest(options),
        options,
        ledger.options,
        request.max_attempts,
        request.verify,
        tuple(suffix for suffix, asked in beside.items() if asked),
    )
    planned = {entry.id: Planned(entry, "new") for entry in found.entries}
    gone, past = [], Past()
    for row in ledger.rows():
        if (known := planned.get(row.entry.id)) is None:
            gone.append(row.entry.id)
        else:
            planned[row.entry.id] = judge.judge(known.entry, row)
        alike = not judge.differing(row)
        if alike and row.record is not None and row.record.output is not None:
            past += row.record
    return Survey(found, tuple(planned.values()), tuple(gone), past)
