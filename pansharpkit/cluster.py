"""Where the workers of a dask cluster come from: a scheduler that runs, or this machine."""

from __future__ import annotations

import json
import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pansharpkit.crew import Crew, address
from pansharpkit.errors import ClusterError, OptionError
from pansharpkit.luggage import identity

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)

_CONNECT_S = 15.0
_PATIENCE_S = 60.0  # for a first worker
_RESTART = "10 minutes"  # until a dead worker is given up; a start takes long on a busy machine


@dataclass(frozen=True)
class ClusterRequest:
    """Where the workers are, or how many to start on this machine.

    Raises
    ------
    OptionError
        If it says both, or neither, or what it says is no address or no size.
    """

    scheduler: str | None = None
    """Address, such as ``tcp://10.0.0.7:8786``."""
    scheduler_file: Path | None = None
    """What a scheduler wrote its address to."""
    n_workers: int | None = None
    memory_limit: str | None = None
    """Of each worker started here, such as ``4GB``; by default they share the machine's memory."""
    threads: int = 1
    """Threads of each worker, for one piece of work at a time."""
    deaths: int = 3
    """Workers that may die under the same piece of work before it fails; for those started here."""

    def __post_init__(self) -> None:
        given = [self.scheduler, self.scheduler_file, self.n_workers]
        if sum(each is not None for each in given) != 1:
            raise OptionError("give one of --scheduler, --scheduler-file and --n-workers")
        if self.memory_limit is not None and self.n_workers is None:
            raise OptionError("--memory-limit goes with --n-workers: others have theirs already")
        if self.scheduler is not None:
            _check_address(self.scheduler)
        if self.memory_limit is not None:
            _check_size(self.memory_limit)


def _check_address(text: str) -> None:
    """Refuse what distributed would only stumble over once a client is half made."""
    from distributed.comm.addressing import resolve_address

    try:
        resolve_address(text)
    except OSError:  # a host without an address is told when it is called
        return
    except ValueError as error:
        raise OptionError(
            f"--scheduler {text}: is no address ({error}); write tcp://HOST:8786"
        ) from None


def _check_size(text: str) -> None:
    from dask.utils import parse_bytes

    try:
        usable = 0 <= parse_bytes(text) < 2**63
    except (ValueError, OverflowError):
        usable = False
    if not usable:
        raise OptionError(f"--memory-limit {text}: is no size; write 4GB")


@contextmanager
def connected(request: ClusterRequest) -> Iterator[Crew]:
    """Connect to the workers, or start some that only this machine can reach.

    Raises
    ------
    ClusterError
        If there is no scheduler or no worker, or one of them has other versions.
    """
    with _quiet(), _client(request) as client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE_S)
        except TimeoutError as error:
            raise ClusterError(
                f"the scheduler at {address(client)} has no workers; start some with `dask worker`"
            ) from error
        crew = Crew(client, request.threads)
        crew.everywhere(identity)  # which refuses those of other versions
        yield crew


@contextmanager
def _client(request: ClusterRequest) -> Iterator[Client]:
    from distributed import Client, LocalCluster

    if request.n_workers is None:
        wanted = _asked_for(request)
        try:
            client = Client(wanted, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise ClusterError(
                f"no scheduler answers at {wanted}; start one with `dask scheduler`, or check the "
                "address"
            ) from error
        with client:
            yield client
        return
    import dask

    nowhere = "127.0.0.1:0"  # even what only tells of health
    settings = {
        "distributed.scheduler.allowed-failures": request.deaths,
        "distributed.deploy.lost-worker-timeout": _RESTART,
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=request.n_workers,
            threads_per_worker=1,
            memory_limit=request.memory_limit or "auto",
            host="127.0.0.1",
            dashboard_address=nowhere,
            worker_dashboard_address=nowhere,
            silence_logs=logging.CRITICAL,
            preload=[__name__],
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def dask_setup(worker: object) -> None:
    """On a worker that this module started: leave Ctrl-C to the process that started it."""
    del worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _asked_for(request: ClusterRequest) -> str:
    """Return the scheduler's address, out of its file perhaps."""
    if request.scheduler_file is None:
        assert request.scheduler is not None
        return request.scheduler
    try:
        return str(json.loads(request.scheduler_file.read_text())["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClusterError(
            f"{request.scheduler_file}: is not what `dask scheduler --scheduler-file` writes; "
            "start the scheduler first"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep distributed's own messages to itself: what matters is in our errors."""
    logger = logging.getLogger("distributed")
    before = logger.handlers, logger.propagate
    if not log.isEnabledFor(logging.INFO):
        logger.handlers, logger.propagate = [logging.NullHandler()], False
    try:
        yield
    finally:
        logger.handlers, logger.propagate = before
