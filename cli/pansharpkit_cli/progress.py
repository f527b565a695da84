"""The stages of a run on a terminal: how far each is, how long it has taken, how long it will."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text


class TimeLeft(ProgressColumn):
    """How long a stage will still take, once its pace is known."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        """Return minutes and seconds, or nothing."""
        seconds = None if task.finished else task.time_remaining
        if seconds is None:
            return Text("")
        minutes, rest = divmod(round(seconds), 60)
        hours, minutes = divmod(minutes, 60)
        shown = f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
        return Text(f"{shown} left", style="progress.remaining")


class Stages:
    """A line for each stage, as long as it lasts; nothing stays when all are done.

    A stage of one step says nothing about how far it is: its bar moves to and fro, and goes when
    the next stage begins.
    """

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(), TimeLeft(),
        )  # fmt: skip
        self._bar = Progress(*columns, console=console, transient=True)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Stages:
        """Begin to draw."""
        self._bar.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wipe what was drawn."""
        self._bar.__exit__(kind, error, trace)

    @property
    def tasks(self) -> list[Task]:
        """What is being drawn."""
        return self._bar.tasks

    def report(self, stage: str, done: int, total: int) -> None:
        """Draw how far a stage is."""
        if stage not in self._tasks:
            self._forget_single_steps()
            self._tasks[stage] = self._bar.add_task(stage, total=None, count="")
        task = self._tasks[stage]
        if total <= 1:
            return
        if done < self._task(task).completed:  # the next tile: rates and times begin anew
            self._bar.reset(task)
        self._bar.update(task, completed=done, total=total, count=f"{done}/{total}")

    def _forget_single_steps(self) -> None:
        for stage, task in list(self._tasks.items()):
            if self._task(task).total is None:
                self._bar.remove_task(task)
                del self._tasks[stage]

    def _task(self, wanted: TaskID) -> Task:
        return next(task for task in self._bar.tasks if task.id == wanted)
