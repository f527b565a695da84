"""Files of which some blocks cannot be read, through the command line."""

from __future__ import annotations

import numpy as np
from fault_place import Place, assert_fails, bad_block, half, read, valid


def test_broken_block_can_be_masked(place: Place) -> None:
    broken, ms = bad_block(place), place.ms()
    assert place.fuse(place.pan(), ms).code == 0
    whole = read(place.output)
    done = place.fuse(
        broken, ms, options=("--on-bad-block", "mask", "--overwrite", "--json", "-m", "exp")
    )
    assert done.code == 0
    assert "rows 32-47, columns 48-63" in done.stderr
    assert any("rows 32-47, columns 48-63" in text for text in done.json["warnings"])
    mask = valid(place.output)
    assert not mask[32:48, 48:64].any()
    grown = np.ones_like(mask)
    grown[28:52, 44:68] = False
    assert mask[grown].all()
    np.testing.assert_array_equal(read(place.output)[:, grown], whole[:, grown])


def test_many_broken_blocks_are_one_warning(place: Place) -> None:
    broken = bad_block(place, (0, 0), (4, 6))
    options = ("--on-bad-block", "mask", "--tile", "16", "--json")
    done = place.fuse(broken, place.ms(), options=options)
    assert done.code == 0
    said = [text for text in done.json["warnings"] if "bad.tif" in text]
    assert done.lines == [f"warning {said[0]}"]
    assert "3 blocks, the first at rows 0-15, columns 0-15, cannot be read" in said[0]
    mask = valid(place.output)
    assert not any(mask[r : r + 16, c : c + 16].any() for r, c in ((32, 48), (0, 0), (64, 96)))
    planned = place.fuse(broken, place.ms(), options=(*options, "--dry-run", "--overwrite"))
    assert planned.code == 0
    assert sum("cannot be read" in text for text in planned.json["warnings"]) <= 1


def test_what_is_left_of_a_truncated_file(place: Place) -> None:
    pan = place.pan(options={"blockysize": 1})
    half(pan, pan.stat().st_size * 3 // 4)
    assert_fails(place.fuse(pan, place.ms()), 4, "pan.tif", "truncated")
    done = place.fuse(pan, place.ms(), options=("--on-bad-block", "mask", "--json"))
    assert done.code == 0
    assert [text for text in done.json["warnings"] if "blocks, the first at rows" in text]
    assert len(done.lines) == len(done.json["warnings"])
    mask = valid(place.output)
    assert mask[:60].all()
    assert not mask[-20:].any()
