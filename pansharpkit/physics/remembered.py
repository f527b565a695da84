"""Matrices of operators, remembered as far as the memory for them goes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import wraps
from threading import Lock
from typing import ParamSpec

from torch import Tensor

P = ParamSpec("P")
Maker = Callable[P, Tensor]


class Memory:
    """Tensors that functions returned, those asked for last, up to so many bytes in all.

    A count would not do: the matrices of a tile take megabytes, those of a small window next to
    nothing, and where the ratio is not whole each window needs its own.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0
        """Bytes."""
        self._known: OrderedDict[Hashable, Tensor] = OrderedDict()
        self._lock = Lock()

    def keeps(self, make: Maker[P]) -> Maker[P]:
        """Make a function return the very tensor that it returned before for the same arguments.

        Nobody may write into it.
        """

        @wraps(make)
        def found(*args: P.args, **kwargs: P.kwargs) -> Tensor:
            key = (make, args, *kwargs.items())
            with self._lock:
                if key in self._known:
                    self._known.move_to_end(key)
                    return self._known[key]
            made = make(*args, **kwargs)
            self._keep(key, made)
            return made

        return found

    def _keep(self, key: Hashable, made: Tensor) -> None:
        with self._lock:
            if key not in self._known:  # two threads may have made it
                self._known[key] = made
                self.held += made.nbytes
            while self.held > self.most and len(self._known) > 1:
                _, forgotten = self._known.popitem(last=False)
                self.held -= forgotten.nbytes


MATRICES = Memory(2**28)
"""Of all operators between the grids."""
