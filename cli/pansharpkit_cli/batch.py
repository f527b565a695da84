"""`pansharpkit batch`: all scenes of an archive, and what became of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from pansharpkit.errors import OptionError
from pansharpkit_cli import batch_console, console
from pansharpkit_cli import options as o
from pansharpkit_cli.beside import More
from pansharpkit_cli.clustered import Workers
from pansharpkit_cli.helping import Command
from pansharpkit_cli.recipe import Recipe
from pansharpkit_cli.spread import spread

if TYPE_CHECKING:
    from pansharpkit.archive.batch import Engine
    from pansharpkit.archive.find import FindRequest
    from pansharpkit.archive.record import SceneRecord
    from pansharpkit.archive.survey import BatchRequest
    from pansharpkit.archive.work import SceneTask
    from pansharpkit.pipeline import FuseRequest
    from pansharpkit.readers import ReadOptions

FAILED = 3
"""Exit code of a batch of which scenes failed."""


# Newer typers bring a click of their own, whose context has no type that all of them share.
class RunByDefault(TyperGroup):
    """A group that means its command `run` where no command is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` in front of what is no command."""
        if args and args[0] not in (*self.commands, *ctx.help_option_names):
            args = ["run", *args]
        return list(super().parse_args(ctx, args))


app = typer.Typer(
    cls=RunByDefault,
    help="Fuse all scenes of an archive: `pansharpkit batch ARCHIVE --out DIR` is short for "
    "`batch run`.",
    no_args_is_help=True,
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Output folder of a batch.")]


@dataclass(frozen=True)
class Search:
    """How scenes are found, as typed."""

    pair: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--pair",
            metavar="PAN=PATTERN MS=PATTERN",
            help="How PAN and MS are named: 'PAN=*_P_*.tif' 'MS=*_M_*.tif'. What the wildcards "
            "stand for must agree.",
        ),
    ] = None
    root: Annotated[
        Path | None,
        typer.Option(
            "--root", help="Folder that a manifest or catalogue may name files in; its own."
        ),
    ] = None
    skip_missing_pairs: Annotated[
        bool,
        typer.Option("--skip-missing-pairs", help="Go on without inputs that make no scene."),
    ] = False

    def request(self, archive: Path, read: ReadOptions) -> FindRequest:
        """Return what the library needs."""
        from pansharpkit.archive.find import FindRequest

        return FindRequest(archive, self.pair or (), self.root, read=read)


@dataclass(frozen=True)
class Care:
    """What is done again, checked or replaced, as typed."""

    max_attempts: Annotated[
        int,
        typer.Option(
            "--max-attempts",
            min=1,
            help="Failures after which a scene is left alone, until its inputs or options change.",
        ),
    ] = 3
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Read all rasters that are there, to see they are the same."),
    ] = False
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace rasters that the ledger does not know."),
    ] = False


@app.command("run", cls=Command)
@spread
def run(
    archive: Annotated[
        Path,
        typer.Argument(
            metavar="ARCHIVE",
            help="Folder with scenes; or a manifest (.csv), or a STAC catalogue (.json).",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for outputs, ledger and catalogue.")
    ],
    recipe: Recipe,
    workers: Workers,
    more: More,
    search: Search,
    care: Care,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            help="Scenes at the same time, each in a process of its own. [default: one for each "
            "GPU, else one]",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and why, and stop.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print one line of JSON for each scene on stdout.")
    ] = False,
    quiet: o.Quiet = False,
) -> None:
    """Fuse and assess all scenes of an archive; run it again to go on where it ended."""
    with o.loading():
        from pansharpkit.archive import batch
        from pansharpkit.archive.survey import BatchRequest

    scene = recipe.request((), out)
    found = search.request(archive, scene.scene.read)
    request = BatchRequest(
        found, out, scene, recipe.gate(), care.max_attempts, search.skip_missing_pairs,
        care.verify, care.overwrite, more.asked,
    )  # fmt: skip
    clustered = workers.asked
    if clustered and jobs is not None:
        raise OptionError("--jobs is for processes without a cluster; leave it out")
    gpus = () if clustered else _gpus(scene)
    jobs = jobs or workers.n_workers or max(1, len(gpus))
    if dry_run:
        _plan(request, jobs, json=json)
        return
    with batch_console.Teller(json=json, quiet=quiet) as teller:
        engine = _remote(scene, workers) if clustered else _local(scene, jobs, gpus)
        summary = batch.run(request, engine, teller.tell, teller.begin)
    batch_console.print_summary(summary, out, json=json, quiet=quiet)
    if not summary.complete:
        raise typer.Exit(FAILED)


def _gpus(scene: FuseRequest) -> tuple[str, ...]:
    """Return the GPUs to share out, if that is left to us."""
    from pansharpkit.archive.local import visible_gpus

    return visible_gpus() if scene.run.device in ("auto", "cuda") else ()


def _local(scene: FuseRequest, jobs: int, gpus: tuple[str, ...]) -> Engine:
    from pansharpkit.archive import local

    return lambda tasks: local.run(tasks, jobs, threads=scene.run.threads, gpus=gpus)


def _remote(scene: FuseRequest, workers: Workers) -> Engine:
    from pansharpkit.archive import cluster

    connect = workers.crew(scene.run.threads, deaths=0)  # the batch counts attempts

    def run(tasks: Iterator[SceneTask]) -> Iterator[SceneRecord]:
        with connect() as crew:
            yield from cluster.run(tasks, crew)

    return run


def _plan(request: BatchRequest, jobs: int, *, json: bool) -> None:
    from pansharpkit.archive.forecast import forecast
    from pansharpkit.archive.survey import check_pairs, survey

    plan = survey(request)
    with console.notices(json):
        expected = forecast(request, plan, jobs)
    batch_console.print_plan(plan, expected, json=json)
    check_pairs(request, plan.found)


@app.command()
def status(folder: Folder, json: o.AsJson = False) -> None:
    """Say what the ledger knows: how many scenes are done, which failed and why."""
    from pansharpkit.archive.ledger import NAME, Ledger

    with Ledger(folder / NAME, "read") as ledger:
        batch_console.print_status(ledger, folder, json=json)


@app.command()
def retry(
    folder: Folder,
    ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID...", help="Scenes that failed; all of them by default."),
    ] = None,
    json: o.AsJson = False,
) -> None:
    """Let scenes that failed be tried again by the next `batch`, as if for the first time."""
    from pansharpkit.archive.batch import retry

    found = retry(folder, ids or ())
    if json:
        console.print_json({"retried": list(found)})
        return
    for id in found:
        console.note(id)
    tried = "1 scene is" if len(found) == 1 else f"{len(found)} scenes are"
    console.note(f"{tried} tried again by the next `pansharpkit batch`")


@app.command()
def report(folder: Folder, json: o.AsJson = False) -> None:
    """Write one page and one CSV over all scenes: states, quality, a map, the worst first."""
    from pansharpkit.archive.overview import overview

    page, table = overview(folder)
    if json:
        console.print_json({"page": str(page), "table": str(table)})
        return
    console.note(f"wrote {page} and {table}")
