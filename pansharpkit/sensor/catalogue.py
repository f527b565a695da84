"""Where presets lie, and how to find one by its name."""

from __future__ import annotations

import logging
import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pansharpkit.errors import SensorError, meant
from pansharpkit.sensor.model import Sensor

logger = logging.getLogger(__name__)

_PACKAGED = Path(__file__).parents[1] / "_sensors"
_CHECKOUT = Path(__file__).parents[2] / "sensors"


@dataclass(frozen=True)
class Preset:
    """A preset file, known by what its head says."""

    id: str
    name: str
    aliases: tuple[str, ...]
    path: Path


def user_folder() -> Path:
    """Return the folder of the user's own presets: $PANSHARPKIT_SENSORS, else under ~/.config."""
    if folder := os.environ.get("PANSHARPKIT_SENSORS"):
        return Path(folder)
    home = os.environ.get("XDG_CONFIG_HOME") or (
        os.environ.get("APPDATA") if os.name == "nt" else None
    )
    return (Path(home) if home else Path.home() / ".config") / "pansharpkit" / "sensors"


def preset_files() -> dict[str, Path]:
    """Return the preset files by id (their stem), the user's first: they hide built-in ones."""
    files: dict[str, Path] = {}
    for folder in (user_folder(), _PACKAGED, _CHECKOUT):
        for path in sorted(folder.glob("*.toml")):
            files.setdefault(path.stem, path)
    return files


def list_sensors() -> list[str]:
    """Return the ids of all presets, sorted; opens none of them."""
    return sorted(preset_files())


def load_sensor(name_or_path: str) -> Sensor:
    """Load a preset by id, name, alias or path.

    Names and aliases count without case, accents, spaces and punctuation: `WV-2`, `wv2`. A path is
    what ends in .toml or has a folder in it.

    Raises
    ------
    SensorError
        If there is no such preset, or it is malformed.
    """
    from pansharpkit.sensor.preset import read_preset

    if name_or_path.endswith(".toml") or any(sep in name_or_path for sep in "/\\"):
        return read_preset(Path(name_or_path))
    files = preset_files()
    if name_or_path in files:
        return read_preset(files[name_or_path])
    wanted = _plain(name_or_path)
    matches = [p for p in presets() if wanted in {_plain(n) for n in (p.id, p.name, *p.aliases)}]
    if not matches:
        raise SensorError(_unknown(name_or_path, files))
    nearest = [preset for preset in matches if preset.path.parent == matches[0].path.parent]
    if len(nearest) > 1:
        same = ", ".join(str(preset.path) for preset in nearest)
        raise SensorError(f"sensor {name_or_path!r} may be any of {same}: use the id")
    return read_preset(nearest[0].path)


def presets() -> Iterator[Preset]:
    """Read the heads of all presets, the user's first; a broken file is logged and left out."""
    from pansharpkit.sensor.preset import read_toml

    for stem, path in preset_files().items():
        try:
            head = read_toml(path)
        except SensorError as error:
            logger.warning("preset left out: %s", error)
            continue
        aliases = head.get("aliases")
        names = tuple(str(a) for a in aliases) if isinstance(aliases, list) else ()
        yield Preset(stem, str(head.get("name", stem)), names, path)


def _plain(name: str) -> str:
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if letter.isalnum())


def _unknown(name: str, files: dict[str, Path]) -> str:
    return (
        f"unknown sensor {name!r}: {meant(name, files)}`pansharpkit sensors list` shows "
        f"all; a preset of your own goes into {user_folder()} or is given by its path"
    )
