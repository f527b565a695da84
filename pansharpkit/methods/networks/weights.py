"""Files of network weights: safetensors, with what the network was made for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pansharpkit.errors import OptionError, OutputError


def write_weights(
    path: str, form: str, weights: Mapping[str, Tensor], shape: Mapping[str, object]
) -> None:
    """Write weights, the name of their format, and the facts that say which network they fit.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    said = {"format": form, "network": json.dumps(dict(shape))}
    part = Path(f"{path}.part")
    try:
        save_file({name: value.cpu().contiguous() for name, value in weights.items()}, part, said)
        part.replace(path)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        raise OutputError(f"{path}: the weights cannot be written: {error}") from None


def read_weights(
    path: str, form: str, method: str, shape: Mapping[str, object]
) -> dict[str, Tensor]:
    """Read weights of one format for a network of one shape.

    Raises
    ------
    OptionError
        If the file is missing or unreadable, of another format, or for another network.
    """
    if not Path(path).is_file():
        raise OptionError(f"{method}: weights={path}: there is no such file")
    try:
        with safe_open(path, "pt") as file:
            said = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise OptionError(
            f"{method}: weights={path} is not a readable safetensors file: {error}"
        ) from None
    if said.get("format") != form:
        raise OptionError(f"{method}: weights={path} was not written by save_weights of {method}")
    theirs = json.loads(said["network"])
    if differing := [key for key in shape if theirs.get(key) != shape[key]]:
        facts = "; ".join(f"{k} is {theirs.get(k)} there and {shape[k]} here" for k in differing)
        raise OptionError(f"{method}: weights={path} does not fit: {facts}")
    return weights
