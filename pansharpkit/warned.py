"""Warnings that are given while pixels are read, in any thread, put together for the user."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from pansharpkit.errors import BadBlockWarning, PansharpkitWarning

log = logging.getLogger(__name__)


@dataclass
class Warned:
    """Everything the user should read about one job."""

    said: list[str] = field(default_factory=list)
    _blocks: dict[str, dict[str, BadBlockWarning]] = field(default_factory=dict)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Catch this package's warnings; those of others go where they would have gone."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", PansharpkitWarning)
            yield
        for item in caught:
            self._take(item)

    def _take(self, item: warnings.WarningMessage) -> None:
        message = item.message
        if isinstance(message, BadBlockWarning):  # the same blocks are read again and again
            self._blocks.setdefault(message.name, {})[message.where] = message
        elif isinstance(message, PansharpkitWarning):
            self.say(str(message))
        else:
            warnings.warn_explicit(message, item.category, item.filename, item.lineno)

    def say(self, text: str) -> None:
        """Log a warning and keep it, unless it was said already."""
        if text not in self.said:
            log.warning(text)
            self.said.append(text)

    def conclude(self) -> tuple[str, ...]:
        """Say one line about the bad blocks of each file, and return all that was said."""
        for blocks in self._blocks.values():
            self.say(next(iter(blocks.values())).summary(len(blocks)))
        self._blocks.clear()
        return tuple(self.said)
