"""CSV manifests, good, broken and hostile."""

from __future__ import annotations

import shutil
import socket
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from archive_files import MINI, inputs, left, opens, write_ms, write_pan
from hs_products import cube, write_enmap
from hypothesis import given
from hypothesis import strategies as st

from pansharpkit.archive.entry import Found
from pansharpkit.archive.find import FindRequest, find
from pansharpkit.errors import FileReadError, InputError, MetadataError, OptionError


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    for scene in ("a", "b"):
        write_pan(folder / f"{scene}_pan.tif")
        write_ms(folder / f"{scene}_ms.tif")
    return folder


def listed(folder: Path, text: str, root: Path | None = None, encoding: str = "utf-8") -> Found:
    manifest = folder / "scenes.csv"
    manifest.write_bytes(text.encode(encoding))
    return find(FindRequest(manifest, root=root))


class TestGood:
    def test_pairs(self, archive: Path) -> None:
        found = listed(
            archive,
            "id,pan,ms,acquired\n"
            "first,a_pan.tif,a_ms.tif,2020-05-17T10:20:30Z\n"
            "\n"
            ",b_pan.tif,./b_ms.tif,2020-05-18\n",
        )
        assert inputs(found, archive) == {
            "b": ["b_pan.tif", "b_ms.tif"],
            "first": ["a_pan.tif", "a_ms.tif"],
        }
        assert [entry.acquired for entry in found.entries] == [
            datetime(2020, 5, 18, tzinfo=UTC),
            datetime(2020, 5, 17, 10, 20, 30, tzinfo=UTC),
        ]
        assert found.entries[1].source.endswith("scenes.csv, line 2")
        assert all(opens(entry) for entry in found.entries)

    def test_products_and_pairs(self, archive: Path) -> None:
        shutil.copytree(MINI, archive / "l8")
        found = listed(archive, "product,pan,ms\nl8,,\n,a_pan.tif,a_ms.tif\n")
        assert [(e.id, e.family) for e in found.entries] == [("a", "pair"), ("l8", "landsat")]
        assert all(opens(entry) for entry in found.entries)

    def test_a_guide_for_a_cube(self, archive: Path) -> None:
        metadata = write_enmap(archive / "enmap", cube())
        found = listed(archive, f"pan,ms\na_pan.tif,enmap/{metadata.name}\n")
        assert len(found.entries) == 1

    def test_bands_in_files_of_their_own(self, archive: Path) -> None:
        for band in (2, 3, 4):
            write_ms(archive / f"c_B{band}.tif", bands=1)
        found = listed(archive, 'pan,ms\na_pan.tif,c_B{band}.tif\nb_pan.tif,"c_B{4,3}.tif"\n')
        assert len(found.entries) == 2
        assert all(opens(entry) for entry in found.entries)

    def test_as_spreadsheets_write_it(self, archive: Path) -> None:
        found = listed(archive, "PAN , MS\r\na_pan.tif , a_ms.tif\r\n", encoding="utf-8-sig")
        assert list(inputs(found, archive)) == ["a"]

    def test_odd_names(self, archive: Path) -> None:
        for name in ('-o, "x".tif', "東\n京.tif"):
            write_pan(archive / "p" / name)
            write_ms(archive / "m" / name)
        found = listed(
            archive,
            'pan,ms\n"p/-o, ""x"".tif","m/-o, ""x"".tif"\n"p/東\n京.tif","m/東\n京.tif"\n',
        )
        assert len(found.entries) == 2
        assert all(opens(entry) for entry in found.entries)

    def test_another_root(self, archive: Path, tmp_path: Path) -> None:
        (archive / "lists").mkdir()
        text = "pan,ms\n../a_pan.tif,../a_ms.tif\n"
        with pytest.raises(FileReadError, match="leads out"):
            listed(archive / "lists", text)
        found = listed(archive / "lists", text, root=archive)
        assert inputs(found, archive) == {"a": ["a_pan.tif", "a_ms.tif"]}
        absolute = f"pan,ms\n{archive}/a_pan.tif,{archive}/a_ms.tif\n"
        assert listed(archive, absolute).entries[0].inputs == found.entries[0].inputs
        with pytest.raises(FileReadError, match="leads out"):
            listed(archive / "lists", absolute)

    def test_what_is_not_there_is_noted(self, archive: Path) -> None:
        write_enmap(archive / "enmap", cube())
        (archive / "x.tar").write_bytes(b"")
        (archive / "empty").mkdir()
        found = listed(
            archive,
            "pan,ms,product\na_pan.tif,gone.tif,\n,,enmap\n,,x.tar\n,,empty\n,,a_ms.tif\n"
            "b_pan.tif,no_B{band}.tif,\nb_pan.tif,b_ms.tif,\n",
        )
        assert list(inputs(found, archive)) == ["b"]
        reasons = left(found)
        assert "line 2: does not exist" in reasons["gone.tif"]
        assert "without a finer image" in reasons["enmap"]
        assert "is empty" in reasons["x.tar"]
        assert "no product that is known" in reasons["empty"]
        assert "no product that is known" in reasons["a_ms.tif"]
        assert "no file fits this pattern" in reasons["no_B{band}.tif"]

    def test_ids_of_others_make_room(self, archive: Path) -> None:
        found = listed(archive, "id,pan,ms\n,a_pan.tif,a_ms.tif\nA,b_pan.tif,b_ms.tif\n")
        ids = [entry.id for entry in found.entries]
        assert "A" in ids
        assert len({id.casefold() for id in ids}) == 2


PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "archives.md"


@pytest.mark.skipif(not PAGE.is_file(), reason="the documentation is not part of the package")
def test_what_the_documentation_shows(tmp_path: Path) -> None:
    for scene in ("07", "08"):
        write_pan(tmp_path / "pan" / f"{scene}.tif")
    write_ms(tmp_path / "ms" / "07.tif")
    for band in ("B4", "B3", "B2"):
        write_ms(tmp_path / "ms" / f"08_{band}.tif", bands=1)
    shutil.copytree(MINI, tmp_path / "LC08_L1TP_201030_20150630")
    sample = PAGE.read_text(encoding="utf-8").partition("```text\n")[2].partition("```")[0]
    found = listed(tmp_path, sample)
    assert [entry.id for entry in found.entries] == ["08", "LC08_L1TP_201030_20150630", "tile-07"]
    assert all(opens(entry) for entry in found.entries)


HEADER = "id,pan,ms,product,acquired\n"


class TestBroken:
    @pytest.mark.parametrize(
        ("text", "cause"),
        [
            ("\n", "line 1: expected the columns pan and ms"),
            ("pan\na.tif\n", "line 1: expected the columns"),
            ("pan;ms\na.tif;b.tif\n", "with commas between; found pan;ms"),
            ("pan,ms,colour\n", "found pan, ms, colour"),
            ("pan,ms,ms\n", "line 1: expected the columns"),
            (HEADER + "x,a_pan.tif,,,\n", "line 2: give pan and ms, or product"),
            (HEADER + "x,a_pan.tif,a_ms.tif,p,\n", "line 2: give pan and ms, or product"),
            (HEADER + "x,,,,\n", "line 2: give pan and ms, or product"),
            (HEADER + "x,a_pan.tif,a_ms.tif,,tomorrow\n", "line 2: acquired = 'tomorrow'"),
            (HEADER + "x,a,b,c,d,e\n", "line 2: has 6 cells, the header 5"),
            (HEADER + 'x,"a\n', "is no CSV"),
            (
                HEADER + "x,a_pan.tif,a_ms.tif,,\nX,b_pan.tif,b_ms.tif,,\n",
                "line 3: has the id 'X' of line 2",
            ),
            (
                HEADER + ",a_pan.tif,a_ms.tif,,\n,./a_pan.tif,a_ms.tif,,\n",
                "line 3: has the same files as line 2",
            ),
            (HEADER + "x" * 200_000, "more than 131072 characters"),
        ],
    )
    def test_the_line_is_named(self, archive: Path, text: str, cause: str) -> None:
        with pytest.raises(MetadataError, match=cause) as caught:
            listed(archive, text)
        assert "scenes.csv" in str(caught.value)
        assert str(caught.value).isprintable()

    def test_not_text(self, archive: Path) -> None:
        with pytest.raises(MetadataError, match="is not UTF-8"):
            listed(archive, "pan,ms\né.tif,b\n", encoding="latin-1")

    def test_absent(self, tmp_path: Path) -> None:
        with pytest.raises(FileReadError, match=r"x\.csv: does not exist"):
            find(FindRequest(tmp_path / "x.csv"))
        (tmp_path / "x.csv").touch()
        with pytest.raises(FileReadError, match="is empty"):
            find(FindRequest(tmp_path / "x.csv"))

    def test_patterns_are_for_folders(self, archive: Path) -> None:
        (archive / "x.csv").write_text("pan,ms\n")
        with pytest.raises(OptionError, match="--pair is for a folder"):
            find(FindRequest(archive / "x.csv", pair=("PAN=*", "MS=*")))

    @given(st.text(max_size=80))
    def test_anything_is_an_error_of_ours(
        self, tmp_path_factory: pytest.TempPathFactory, text: str
    ) -> None:
        folder = tmp_path_factory.mktemp("any")
        for content in (text, f"pan,ms\n{text}\n", f"product\n{text}\n"):
            with suppress(InputError):
                found = listed(folder, content.encode(errors="replace").decode())
                assert found.entries == ()
                assert all(one.why.isprintable() for one in found.unpaired)


HOSTILE = [
    "../secret.tif",
    "x/../../secret.tif",
    "/etc/passwd",
    "file:///etc/passwd",
    "FILE:/etc/passwd",
    "vrt:///etc/passwd",
    "vrt://a_ms.tif",
    "http://127.0.0.1:{port}/x.tif",
    "https://127.0.0.1:{port}/x.tif",
    "s3://bucket/x.tif",
    "/vsicurl/http://127.0.0.1:{port}/x.tif",
    "/vsizip/a.zip/x.tif",
    "//server/share/x.tif",
    "<VRTDataset></VRTDataset>",
    "link.tif",
    "linked/secret.tif",
]


class TestHostile:
    @pytest.mark.parametrize("column", ["pan", "ms", "product"])
    @pytest.mark.parametrize("name", HOSTILE)
    def test_refused_by_its_line(
        self, archive: Path, tmp_path: Path, name: str, column: str
    ) -> None:
        write_ms(tmp_path / "secret.tif")
        (archive / "link.tif").symlink_to(tmp_path / "secret.tif")
        (archive / "linked").symlink_to(tmp_path)
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setblocking(False)
            name = name.format(port=server.getsockname()[1])
            cells = {"pan": "a_pan.tif", "ms": "a_ms.tif", "product": ""}
            cells = {"product": name} if column == "product" else {**cells, column: name}
            line = ",".join(cells.get(key, "") for key in ("pan", "ms", "product"))
            with pytest.raises(FileReadError, match=r"scenes\.csv, line 3: .*(local|leads out)"):
                listed(archive, f"pan,ms,product\nb_pan.tif,b_ms.tif,\n{line}\n")
            with pytest.raises(BlockingIOError):  # nobody called
                server.accept()

    def test_pattern_that_finds_a_link_out(self, archive: Path, tmp_path: Path) -> None:
        write_ms(tmp_path / "secret.tif", bands=1)
        for band in (1, 2):
            (archive / f"x_B{band}.tif").symlink_to(tmp_path / "secret.tif")
        assert (
            "leads out"
            in left(listed(archive, "pan,ms\na_pan.tif,x_B{band}.tif\n"))["x_B{band}.tif"]
        )

    def test_product_with_a_link_out(self, archive: Path, tmp_path: Path) -> None:
        shutil.copytree(MINI, archive / "l8")
        band = next((archive / "l8").glob("*_B4.TIF"))
        band.rename(tmp_path / "b4.tif")
        band.symlink_to(tmp_path / "b4.tif")
        for product in ("l8", f"l8/{band.name.replace('B4.TIF', 'MTL.txt')}"):
            found = listed(archive, f"product\n{product}\n")
            assert found.entries == ()
            assert "leads out of" in found.unpaired[0].why
