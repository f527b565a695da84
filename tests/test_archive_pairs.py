"""Patterns of PAN and MS, and what is made of names, dates and places."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from archive_files import found_in, inputs, left, opens, write_ms, write_pan
from hypothesis import given
from hypothesis import strategies as st

from pansharpkit.archive.dates import date_in, moment
from pansharpkit.archive.find import look as look_module
from pansharpkit.archive.find.guess import guess
from pansharpkit.archive.find.look import Look
from pansharpkit.archive.find.match import Side, match
from pansharpkit.archive.find.place import Box, box_of, ring_of_points, shared, table
from pansharpkit.archive.find.shell import read_pair
from pansharpkit.errors import OptionError

P, M = "PAN=*_P_*.tif", "MS=*_M_*.tif"


class TestPatterns:
    def test_what_wildcards_stand_for_agrees(self, tmp_path: Path) -> None:
        for scene in ("a_{}_1", "a_{}_2", "b_{}_1"):
            for letter in "PM":
                (tmp_path / f"{scene.format(letter)}.tif").touch()
        found = found_in(tmp_path, P, M)
        assert inputs(found, tmp_path) == {
            "a_1": ["a_P_1.tif", "a_M_1.tif"],
            "a_2": ["a_P_2.tif", "a_M_2.tif"],
            "b_1": ["b_P_1.tif", "b_M_1.tif"],
        }
        assert found.unpaired == ()

    def test_order_and_case_of_the_roles(self, tmp_path: Path) -> None:
        for name in ("x_P_.tif", "x_M_.tif"):
            (tmp_path / name).touch()
        assert list(inputs(found_in(tmp_path, "ms=*_M_*.tif", "pan=*_P_*.tif"), tmp_path)) == ["x"]

    def test_missing_halves(self, tmp_path: Path) -> None:
        for name in ("a_P_1.tif", "b_M_1.tif", "neither.tif"):
            (tmp_path / name).touch()
        found = found_in(tmp_path, P, M)
        assert found.entries == ()
        assert left(found) == {
            "a_P_1.tif": "nothing fits *_M_*.tif where wildcards stand for 'a', '1'",
            "b_M_1.tif": "nothing fits *_P_*.tif where wildcards stand for 'b', '1'",
        }

    def test_folders_of_their_own(self, tmp_path: Path) -> None:
        for name in ("pan/7.tif", "ms/7.tif", "deep/pan/8.tif", "deep/ms/8.tif"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        found = found_in(tmp_path, "PAN=pan/*.tif", "MS=ms/*.tif")
        assert inputs(found, tmp_path) == {"7": ["pan/7.tif", "ms/7.tif"]}
        for anywhere in ("**", "**/", "./**/"):
            found = found_in(tmp_path, f"PAN={anywhere}pan/*.tif", f"MS={anywhere}ms/*.tif")
            assert inputs(found, tmp_path) == {
                "7": ["pan/7.tif", "ms/7.tif"],
                "deep_8": ["deep/pan/8.tif", "deep/ms/8.tif"],
            }
        found = found_in(tmp_path, "PAN=deep/**/*.tif", "MS=**/ms/*.tif")
        assert "nothing fits" in left(found)["8.tif"]

    def test_the_same_names_in_every_folder(self, tmp_path: Path) -> None:
        for scene in ("s1", "s2"):
            for name in ("pan.tif", "ms.tif"):
                (tmp_path / scene).mkdir(exist_ok=True)
                (tmp_path / scene / name).touch()
        found = found_in(tmp_path, "PAN=pan.tif", "MS=ms.tif")
        assert inputs(found, tmp_path) == {
            "s1_pan": ["s1/pan.tif", "s1/ms.tif"],
            "s2_pan": ["s2/pan.tif", "s2/ms.tif"],
        }

    def test_bands_in_files_of_their_own(self, tmp_path: Path) -> None:
        for scene in ("a[1]", "b"):
            write_pan(tmp_path / f"{scene}_B8.tif")
            for band in (2, 3, 4):
                write_ms(tmp_path / f"{scene}_B{band}.tif", bands=1)
        for pattern in ("{band}", "{4,3,2}"):
            found = found_in(tmp_path, "PAN=*_B8.tif", f"MS=*_B{pattern}.tif")
            assert inputs(found, tmp_path) == {
                "a_1": ["a[1]_B8.tif", f"a[[]1]_B{pattern}.tif"],
                "b": ["b_B8.tif", f"b_B{pattern}.tif"],
            }
            assert all(opens(entry) for entry in found.entries)

    def test_a_band_that_is_a_link_out(self, tmp_path: Path) -> None:
        """The pattern would read it; the image is left."""
        archive = tmp_path / "archive"
        write_pan(archive / "a_B8.tif")
        for band in (2, 3):
            write_ms(archive / f"a_B{band}.tif", bands=1)
        (archive / "a_B4.tif").symlink_to(write_ms(tmp_path / "secret.tif", bands=1))
        found = found_in(archive, "PAN=*_B8.tif", "MS=*_B{band}.tif")
        assert found.entries == ()
        assert "is a link that leads out" in left(found)["a_B{band}.tif"]

    def test_the_more_particular_pattern_counts(self, tmp_path: Path) -> None:
        for name in ("a.tif", "a_pan.tif"):
            (tmp_path / name).touch()
        found = found_in(tmp_path, "PAN=*_pan.tif", "MS=*.tif")
        assert inputs(found, tmp_path) == {"a": ["a_pan.tif", "a.tif"]}
        assert found.unpaired == ()

    def test_several_ms_of_one_name(self, tmp_path: Path) -> None:
        """The ground decides where it can; names and folders leave two."""
        write_pan(tmp_path / "p" / "a_P_1.tif")
        write_ms(tmp_path / "x" / "a_M_1.tif")
        write_ms(tmp_path / "y" / "a_M_1.tif", (0, 7))
        found = found_in(tmp_path, P, M)
        assert inputs(found, tmp_path) == {"a_1": ["p/a_P_1.tif", "x/a_M_1.tif"]}
        write_ms(tmp_path / "y" / "a_M_1.tif")
        assert "2 MS images fit" in left(found_in(tmp_path, P, M))["a_P_1.tif"]

    def test_products_are_not_looked_for(self, tmp_path: Path) -> None:
        (tmp_path / "x_MTL.txt").touch()
        (tmp_path / "x.tar").touch()
        assert found_in(tmp_path, P, M).unpaired == ()

    @pytest.mark.parametrize(
        ("pair", "cause"),
        [
            ((P,), "give two patterns"),
            ((P, P), "each once"),
            ((P, "RGB=*.tif"), "write 'PAN=PATTERN' and 'MS=PATTERN'"),
            ((P, "MS="), "each once"),
            ((P, "MS=*.tif"), "has 2 wildcards and .* has 1"),
            (("PAN=*_B{band}.tif", M), "a PAN has no {band}"),
            ((P, "MS=*_B{band}_{band}*.tif"), "once and in the file name"),
            ((P, "MS={a,b}/*_M_*.tif"), "once and in the file name"),
            (("PAN=[z-a].tif", "MS=[a-z].tif"), "is no pattern"),
            (("PAN=/data/pan/*.tif", M), "paths below the archive"),
            ((P, "MS=../*_M_*.tif"), "paths below the archive"),
        ],
    )
    def test_senseless(self, tmp_path: Path, pair: tuple[str, ...], cause: str) -> None:
        with pytest.raises(OptionError, match=cause):
            found_in(tmp_path, *pair)

    def test_file_that_fits_both(self, tmp_path: Path) -> None:
        (tmp_path / "a_P_M_b.tif").touch()
        with pytest.raises(OptionError, match=r"a_P_M_b\.tif fits .* alike"):
            found_in(tmp_path, P, M)

    @given(st.text("abP_M.", max_size=12), st.text("abP_M.", max_size=12))
    def test_both_sides_of_any_scene_agree(self, first: str, second: str) -> None:
        pan, ms = read_pair((P, M))
        keys = [s.key_of(f"{first}_{c}_{second}.tif") for s, c in ((pan, "P"), (ms, "M"))]
        assert None not in keys
        if not {"P", "M"} & {*first, *second}:
            assert keys == [(first, second)] * 2

    @given(st.lists(st.sampled_from(["*", "?", "[ab]", "[!x]", "a", "_", "."]), max_size=6))
    def test_shell_patterns_mean_what_they_mean_elsewhere(self, pieces: list[str]) -> None:
        from fnmatch import fnmatchcase

        pattern = "".join(pieces) or "a"
        shell, _ = read_pair((f"PAN={pattern}", f"MS={pattern}"))
        for name in ("a", "ab", "a_b.", "x", "_._", ""):
            assert (shell.key_of(name) is not None) == fnmatchcase(name, pattern)


class TestNames:
    @pytest.mark.parametrize(
        ("pan", "ms"),
        [
            ("scene-PAN-2.tif", "scene-MS-2.tif"),
            ("LC08_20150630_pamplona_PAN_15m.tif", "LC08_20150630_pamplona_MS_30m.tif"),
            ("a/pan/x_50cm.tif", "a/mul/x_2m.tif"),
            ("15JUN30-P2AS-0_01_P001.TIF", "15JUN30-M2AS-0_01_P001.TIF"),
        ],
    )
    def test_called_alike(self, pan: str, ms: str) -> None:
        first, second = guess(pan), guess(ms)
        assert first is not None
        assert second is not None
        assert (first.role, second.role) == ("pan", "ms")
        assert first.key == second.key

    @pytest.mark.parametrize("name", ["a.tif", "P001.tif", "pan_ms.tif", "span.tif", "a_P_M.tif"])
    def test_nothing_said(self, name: str) -> None:
        assert guess(name) is None

    @given(st.text(max_size=40))
    def test_any_name(self, name: str) -> None:
        said = guess(name)
        assert said is None or said.role in ("pan", "ms")
        assert date_in(name) is None or isinstance(date_in(name), datetime)
        assert moment(name) is None or isinstance(moment(name), datetime)


class TestDates:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("LC08_L1TP_016037_20170813_20170814_01_RT", "2017-08-13T00:00:00"),
            ("LC80200392015216LGN00_B8.TIF", "2015-08-04T00:00:00"),
            ("IMG_PHR1A_P_201506301049140_ORT", "2015-06-30T10:49:14"),
            ("15JUN30104914-P2AS-000", "2015-06-30T10:49:14"),
            ("20210630_105031_ssc1_0001_pan.tif", "2021-06-30T10:50:31"),
            ("s_2015-06-30.tif", "2015-06-30T00:00:00"),
            ("S2A_MSIL1C_20210630T105031_N0500", "2021-06-30T10:50:31"),
            ("tile_20151399", None),
            ("000000000000_01_P001", None),
            ("99XYZ99999999", None),
            ("20150630996199.tif", "2015-06-30T00:00:00"),
        ],
    )
    def test_in_names(self, name: str, expected: str | None) -> None:
        found = date_in(name)
        assert (found and found.isoformat()) == (expected and f"{expected}+00:00")

    def test_out_of_range(self) -> None:
        assert moment("0001-01-01T00:00:00+23:59") is None
        assert moment(None) is None


def side(name: str, folder: str = "/a") -> Side:
    path = Path(folder) / name
    return Side((str(path),), path)


def seen(at: float = 0.0, day: int | None = None, width: float = 1.0) -> Look:
    ring = ring_of_points([(at, 0), (at, 1), (at + width, 1), (at + width, 0)])
    taken = None if day is None else datetime(2020, 1, 1, tzinfo=UTC) + timedelta(days=day)
    return Look(ring, taken)


class TestMatching:
    def test_one_choice_is_taken_unseen(self) -> None:
        pan, ms = side("p"), side("m")
        matched = match({pan: [ms]}, lambda _: pytest.fail("looked"))
        assert matched.pairs == [(pan, ms)]

    def test_nearest_in_time(self) -> None:
        pan, first, second = side("p"), side("m1"), side("m2")
        looks = {pan: seen(day=9), first: seen(day=8), second: seen(day=9)}
        assert match({pan: [first, second]}, looks.__getitem__).pairs == [(pan, second)]

    def test_a_date_that_is_not_known_leaves_the_choice(self) -> None:
        pan, first, second = side("p"), side("m1"), side("m2")
        looks = {pan: seen(day=9), first: seen(), second: seen(day=9)}
        assert "2 MS images fit" in match({pan: [first, second]}, looks.__getitem__).left[pan]

    def test_none_of_several(self) -> None:
        pan, first, second = side("p"), side("m1"), side("m2")
        looks = {pan: seen(day=0), first: seen(at=5), second: seen(day=30)}
        assert (
            "none of m1, m2 shows its ground"
            in match({pan: [first, second]}, looks.__getitem__).left[pan]
        )

    def test_rivals_of_two_days(self) -> None:
        first, second, ms = side("p1"), side("p2"), side("m")
        looks = {first: seen(day=0), second: seen(day=1), ms: seen(day=1)}
        matched = match({first: [ms], second: [ms]}, looks.__getitem__)
        assert matched.pairs == [(second, ms)]
        assert "fits 2 PAN images" in matched.left[first]

    def test_order_does_not_matter(self) -> None:
        sides = [side(f"m{i}") for i in range(4)]
        pan = side("p")
        looks = {pan: seen(day=2), **{s: seen(day=i) for i, s in enumerate(sides)}}
        results = {
            match({pan: order}, looks.__getitem__).pairs[0] for order in (sides, sides[::-1])
        }
        assert results == {(pan, sides[2])}


class TestPlaces:
    def test_shares(self) -> None:
        found = shared(Box(0, 0, 2, 1), table([Box(1, 0, 3, 1), Box(0, 0, 1, 1), Box(5, 5, 6, 6)]))
        np.testing.assert_allclose(found.of_smaller, [0.5, 1, 0])
        np.testing.assert_allclose(found.of_both, [1 / 3, 0.5, 0])

    def test_either_side_of_the_date_line(self) -> None:
        east = box_of(((179.0, 0.0), (-179.0, 0.0), (-179.0, 1.0)))
        assert shared(east, table([Box(-181, 0, -179, 1)])).of_both[0] == pytest.approx(1)

    def test_no_box(self) -> None:
        assert shared(Box(0, 0, 1, 1), table([])).of_both.shape == (0,)
        assert shared(Box(0, 0, 0, 0), table([Box(0, 0, 0, 0)])).of_smaller[0] == 0

    def test_no_places_on_the_earth(self) -> None:
        assert ring_of_points([(0, 0), (1, float("nan")), (1, 1)]) is None
        assert ring_of_points([(0, 0), (1, 1), (0, 0)]) is None

    def test_a_header_is_read_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[str] = []
        true = look_module.look

        def counted(path: Path, options: object) -> Look:
            asked.append(path.name)
            return true(path, options)  # type: ignore[arg-type]

        monkeypatch.setattr(look_module, "look", counted)
        for place in range(6):
            write_pan(tmp_path / f"x{place}.tif", (0, place))
            write_ms(tmp_path / f"y{place}.tif", (0, place))
        assert len(found_in(tmp_path).entries) == 6
        assert len(asked) == len(set(asked)) == 12
        assert all(re.fullmatch(r"[xy]\d\.tif", name) for name in asked)
