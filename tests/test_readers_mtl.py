"""Landsat metadata: the three forms, as delivered and as attacked."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pansharpkit.errors import FileReadError, MetadataError
from pansharpkit.readers.landsat.mtl import MAX_BYTES, Mtl, parse_mtl, read_mtl

SAMPLES = Path(__file__).parent / "data" / "landsat_mtl"
MINI = Path(__file__).parent / "data/landsat8_alabama_mini/LC80200392015216LGN00_MTL.txt"
LEVEL2 = "stactools-packages__landsat__LC08_L2SP_005009_20150710_20200908_02_T2_MTL."


def refusal(data: bytes | str, label: str) -> str:
    """Return the message with which metadata are refused, in under a second of work."""
    started = time.process_time()
    with pytest.raises(MetadataError) as caught:
        parse_mtl(data.encode() if isinstance(data, str) else data, label)
    assert time.process_time() - started < 1
    message = str(caught.value)
    assert caught.value.exit_code == 4
    assert message.startswith(label)
    assert "\n" not in message
    return message


def text_of(*lines: str) -> str:
    return "\n".join(["GROUP = ROOT", *lines, "END_GROUP = ROOT", "END", ""])


class TestSamples:
    @pytest.mark.parametrize("path", sorted(SAMPLES.iterdir()), ids=lambda p: p.name)
    def test_all_are_read(self, path: Path) -> None:
        mtl = read_mtl(path)
        assert mtl.require("SPACECRAFT_ID").startswith("LANDSAT_")
        assert -90 <= mtl.number("SUN_ELEVATION") <= 90
        assert 1 <= int(mtl.require("WRS_PATH")) <= 251

    def test_values(self) -> None:
        mtl = read_mtl(MINI)
        assert mtl.require("LANDSAT_SCENE_ID") == "LC80200392015216LGN00"
        assert mtl.number("REFLECTANCE_MULT_BAND_8") == 2e-5
        assert mtl.number("SUN_ELEVATION") == 64.74360932
        assert mtl.get("COLLECTION_NUMBER") is None
        assert mtl.line_of("SUN_ELEVATION") == 71

    def test_forms_agree(self) -> None:
        text, json, xml = (read_mtl(SAMPLES / f"{LEVEL2}{form}") for form in ("txt", "json", "xml"))
        keys = {k for k in text.values if not k.startswith(("GROUP", "CORNER", "REQUEST"))}
        assert len(keys) > 150
        for key in keys:
            assert text.values[key] == json.values[key] == xml.values[key]

    def test_first_occurrence_counts(self) -> None:
        """A Level-2 file ends with the record of its Level-1 ancestor."""
        mtl = read_mtl(SAMPLES / f"{LEVEL2}txt")
        assert mtl.text.count("PROCESSING_LEVEL = ") == 3
        assert mtl.get("PROCESSING_LEVEL") == "L2SP"

    def test_line_of_a_key_is_not_that_of_a_longer_one(self) -> None:
        mtl = parse_mtl(text_of("GAIN_BAND_10 = 1", "GAIN_BAND_1 = 2").encode(), "a_MTL.txt")
        assert mtl.line_of("GAIN_BAND_1") == 3

    @pytest.mark.parametrize("start", ["", "\ufeff"])
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_line_ends_and_byte_order_mark(self, start: str, end: str) -> None:
        text = start + text_of('NAME = "a = b"').replace("\n", end)
        assert parse_mtl(text.encode(), "a_MTL.txt").values == {"NAME": "a = b"}

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(FileReadError, match="gone_MTL"):
            read_mtl(tmp_path / "gone_MTL.txt")


class TestValues:
    @pytest.fixture
    def mtl(self) -> Mtl:
        lines = ("SUN_ELEVATION = NaN", "GAIN = high", "BIAS = -inf", 'EMPTY = ""')
        return parse_mtl(text_of(*lines).encode(), "a_MTL.txt")

    @pytest.mark.parametrize(
        ("key", "line"), [("SUN_ELEVATION", 2), ("GAIN", 3), ("BIAS", 4), ("EMPTY", 5)]
    )
    def test_not_a_number(self, mtl: Mtl, key: str, line: int) -> None:
        with pytest.raises(MetadataError, match=rf"a_MTL\.txt, line {line}: {key} = .* finite"):
            mtl.number(key)

    def test_missing_key(self, mtl: Mtl) -> None:
        with pytest.raises(MetadataError, match=r"a_MTL\.txt: has no key CALIBRATION"):
            mtl.number("CALIBRATION")
        with pytest.raises(MetadataError, match="A or B"):
            mtl.require("A", "B")

    def test_nan_in_json(self) -> None:
        mtl = parse_mtl(b'{"M": {\n"SUN_ELEVATION": NaN}}', "a_MTL.json")
        with pytest.raises(MetadataError, match="line 2: SUN_ELEVATION"):
            mtl.number("SUN_ELEVATION")


class TestText:
    def test_open_group(self) -> None:
        data = "GROUP = ROOT\n  GROUP = IMAGE\n    A = 1\nEND_GROUP = ROOT\nEND\n"
        assert "line 4: END_GROUP = ROOT, but IMAGE of line 2 is open" in refusal(data, "a_MTL.txt")

    def test_group_never_closed(self) -> None:
        assert "line 1: ROOT is never closed" in refusal("GROUP = ROOT\nA = 1\n", "a_MTL.txt")

    def test_cut_off(self) -> None:
        data = MINI.read_bytes()
        for keep in (0.1, 0.5, 0.9):
            cut = data[: int(len(data) * keep)]
            assert "line" in refusal(cut[: cut.rfind(b"\n")], "a_MTL.txt")

    def test_end_outside(self) -> None:
        assert "no group is open" in refusal("END_GROUP = X\n", "a_MTL.txt")

    def test_not_an_entry(self) -> None:
        assert "line 2: 'rubbish' is not KEY" in refusal(text_of("rubbish"), "a_MTL.txt")

    def test_open_quotes(self) -> None:
        assert "line 2: NAME" in refusal(text_of('NAME = "abc'), "a_MTL.txt")

    def test_huge_line(self) -> None:
        data = text_of("A = 1", "B = " + "9" * 200_000)
        assert "line 3: is 200004 characters long" in refusal(data, "a_MTL.txt")

    def test_deep_groups(self) -> None:
        data = "".join(f"GROUP = G{i}\n" for i in range(15_000))
        assert "nested too deeply" in refusal(data, "a_MTL.txt")

    def test_too_large(self) -> None:
        assert "is larger" in refusal(b"A = 1\n" * (MAX_BYTES // 6 + 2), "a_MTL.txt")

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "latin-1"])
    def test_wrong_encoding(self, encoding: str) -> None:
        data = text_of("A = 1", "NAME = é").encode(encoding)
        assert "not UTF-8" in refusal(data, "a_MTL.txt") or encoding == "utf-16-be"

    def test_empty(self) -> None:
        assert "line 1" in refusal("", "a_MTL.txt")
        assert "holds no metadata" in refusal("END\n", "a_MTL.txt")

    def test_values_are_put_on_one_line(self) -> None:
        mtl = parse_mtl(b'{"M": {"NAME": "a\\nb\\u001b[31m"}}', "a_MTL.json")
        assert mtl.values["NAME"] == r"a\nb\x1b[31m"


class TestJson:
    @pytest.mark.parametrize(
        ("data", "cause"),
        [
            ('{"A": {\n"B": 1,,}}', "line 2: is not JSON"),
            ('{"A": ', "is not JSON"),
            ("[" * 200_000, "nested too deeply"),
            ('{"A":' * 40_000, "nested too deeply"),
            ('{"A":' * 30 + '"x"' + "}" * 30, "nested too deeply"),
            ('["A"]', "list where a group was expected"),
            ("3", "str where a group was expected"),
            ('{"A": {"B": [1, 2]}}', "holds no metadata"),
        ],
    )
    def test_refused(self, data: str, cause: str) -> None:
        assert cause in refusal(data, "a_MTL.json")


class TestXml:
    BOMB = (
        '<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "ha">'
        + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(10))
        + "]><M><A>&k;</A></M>"
    )
    XXE = (
        '<?xml version="1.0"?><!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/hostname">]>'
        "<M><A>&x;</A></M>"
    )

    @pytest.mark.parametrize(
        ("data", "cause"),
        [
            (BOMB, "document type"),
            (XXE, "document type"),
            ('<!DOCTYPE M SYSTEM "http://127.0.0.1:9/m.dtd"><M><A>1</A></M>', "document type"),
            ("<M><A>1</M>", "line 1: is not XML"),
            ("<M>\n<A>1</A>\n", "line 3: is not XML"),
            ("<M><A>&undefined;</A></M>", "is not XML"),
            ("<a>" * 80_000, "is not XML"),
            ("<a>" * 30_000 + "</a>" * 30_000, "nested too deeply"),
            ("<M/>", "holds no metadata"),
        ],
    )
    def test_refused(self, data: str, cause: str) -> None:
        assert cause in refusal(data, "a_MTL.xml")

    def test_namespaces_are_ignored(self) -> None:
        mtl = parse_mtl(b'<M xmlns="urn:x"><G><A> 1 </A></G></M>', "a_MTL.xml")
        assert mtl.values == {"A": "1"}
