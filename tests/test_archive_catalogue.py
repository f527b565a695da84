"""What a batch leaves for others: a valid catalogue, pictures, an overview that leads to them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from archive_batches import batch, make_archive, request
from archive_scenes import HOSTILE
from command_line import pansharpkit
from rasters import make_pair
from stac_schemas import check_catalogue, check_item

from pansharpkit.archive.overview import overview
from pansharpkit.report import QualityReport
from pansharpkit.writer import sha256_of


def test_a_batch_leaves_a_valid_catalogue_and_an_overview(tmp_path: Path) -> None:
    out = tmp_path / "out"
    archive = make_archive(tmp_path / "in", "ab")
    (archive / "broken_P.tif").write_bytes(b"")
    scene = replace(request(archive, out).scene, report=True)
    summary, records = batch(request(archive, out, scene=scene, skip_missing_pairs=True))
    assert summary.catalogue == out / "catalog.json"
    items = check_catalogue(out / "catalog.json")
    assert [item.id for item in items] == [r.id for r in records if r.state == "done"] == ["a", "b"]
    for item in items:
        inputs = [Path(item.get_self_href() or "").parent / str(link.target)
                  for link in item.get_links("derived_from")]  # fmt: skip
        assert [path.resolve() for path in inputs] == [
            archive / f"{item.id}_P.tif", archive / f"{item.id}_M.tif"
        ]  # fmt: skip
        raster = Path(item.assets["fused"].get_absolute_href() or "")
        assert item.assets["fused"].extra_fields["file:checksum"] == "1220" + sha256_of(raster)
        report = Path(item.assets["quality"].get_absolute_href() or "").read_text()
        hqnr = QualityReport.from_json(report).indices["hqnr"]
        assert item.properties["pansharpkit:hqnr"] == hqnr
    page, _ = overview(out)
    html = page.read_text()
    for name in "ab":
        assert f'href="{name}/{name}.report.html"' in html
        assert f'src="{name}/{name}.thumbnail.jpg"' in html
        assert (out / name / f"{name}.thumbnail.jpg").read_bytes().startswith(b"\xff\xd8")
    assert not list(out.rglob(".*partial*"))
    done = pansharpkit("batch", "report", out, "--json")
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout) == {
        "page": str(out / "overview.html"), "table": str(out / "overview.csv"),
    }  # fmt: skip


def test_no_overview_without_a_batch(tmp_path: Path) -> None:
    done = pansharpkit("batch", "report", tmp_path / HOSTILE[:20])
    assert done.code == 4
    assert "no ledger" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_single_raster_can_be_described_too(tmp_path: Path) -> None:
    pair = make_pair(tmp_path)
    output = tmp_path / "out 1.tif"
    done = pansharpkit("fuse", pair.pan, pair.ms, "-o", output, "-m", "exp", "--stac", "--json")
    assert done.code == 0, done.stderr
    path = tmp_path / "out 1.stac.json"
    assert json.loads(done.stdout)["stac"] == str(path)
    item = check_item(json.loads(path.read_text()))
    assert item.id == "out 1"
    assert item.collection_id is None
    assert {link.rel for link in item.links} == {"derived_from", "processing-validation"}
    assert item.assets["fused"].href == "./out%201.tif"
    assert (tmp_path / "out 1.thumbnail.jpg").is_file()
    refused = pansharpkit("fuse", pair.pan, pair.ms, "-o", tmp_path / "a.img", "--stac")
    assert refused.code == 2
    assert "only a GeoTIFF" in refused.stderr
    assert not (tmp_path / "a.img").exists()
