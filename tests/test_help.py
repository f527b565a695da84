"""The help fits a terminal of 80 columns and says everything."""

from __future__ import annotations

import os
import re
from unittest import mock

import pytest
from command_line import pansharpkit


def shown(*command: str) -> str:
    with mock.patch.dict(os.environ, {"COLUMNS": "80", "NO_COLOR": "1"}):
        return pansharpkit(*command, "--help").stdout


@pytest.fixture(scope="module")
def fuse() -> str:
    return shown("fuse")


def test_options_are_in_groups_those_for_everybody_first(fuse: str) -> None:
    titles = re.findall(r"^╭─ ([A-Z][a-z ]+) ─", fuse, re.MULTILINE)
    assert titles == ["Arguments", "Options", "Method", "Inputs", "Guide and cube", "Output",
                      "Resources"]  # fmt: skip
    first = fuse.split("╭─ Method")[0]
    for option in ("--output", "--method", "--sensor", "--bands", "--dry-run"):
        assert option in first


def test_nothing_is_lost_in_eighty_columns(fuse: str) -> None:
    assert max(map(len, fuse.splitlines())) <= 80
    assert "…" not in fuse
    words = " ".join(re.sub("[│╭╮╰╯─]", " ", fuse).split())
    for text in ("[default: regression]", "[default: mtf-glp-fs beside PAN, ", "N [x>=16]"):
        assert text in words
    assert "env var" not in words
    assert "--tile by PANSHARPKIT_FUSE_TILE" in words


def test_values_and_flags_look_alike_everywhere() -> None:
    for command in ((), ("fuse",), ("batch", "run"), ("denoise",), ("info",)):
        assert not re.search(r"<(bool|str|list|path)", shown(*command))


def test_few_options_make_no_groups() -> None:
    assert "Inputs ─" not in shown("benchmark")
    assert "Guide and cube" not in shown("denoise")
