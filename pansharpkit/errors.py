"""Every exception and warning that pansharpkit raises on purpose.

Each error knows the exit code that the command line gives for it, and each also derives from the
nearest builtin, so that library users may catch what they already know.
"""

from __future__ import annotations

from typing import ClassVar


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
