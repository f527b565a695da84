"""What the shell offers on Tab: names of methods and sensors, values of options; without torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pansharpkit.methods.entries import Task

Offers = list[tuple[str, str]]
"""What may be typed, and what it means."""
_CHOICE = ("auto", "one of the quick ones, chosen on the scene itself")


def methods(task: Task | None = None, *, auto: bool = False) -> Callable[[str], Offers]:
    """Return what offers the methods of a task, or all."""

    def offer(incomplete: str) -> Offers:
        from pansharpkit.methods.registry import REGISTRY, method_names

        known = [(name, REGISTRY[name].summary) for name in method_names(task)]
        return _starting([*([_CHOICE] if auto else []), *known], incomplete)

    return offer


def method_lists(incomplete: str) -> Offers:
    """Offer the last name of a comma-separated list of methods."""
    from pansharpkit.methods.registry import REGISTRY, method_names

    typed, comma, last = incomplete.rpartition(",")
    taken = typed.split(",")
    names = [name for name in method_names("sharpen") if name not in taken]
    offers = _starting([(name, REGISTRY[name].summary) for name in names], last)
    return [(f"{typed}{comma}{name}", meaning) for name, meaning in offers]


def sensors(incomplete: str) -> Offers:
    """Offer the presets, the user's own included."""
    from pansharpkit.sensor.catalogue import presets

    return _starting(sorted((preset.id, preset.name) for preset in presets()), incomplete)


def words(*known: str) -> Callable[[str], Sequence[str]]:
    """Return what offers a few words."""

    def offer(incomplete: str) -> Sequence[str]:
        return [word for word in known if word.startswith(incomplete)]

    return offer


def _starting(offers: Iterable[tuple[str, str]], incomplete: str) -> Offers:
    return [(name, meaning) for name, meaning in offers if name.startswith(incomplete)]
