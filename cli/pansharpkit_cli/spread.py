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
    them. The command itself gets the dataclass, filled.

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
    groups: dict[str, type] = {
        parameter.name: parameter.annotation
        for parameter in own.parameters.values()
        if isinstance(parameter.annotation, type) and is_dataclass(parameter.annotation)
    }

    @functools.wraps(command)
    def spelled_out(**given: object) -> None:
        for name, group in groups.items():
            fields = inspect.signature(group).parameters
            given[name] = group(**{key: given.pop(key) for key in fields if key in given})
        command(**given)

    parameters = list(_parameters(own, groups))
    spelled_out.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
    spelled_out.__annotations__ = {each.name: each.annotation for each in parameters}
    return spelled_out


def _parameters(own: inspect.Signature, groups: dict[str, type]) -> Iterator[Parameter]:
    found: Iterable[Parameter]
    for parameter in own.parameters.values():
        if parameter.name in groups:
            found = inspect.signature(groups[parameter.name], eval_str=True).parameters.values()
        else:
            found = (parameter,)
        yield from (each.replace(kind=Parameter.KEYWORD_ONLY) for each in found)
