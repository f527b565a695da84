"""Pairs of rasters that are no product: by pattern, by what names say, or by what headers say."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from pansharpkit.archive.dates import date_in
from pansharpkit.archive.find.catch import Catch
from pansharpkit.archive.find.guess import Guess, guess
from pansharpkit.archive.find.look import Looks
from pansharpkit.archive.find.match import LEAST_SHARED, Side, match, same_day
from pansharpkit.archive.find.naming import Draft, key_of
from pansharpkit.archive.find.place import Box, shared, table
from pansharpkit.archive.find.shell import Key, Shell
from pansharpkit.archive.find.walk import Folder, Walk, is_raster
from pansharpkit.errors import InputError, OptionError
from pansharpkit.readers.safe_open import printable

_FINER = 1.2
"""By how much the pixels of an MS must at least be larger than those of its PAN."""
_REPORT = ".report.json"
_BOTH = "--pair: {} fits PAN={} and MS={} alike; make them differ"
_REMEDY = "pass --pair with the patterns of both names, or list the pair in a CSV manifest"
_NO_MS = f"has one band, and no image of several bands shows its ground; {_REMEDY}"
_NO_PAN = f"has several bands, and no finer image of one band shows its ground; {_REMEDY}"
_NOWHERE = f"does not say where it lies, so that only names can pair it; {_REMEDY}"


@dataclass(frozen=True)
class _Search:
    """What all ways to pair share."""

    root: Path
    looks: Looks
    catch: Catch

    def settle(
        self,
        options: Mapping[Side, Sequence[Side]],
        targets: Collection[Side],
        wish: Callable[[Side], str],
        alone: Callable[[Side], str],
    ) -> None:
        """Pair PANs with one of the MS that fit each, and note what stays alone.

        Parameters
        ----------
        targets : every MS, also those that fit no PAN.
        wish : returns what the scene of a PAN would be called.
        alone : says why a side that nothing fits is left.
        """
        matched = match(options, lambda side: self.looks.at(side.path))
        for pan, ms in matched.pairs:
            self.catch.drafts.append(self._draft(pan, ms, wish(pan)))
        paired = {side for pair in matched.pairs for side in pair}
        for pan in options:
            if pan not in paired:
                self.catch.leave(pan.path, matched.left.get(pan) or alone(pan))
        fits = {
            ms: f"fits {pan.path.name}, which is not paired with it"
            for pan, several in options.items()
            for ms in several
        }
        for ms in targets:
            if ms not in paired:
                self.catch.leave(ms.path, fits.get(ms) or alone(ms))

    def _draft(self, pan: Side, ms: Side, wish: str) -> Draft:
        seen = self.looks.known(pan.path)
        inputs = (*pan.inputs, *ms.inputs)
        above = pan.folder.relative_to(self.root).as_posix()
        return Draft(
            wish=wish or pan.folder.name,
            inputs=inputs,
            family="pair",
            key=key_of([Path(text) for text in inputs], self.root),
            parent="" if above == "." else above,
            acquired=seen.acquired or pan.acquired or ms.acquired,
            footprint=seen.ring,
            source=printable(str(pan.path)),
        )


def by_pattern(found: Walk, pan: Shell, ms: Shell, looks: Looks, catch: Catch) -> None:
    """Pair the files that two patterns mean: what wildcards stand for must agree.

    Files of one folder are for each other; only a PAN without MS there looks elsewhere.

    Raises
    ------
    OptionError
        If a file fits both patterns and neither is more particular.
    """
    pans, targets = _sides(found, pan, ms)
    for side in _astray(found, ms) & targets.keys():
        catch.leave(side.path, "one of its bands is a link that leads out of the archive")
        del targets[side]
    sought = {side: _sought(ms, key) for side, key in pans.items()}
    sought |= {side: _sought(pan, key) for side, key in targets.items()}
    _Search(found.root, looks, catch).settle(
        _of_one_name(pans, targets),
        targets,
        lambda side: "_".join(filter(None, pans[side])) or side.path.stem,
        sought.__getitem__,
    )


def _sides(found: Walk, pan: Shell, ms: Shell) -> tuple[dict[Side, Key], dict[Side, Key]]:
    """Return the PANs and the MS among some files, with what the wildcards stand for in each."""
    pans: dict[Side, Key] = {}
    targets: dict[Side, Key] = {}
    for folder in found.folders:
        for name in folder.names:
            path, place = folder.path / name, folder.below(name)
            of_pan, of_ms = pan.key_of(place), ms.key_of(place)
            if of_pan is not None and of_ms is not None and pan.literal == ms.literal:
                raise OptionError(_BOTH.format(printable(place), pan.text, ms.text))
            if of_pan is not None and (of_ms is None or pan.literal > ms.literal):
                pans[_side(path)] = of_pan
            elif of_ms is not None:
                targets[_bands(path, ms, of_ms) if ms.braces else _side(path)] = of_ms
    return pans, targets


def _astray(found: Walk, ms: Shell) -> set[Side]:
    """Return images of which a band is no file of the archive, but would be read like one."""
    return {
        _bands(folder.path / name, ms, key)
        for folder in found.folders
        for name in folder.outward
        if ms.braces and (key := ms.key_of(folder.below(name))) is not None
    }


def _sought(other: Shell, key: Key) -> str:
    """Return why a file that fits one pattern is left, if nothing fits the other."""
    where = f" where wildcards stand for {', '.join(map(repr, key))}" if key else ""
    return f"nothing fits {other.text}{where}"


def _side(path: Path) -> Side:
    return Side((str(path),), path, date_in(path.name))


def _bands(path: Path, pattern: Shell, key: Key) -> Side:
    """Return the image that one of its bands belongs to: the same for all of them."""
    name = pattern.filled(key).rpartition("/")[2]
    text = str(path.parent / name)
    return Side((text,), Path(text), date_in(name))


def _of_one_name(pans: Mapping[Side, Key], targets: Mapping[Side, Key]) -> dict[Side, list[Side]]:
    """Return for each PAN the MS whose wildcards stand for the same, in its folder or anywhere."""
    here: dict[tuple[Path, Key], list[Side]] = {}
    anywhere: dict[Key, list[Side]] = {}
    for side, key in targets.items():
        here.setdefault((side.folder, key), []).append(side)
        anywhere.setdefault(key, []).append(side)
    return {pan: here.get((pan.folder, key)) or anywhere.get(key, []) for pan, key in pans.items()}


def by_themselves(found: Walk, looks: Looks, catch: Catch) -> None:
    """Pair what is no product's: rasters that names call PAN and MS of one scene, then the rest.

    Of the rest the headers are read: an image of one band is the PAN of one of several bands if
    both show the same ground, its pixels are finer, and their dates, if known, agree.
    """
    guesses = {
        _side(folder.path / name): guess(folder.below(name))
        for folder in found.folders
        for name in _rasters(folder)
        if folder.path / name not in catch.taken
    }
    search = _Search(found.root, looks, catch)
    named = _by_names(guesses)
    targets = {ms: None for several in named.values() for ms in several}
    search.settle(
        named,
        targets,
        lambda side: "" if (said := guesses[side]) is None else said.scene,
        lambda _: _REMEDY,
    )
    _by_headers([side for side in guesses if side not in named and side not in targets], search)


def _rasters(folder: Folder) -> list[str]:
    """Return the rasters in a folder, but none with a report beside it: we wrote those."""
    reports = {name for name in folder.names if name.endswith(_REPORT)}
    rasters = filter(is_raster, folder.names)
    return [name for name in rasters if name.rpartition(".")[0] + _REPORT not in reports]


def _by_names(guesses: Mapping[Side, Guess | None]) -> dict[Side, list[Side]]:
    """Return the PANs by name, each with the MS called alike; those without are left out."""
    by_key: dict[str, list[Side]] = {}
    for side, said in guesses.items():
        if said is not None and said.role == "ms":
            by_key.setdefault(said.key, []).append(side)
    return {
        side: by_key[said.key]
        for side, said in guesses.items()
        if said is not None and said.role == "pan" and said.key in by_key
    }


@dataclass(frozen=True)
class _Seen:
    """An image of which the header was read, and says where it lies."""

    side: Side
    box: Box
    pixel: float
    bands: int
    acquired: datetime | None


def _by_headers(sides: Sequence[Side], search: _Search) -> None:
    seen = [found for side in sides if (found := _seen(side, search)) is not None]
    targets = [image for image in seen if image.bands > 1]
    boxes = table([image.box for image in targets])
    options = {
        pan.side: [
            ms.side
            for i in np.flatnonzero(shared(pan.box, boxes).of_smaller >= LEAST_SHARED)
            if (ms := targets[i]).pixel >= _FINER * pan.pixel
            and same_day(pan.acquired, ms.acquired)
        ]
        for pan in seen
        if pan.bands == 1
    }
    search.settle(
        options,
        [image.side for image in targets],
        lambda side: side.path.stem,
        lambda side: _NO_MS if side in options else _NO_PAN,
    )


def _seen(side: Side, search: _Search) -> _Seen | None:
    """Read the header of an image; what is of no use in a pair is left, our own outputs unsaid."""
    header = search.looks.found(side.path)
    if isinstance(header, InputError):
        search.catch.leave(side.path, str(header))
    elif header.box is None or header.pixel is None or header.bands is None:
        search.catch.leave(side.path, _NOWHERE)
    elif not header.own:
        acquired = header.acquired or side.acquired
        return _Seen(side, header.box, header.pixel, header.bands, acquired)
    return None
