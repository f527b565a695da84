"""A batch from its archive to its catalogue: find, plan, run, and write down what becomes of it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pansharpkit.archive import qml
from pansharpkit.archive.entry import SceneEntry
from pansharpkit.archive.ledger import NAME, Ledger
from pansharpkit.archive.plan import Planned
from pansharpkit.archive.record import WORKER_DIED, Outcome, SceneRecord
from pansharpkit.archive.settings import digest, settings
from pansharpkit.archive.stac.catalogue import stored_items, write_catalogue
from pansharpkit.archive.stac.item import write_item
from pansharpkit.archive.survey import BatchRequest, Survey, check_pairs, compared, search
from pansharpkit.archive.work import SceneTask, output_of
from pansharpkit.errors import InputError, OutputError, PansharpkitError
from pansharpkit.writer.lock import OutputLock

log = logging.getLogger(__name__)

LOCK = ".batch.lock"
_PLACES_FAULT = OutputError.__name__
"""Kind of an error that is no scene's fault: it does not count as a failure of the scene."""

Engine = Callable[[Iterator[SceneTask]], Iterator[SceneRecord]]
"""Runs scenes somewhere, takes tasks as it has room for them, and yields records as they end."""
Tell = Callable[[SceneRecord], None]


@dataclass(frozen=True)
class BatchSummary:
    """How a batch ended."""

    counts: dict[str, int]
    """Scenes of the archive by state."""
    ran: int
    """Scenes that this run fused, or tried to."""
    failed: tuple[SceneRecord, ...]
    flagged: tuple[SceneRecord, ...]
    seconds: float
    ledger_seconds: float
    """Of these, in the ledger."""
    catalogue: Path | None

    @property
    def complete(self) -> bool:
        """Whether every scene has its raster."""
        return set(self.counts) <= {"done", "flagged"}


def run(
    request: BatchRequest,
    engine: Engine,
    tell: Tell | None = None,
    begin: Callable[[Survey], None] | None = None,
) -> BatchSummary:
    """Do what a batch has to do, and return how it ended.

    `begin` is told the plan, `tell` each record. A batch that is interrupted leaves a ledger from
    which the next one goes on.

    Raises
    ------
    PansharpkitError
        If the archive makes no sense, the output folder cannot be written to, or another batch is
        at work there. What is wrong with a scene is in its record.
    """
    started = time.perf_counter()
    with _usable(request.folder):  # at once, for searching may take long
        OutputLock(request.folder / LOCK, request.folder).check()
    found = search(request)
    check_pairs(request, found)
    with _locked(request.folder), Ledger(request.folder / NAME) as ledger:
        plan = compared(request, found, ledger)
        if begin is not None:
            begin(plan)
        batch = _Batch(request, ledger, tell or (lambda record: None))
        batch.run(engine, plan)
        catalogue = _catalogued(request.folder, ledger)
        return _summary(plan, ledger, batch, catalogue, time.perf_counter() - started)


class _Batch:
    """The state of one run over the scenes that are to be done."""

    def __init__(self, request: BatchRequest, ledger: Ledger, tell: Tell) -> None:
        self.request = request
        self.ledger = ledger
        self.tell = tell
        self.options = settings(request.scene)
        self.digest = digest(self.options)
        self.running: set[str] = set()
        self.lost: set[str] = set()
        """Scenes whose last attempt was lost with its worker."""
        self.ran = 0

    def run(self, engine: Engine, plan: Survey) -> None:
        """Do all scenes; those whose worker died once more, as often as they are granted."""
        self._prepare(plan)
        todo = [self._task(each) for each in plan.to_do]
        left = {each.entry.id: self.request.max_attempts - each.failures for each in plan.to_do}
        try:
            while todo:
                self._round(engine, todo)
                lost = [task for task in todo if task.id in self.lost]
                for task in lost:
                    left[task.id] -= 1
                todo = [_again(task) for task in lost if left[task.id] > 0]
        finally:
            if self.running:
                with suppress(PansharpkitError):  # the error under way says it better
                    self.ledger.release(self.running, "interrupted")

    def _round(self, engine: Engine, todo: list[SceneTask]) -> None:
        self.lost.clear()
        with closing(_generator(engine(self._started(todo)))) as records:
            for record in records:
                self.running.discard(record.id)
                self.ran += 1
                self.ledger.finish(record, counts=_counts(record))
                if record.error is not None and record.error.kind == WORKER_DIED:
                    self.lost.add(record.id)
                self.tell(record)

    def _started(self, todo: Iterable[SceneTask]) -> Iterator[SceneTask]:
        """Yield tasks as the engine asks for them, each written down as begun."""
        for task in todo:
            self.ledger.start(task.entry, self.digest, self.options)
            self.running.add(task.id)
            yield task

    def _prepare(self, plan: Survey) -> None:
        """Write down what is to come, and take up what an earlier batch left."""
        running = [row.entry.id for row in self.ledger.rows() if row.state == "running"]
        if running:
            log.warning("%d scenes were left by a batch that ended early", len(running))
            self.ledger.release(running, "interrupted")
        self.ledger.enter(each.entry for each in plan.planned)
        self.ledger.forget_failures(each.entry.id for each in plan.to_do if each.anew)
        self._judge_again(plan)
        if self.request.beside.qml:
            self._style(plan)

    def _judge_again(self, plan: Survey) -> None:
        """Hold what is done already against the bars of today; items that are gone come back."""
        kept = {each.entry.id for each in plan.planned if each.verdict in ("done", "flagged")}
        now: dict[str, tuple[str, ...]] = {}
        for row in self.ledger.rows():
            if row.entry.id not in kept or row.record is None:
                continue
            missed = self.request.gate.missed(row.record.indices)
            if missed != row.record.flags:
                now[row.entry.id] = missed
            item = output_of(self.request.folder, row.entry.id).with_suffix(".json")
            if missed != row.record.flags or not item.exists():
                state: Outcome = "flagged" if missed else "done"
                self._describe(replace(row.record, state=state, flags=missed), row.entry)
        if now:
            self.ledger.judge(now)

    def _style(self, plan: Survey) -> None:
        """Write the styles that are missing beside what is done already."""
        for each in plan.planned:
            raster = output_of(self.request.folder, each.entry.id)
            if each.verdict not in ("done", "flagged") or qml.path_of(raster).exists():
                continue
            try:
                qml.write_style(raster)
            except InputError as error:
                log.warning("%s: its style cannot be written: %s", each.entry.id, error)

    def _describe(self, record: SceneRecord, entry: SceneEntry) -> None:
        try:
            write_item(record, entry, self.request.folder)
        except InputError as error:  # the raster is judged by its indices all the same
            log.warning("%s: its item cannot be written anew: %s", record.id, error)

    def _task(self, planned: Planned) -> SceneTask:
        entry, request = planned.entry, self.request
        folder = request.folder.absolute()
        fuse = replace(
            request.scene,
            scene=replace(request.scene.scene, inputs=entry.inputs),
            output=output_of(folder, entry.id),
            overwrite=request.overwrite or planned.known,
            resume=planned.resumes,
        )
        return SceneTask(entry, fuse, folder, request.gate, request.beside)


def _again(task: SceneTask) -> SceneTask:
    return replace(task, request=replace(task.request, overwrite=True, resume=True))


def _counts(record: SceneRecord) -> bool:
    return record.error is not None and record.error.kind != _PLACES_FAULT


def _generator(records: Iterator[SceneRecord]) -> Generator[SceneRecord, None, None]:
    """Return records as something that ends its engine when it is closed."""
    yield from records


def _catalogued(folder: Path, ledger: Ledger) -> Path | None:
    """Write the catalogue over every scene of the folder that has a raster."""
    ids = [row.entry.id for row in ledger.rows() if row.state in ("done", "flagged")]
    return write_catalogue(folder, stored_items(folder, ids)) if ids else None


def _summary(
    plan: Survey, ledger: Ledger, batch: _Batch, catalogue: Path | None, seconds: float
) -> BatchSummary:
    here = {each.entry.id for each in plan.planned}
    states: Counter[str] = Counter()
    failed: list[SceneRecord] = []
    flagged: list[SceneRecord] = []
    for row in ledger.rows():
        if row.entry.id not in here:
            continue
        states[row.state] += 1
        if row.record is not None and row.state != "done":
            (failed if row.state == "failed" else flagged).append(row.record)
    return BatchSummary(
        dict(sorted(states.items())),
        batch.ran,
        tuple(failed),
        tuple(flagged),
        seconds,
        ledger.seconds,
        catalogue,
    )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other batches out of a folder."""
    lock = OutputLock(folder / LOCK, folder)
    with _usable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _usable(folder: Path) -> Iterator[None]:
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written to ({error.strerror or error}); choose another --out"
        ) from error


def retry(folder: Path, ids: Iterable[str] = ()) -> tuple[str, ...]:
    """Let failed scenes be tried again by the next batch, all or some, and return which.

    Raises
    ------
    InputError
        If an id is not in the ledger, or its scene did not fail.
    """
    with Ledger(folder / NAME, "write") as ledger, _locked(folder):
        failed = [row.entry.id for row in ledger.rows() if row.state == "failed"]
        wanted = tuple(ids) or tuple(failed)
        for id in wanted:
            if id not in failed:
                raise InputError(
                    f"{id}: is no failed scene of {folder}; `pansharpkit batch status` lists them"
                )
        ledger.forgive(wanted)
        return wanted
