"""Methods by their name, readable and checked without importing torch."""

from __future__ import annotations

import dataclasses
import importlib
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from pansharpkit.errors import OptionError, meant
from pansharpkit.methods.entries import COMMANDS, ENTRIES, Entry, Task

if TYPE_CHECKING:
    from pansharpkit.methods.base import Method

REGISTRY: Mapping[str, Entry] = {entry.name: entry for entry in ENTRIES}


def method_names(task: Task | None = None) -> list[str]:
    """Return the names of all methods, or of those for a task, in the order of the registry."""
    return [name for name, entry in REGISTRY.items() if task is None or task in entry.tasks]


def _entry(name: str, task: Task | None = None) -> Entry:
    try:
        return REGISTRY[name.lower()]
    except KeyError:
        raise OptionError(
            f"there is no method {name!r}: {meant(name, method_names(task))}`pansharpkit methods` "
            "lists all"
        ) from None


def options_class(name: str) -> type[Any]:
    """Return the frozen dataclass of a method's options (imports the method)."""
    entry = _entry(name)
    found: type[Any] = getattr(importlib.import_module(entry.module), entry.options)
    return found


def check_task(name: str, task: Task) -> None:
    """Refuse a method that is not for a task.

    Raises
    ------
    OptionError
        If the method is unknown, or for other tasks.
    """
    tasks = _entry(name, task).tasks
    if task not in tasks:
        commands = " and ".join(f"`pansharpkit {COMMANDS[own]}`" for own in tasks)
        raise OptionError(
            f"{name} is a method of {commands}; for `pansharpkit {COMMANDS[task]}` choose one of "
            f"{', '.join(method_names(task))}"
        )


def create(
    name: str, options: Mapping[str, object] | None = None, task: Task | None = None
) -> Method:
    """Return the method `name` with `options`, which may be strings as typed on a command line.

    Raises
    ------
    OptionError
        If the method or an option is unknown, a value does not fit, or the method is not for the
        `task`, if one is given.
    """
    entry = _entry(name, task)
    if task is not None:
        check_task(name, task)
    factory = getattr(importlib.import_module(entry.module), entry.factory)
    method: Method = factory(_validated(name, options or {}))
    return method


def effective_options(name: str, options: Mapping[str, object]) -> dict[str, object]:
    """Return all options of a method as they apply, defaults included."""
    return dataclasses.asdict(_validated(name, options))


def _validated(name: str, options: Mapping[str, object]) -> Any:
    cls = options_class(name)
    known = {field.name for field in dataclasses.fields(cls)}
    given = {key.replace("-", "_"): value for key, value in options.items()}
    if unknown := sorted(set(given) - known):
        raise OptionError(
            f"method {name} has no option {', '.join(unknown)}; {meant(unknown[0], known)}it has "
            f"{', '.join(sorted(known)) or 'none'}"
        )
    try:
        return TypeAdapter(cls).validate_python(given)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise OptionError(
            f"method {name}{f', option {where}' if where else ''}: {first['msg']}"
        ) from None


def describe_options(name: str) -> list[tuple[str, str, object]]:
    """Return (option, type, default) for each option of a method."""
    cls = options_class(name)
    hints = typing.get_type_hints(cls)
    return [
        (field.name, _type_name(hints[field.name]), field.default)
        for field in dataclasses.fields(cls)
    ]


def _type_name(hint: object) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return " | ".join(str(value) for value in typing.get_args(hint))
    return getattr(hint, "__name__", str(hint))
