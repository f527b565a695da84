"""Options that several commands take together, written down once as a dataclass."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import is_dataclass
from inspect import Parameter


def spread(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take the fields of its dataclass parameters as options of its own.

    Such a parameter is replaced, where it stands, by one for each field: typer makes options of
    them. The command itself gets the dataclass, filled. A field may be such a dataclass, too.

    Examples
    --------
    >>> import dataclasses
    >>> @dataclasses.dataclass(frozen=True)
    ... class Size:
    ...     height: int = 1
    ...     width: int = 2
    >>> @spread
    ... def show(name: str, size: Size, loud: bool = False) -> None:
    ...     print(name, size)
    >>> list(inspect.signature(show).parameters)
    ['name', 'height', 'width', 'loud']
    >>> show(name="tile", height=4, width=3)
    tile Size(height=4, width=3)
    """
    own = inspect.signature(command, eval_str=True)
    groups = _groups(own.parameters.values())

    @functools.wraps(command)
    def spelled_out(**given: object) -> None:
        found = {name: _filled(group, given) for name, group in groups.items()}
        command(**given, **found)

    parameters = [
        each.replace(kind=Parameter.KEYWORD_ONLY) for each in _options(own.parameters.values())
    ]
    spelled_out.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    spelled_out.__annotations__ = {each.name: each.annotation for each in parameters}
    return spelled_out


def _groups(parameters: Iterable[Parameter]) -> dict[str, type]:
    return {
        parameter.name: parameter.annotation
        for parameter in parameters
        if isinstance(parameter.annotation, type) and is_dataclass(parameter.annotation)
    }


def _fields(group: type) -> Iterable[Parameter]:
    return inspect.signature(group, eval_str=True).parameters.values()


def _options(parameters: Iterable[Parameter]) -> Iterator[Parameter]:
    """Yield what typer makes options of: the fields of groups in place of these."""
    found = list(parameters)
    groups = _groups(found)
    for parameter in found:
        if parameter.name in groups:
            yield from _options(_fields(groups[parameter.name]))
        else:
            yield parameter


def _filled(group: type, given: dict[str, object]) -> object:
    """Return a group with what was given for its fields, which is taken out."""
    own = list(_fields(group))
    inner = _groups(own)
    values = {name: _filled(each, given) for name, each in inner.items()}
    taken = {each.name for each in own if each.name in given and each.name not in inner}
    return group(**values, **{name: given.pop(name) for name in taken})
