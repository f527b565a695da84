"""Options that say which workers do the work: what `fuse` and `batch` share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pansharpkit.errors import OptionError

if TYPE_CHECKING:
    from pansharpkit.crew import Crew


@dataclass(frozen=True)
class Workers:
    """A dask cluster, as typed."""

    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", help="Address of a dask scheduler, whose workers do the work."),
    ] = None
    scheduler_file: Annotated[
        Path | None,
        typer.Option("--scheduler-file", help="File that a dask scheduler wrote its address to."),
    ] = None
    n_workers: Annotated[
        int | None,
        typer.Option(
            "--n-workers",
            min=1,
            help="Start so many dask workers on this machine: processes of --threads threads, one "
            "by default.",
        ),
    ] = None
    memory_limit: Annotated[
        str | None,
        typer.Option(
            "--memory-limit",
            help="Memory of each of --n-workers, e.g. 4GB; they share the machine's by default.",
        ),
    ] = None

    @property
    def asked(self) -> bool:
        """Whether there is to be a cluster at all.

        Raises
        ------
        OptionError
            If there is none to which an option could apply.
        """
        given = (self.scheduler, self.scheduler_file, self.n_workers)
        if any(each is not None for each in given):
            return True
        if self.memory_limit is not None:
            raise OptionError("--memory-limit goes with --n-workers")
        return False

    def crew(self, threads: int | None, deaths: int) -> Callable[[], AbstractContextManager[Crew]]:
        """Return what connects to the workers, or starts them; mistakes are told at once."""
        from pansharpkit.cluster import ClusterRequest, connected

        request = ClusterRequest(
            self.scheduler, self.scheduler_file, self.n_workers, self.memory_limit,
            threads or 1, deaths,
        )  # fmt: skip
        return lambda: connected(request)
