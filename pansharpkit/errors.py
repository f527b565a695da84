"""Every exception and warning that pansharpkit raises on purpose.

Each error knows the exit code that the command line gives for it, and each also derives from the
nearest builtin, so that library users may catch what they already know.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar

_NO_MEMORY = re.compile(
    "out of memory|can(no|')t allocate|not enough memory|no space for data buffer|start new thread",
    re.IGNORECASE,
)


class PansharpkitError(Exception):
    """Base of all errors: a message that says what is wrong, where, and what to do."""

    exit_code: ClassVar[int] = 1


class OptionError(PansharpkitError, ValueError):
    """An option or a combination of options makes no sense (usage, exit 2)."""

    exit_code = 2


class InputError(PansharpkitError, ValueError):
    """An input is bad or unsupported (exit 4)."""

    exit_code = 4


class FileReadError(InputError, OSError):
    """A file is missing, broken, not what its name says, or may not be opened."""


class MetadataError(InputError, KeyError):
    """A metadata file lacks a key or holds a value that cannot be used."""

    __str__ = Exception.__str__  # KeyError would print the message in quotes


class GridError(InputError):
    """Two grids do not fit: no CRS, no overlap, an unusable transform, a swapped pair."""


class SensorError(InputError, LookupError):
    """A sensor preset is unknown, malformed or does not fit the bands."""


class RegistrationError(InputError):
    """Guide and target do not show the same ground."""


class OutputError(PansharpkitError, OSError):
    """The output cannot be written (run time, exit 1)."""


class FusionError(PansharpkitError, RuntimeError):
    """A method failed on data that passed every check (run time, exit 1)."""


class ClusterError(PansharpkitError, RuntimeError):
    """A cluster cannot be reached, or its workers cannot do the work (run time, exit 1)."""


def out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that it stands for, is want of memory, whatever its type says.

    PyTorch reports it as a RuntimeError, GDAL as a block that cannot be read.

    >>> out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    True
    """
    while error is not None:
        if isinstance(error, MemoryError) or _NO_MEMORY.search(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def explained(error: Exception) -> str:
    """Return on one line what went wrong; what is not ours says that it is a bug."""
    if isinstance(error, PansharpkitError):
        text = str(error)
    elif out_of_memory(error):
        text = "out of memory; use a smaller --tile, or --bounds"
    elif isinstance(error, OSError):  # no room for a temporary file, standard output full
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error} (this is a bug; --debug shows where)"
    return " ".join(text.split())


def meant(typed: str, known: Iterable[str]) -> str:
    """Return what a mistyped name may have meant, as a question to put into a message, or nothing.

    >>> meant("mtf_glp", ("gsa", "mtf-glp")), meant("xyz", ("gsa",))
    ('did you mean mtf-glp? ', '')
    """
    from difflib import get_close_matches

    close = get_close_matches(typed.casefold(), list(known), n=3, cutoff=0.5)
    return f"did you mean {', '.join(close)}? " if close else ""


class PansharpkitWarning(UserWarning):
    """Base of all warnings: the run goes on, the report repeats it."""


class BadBlockWarning(PansharpkitWarning):
    """A stored block of a file cannot be read and is masked."""

    def __init__(self, name: str, where: str) -> None:
        super().__init__(name, where)
        self.name = name
        """The file."""
        self.where = where
        """Rows and columns of the block."""

    def __str__(self) -> str:
        """Say what happened on one line."""
        return self.summary(1)

    def summary(self, count: int) -> str:
        """Return the line that speaks for `count` blocks of the file, this one being the first."""
        found = self.where if count == 1 else f"{count} blocks, the first at {self.where},"
        return (
            f"{self.name}: {found} cannot be read, the file is damaged there; masked: download or "
            "copy it again"
        )
