"""STAC catalogues on disk: what makes a scene, and what leads elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from archive_files import MINI, inputs, left, opens, write_ms, write_pan
from hypothesis import given
from hypothesis import strategies as st

from pansharpkit.archive.entry import Found
from pansharpkit.archive.find import FindRequest, find
from pansharpkit.archive.find.stac_assets import choose
from pansharpkit.errors import FileReadError, InputError, MetadataError

NAME = "LC80200392015216LGN00"
SQUARE = [[[-2.0, 42.0], [-1.0, 42.0], [-1.0, 43.0], [-2.0, 43.0], [-2.0, 42.0]]]
PAN = {"href": "pan.tif", "type": "image/tiff", "roles": ["data"],
       "eo:bands": [{"name": "P", "common_name": "pan"}]}  # fmt: skip
COLOURS = ("blue", "green", "red", "nir")
MS = {"href": "ms.tif", "type": "image/tiff", "roles": ["data"],
      "eo:bands": [{"name": n, "common_name": n} for n in COLOURS]}  # fmt: skip
Asset = Mapping[str, Any]


def item(assets: Mapping[str, Asset], id: str = "one", **changes: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": id,
        "geometry": {"type": "Polygon", "coordinates": SQUARE},
        "bbox": [-2.0, 42.0, -1.0, 43.0],
        "properties": {"datetime": "2020-05-17T10:20:30Z"},
        "links": [],
        "assets": dict(assets),
        **changes,
    }


def written(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def catalogue(folder: Path, *items: dict[str, Any], **files: object) -> Path:
    """Write a catalogue of items, each in a folder of its own, and return its file."""
    for one in items:
        written(folder / one["id"] / f"{one['id']}.json", one)
    links = [{"rel": "item", "href": f"./{one['id']}/{one['id']}.json"} for one in items]
    content = {"type": "Catalog", "stac_version": "1.0.0", "id": "cat", "description": "x"}
    return written(folder / "catalog.json", {**content, "links": links, **files})


def read(path: Path, root: Path | None = None) -> Found:
    return find(FindRequest(path, root=root))


class TestItems:
    def test_pan_and_ms(self, tmp_path: Path) -> None:
        write_pan(tmp_path / "pan.tif")
        write_ms(tmp_path / "ms.tif")
        thumb = {"href": "t.png", "type": "image/png", "roles": ["thumbnail"]}
        visual = {**MS, "href": "visual.tif", "roles": ["visual"]}
        content = item({"a": PAN, "b": MS, "thumbnail": thumb, "visual": visual})
        (entry,) = read(written(tmp_path / "i.json", content)).entries
        assert (entry.id, entry.family) == ("one", "pair")
        assert [Path(text).name for text in entry.inputs] == ["pan.tif", "ms.tif"]
        assert entry.acquired == datetime(2020, 5, 17, 10, 20, 30, tzinfo=UTC)
        assert entry.footprint == tuple((lon, lat) for lon, lat in SQUARE[0])
        assert "i.json, item one" in entry.source
        assert opens(entry)

    def test_bands_in_assets_of_their_own(self, tmp_path: Path) -> None:
        """The layout of Landsat's items, in STAC 1.1: the order is by wavelength."""
        write_pan(tmp_path / "B8.tif")
        assets: dict[str, Asset] = {"pan": {"href": "B8.tif", "bands": [{"eo:common_name": "pan"}]}}
        for colour in ("red", "nir08", "green", "blue", "swir16", "qa"):
            write_ms(tmp_path / f"{colour}.tif", bands=1)
            assets[colour] = {"href": f"{colour}.tif", "bands": [{"eo:common_name": colour}]}
        (entry,) = read(written(tmp_path / "i.json", item(assets))).entries
        names = [Path(text).stem for text in entry.inputs]
        assert names == ["B8", "blue", "green", "red", "nir08"]
        assert opens(entry)

    def test_keys_alone(self, tmp_path: Path) -> None:
        write_pan(tmp_path / "pan.tif")
        write_ms(tmp_path / "ms.tif")
        content = item({"PAN": {"href": "pan.tif"}, "MS": {"href": "ms.tif"}})
        assert len(read(written(tmp_path / "i.json", content)).entries) == 1

    def test_landsat_metadata(self, tmp_path: Path) -> None:
        shutil.copytree(MINI, tmp_path / "l8")
        mtl = {"href": f"./{NAME}_MTL.txt", "type": "text/plain", "roles": ["metadata"]}
        (entry,) = read(written(tmp_path / "l8" / "i.json", item({"MTL.txt": mtl}))).entries
        assert (entry.id, entry.family) == ("one", "landsat")
        assert entry.inputs == (str(tmp_path / "l8" / f"{NAME}_MTL.txt"),)
        assert opens(entry)

    def test_landsat_without_pan(self, tmp_path: Path) -> None:
        shutil.copytree(MINI, tmp_path / "l8")
        (tmp_path / "l8" / f"{NAME}_B8.TIF").unlink()
        mtl = {"href": f"{NAME}_MTL.txt"}
        found = read(written(tmp_path / "l8" / "i.json", item({"mtl": mtl})))
        assert found.entries == ()
        assert "PAN band B8 is missing" in left(found)["i.json"]

    def test_quoted_links(self, tmp_path: Path) -> None:
        write_pan(tmp_path / "a b.tif")
        write_ms(tmp_path / "50%.tif")
        content = item({"a": {**PAN, "href": "a%20b.tif"}, "b": {**MS, "href": "50%.tif"}})
        assert len(read(written(tmp_path / "i.json", content)).entries) == 1

    @pytest.mark.parametrize(
        ("geometry", "bbox"),
        [
            (None, [-2, 42, -1, 43]),
            ({"type": "Polygon", "coordinates": [[["x"]]]}, None),
            ({"type": "Polygon", "coordinates": []}, [1]),
            ({"type": "MultiPolygon", "coordinates": 5}, [-2, 42, 0, -1, 43, 9]),
            ({"type": "Polygon", "coordinates": [[[10**400, 0]] * 4]}, None),
        ],
    )
    def test_places_of_all_kinds(self, tmp_path: Path, geometry: Any, bbox: Any) -> None:
        write_pan(tmp_path / "pan.tif")
        write_ms(tmp_path / "ms.tif")
        content = item({"a": PAN, "b": MS}, geometry=geometry, bbox=bbox, properties=None)
        (entry,) = read(written(tmp_path / "i.json", content)).entries
        assert entry.acquired is None
        sound = isinstance(bbox, list) and len(bbox) in (4, 6)
        assert (entry.footprint is not None) == sound

    def test_several_of_one_kind(self, tmp_path: Path) -> None:
        content = item({"a": PAN, "b": {**PAN, "href": "q.tif"}, "c": MS})
        assert "a, b may be its PAN" in left(read(written(tmp_path / "i.json", content)))["i.json"]
        content = item({"a": PAN, "b": MS, "c": {**MS, "href": "q.tif"}})
        assert "b, c may be its MS" in left(read(written(tmp_path / "i.json", content)))["i.json"]
        singles = {k: {"href": f"{k}.tif", "bands": [{"name": "blue"}]} for k in ("x", "y")}
        content = item({"a": PAN, **singles})
        assert (
            "x, y may be its bands" in left(read(written(tmp_path / "i.json", content)))["i.json"]
        )
        write_pan(tmp_path / "pan.tif")
        write_ms(tmp_path / "ms.tif")
        content = item({"a": PAN, "analytic": MS, "c": {**MS, "href": "q.tif"}})
        assert len(read(written(tmp_path / "i.json", content)).entries) == 1

    def test_files_that_are_not_here(self, tmp_path: Path) -> None:
        write_pan(tmp_path / "pan.tif")
        found = read(written(tmp_path / "i.json", item({"a": PAN, "b": MS})))
        assert "its asset 'b' is missing" in left(found)["i.json"]


class TestCatalogues:
    def test_items_that_pair(self, tmp_path: Path) -> None:
        """PAN and MS are items of their own; ground and day put them together."""
        far = [[[lon + 9, lat] for lon, lat in SQUARE[0]]]
        for id, write in (("p", write_pan), ("m", write_ms), ("n", write_ms), ("q", write_pan)):
            write(tmp_path / id / {"p": "pan", "q": "pan"}.get(id, "ms")).rename(
                tmp_path / id / ("pan.tif" if id in "pq" else "ms.tif")
            )
        day = {"datetime": "2020-05-19T10:20:30Z"}
        path = catalogue(
            tmp_path,
            item({"a": PAN}, "p"),
            item({"b": MS}, "m"),
            item({"b": MS}, "n", properties=day),
            item({"a": PAN}, "q", geometry={"type": "Polygon", "coordinates": far}),
        )
        found = read(path)
        assert inputs(found, tmp_path) == {"p": ["p/pan.tif", "m/ms.tif"]}
        reasons = left(found)
        assert reasons["n.json"].endswith(
            "has no PAN, and no other item has one of its ground and day"
        )
        assert "has no MS" in reasons["q.json"]

    def test_nested_collections(self, tmp_path: Path) -> None:
        for scene in ("c1", "c2"):
            write_pan(tmp_path / scene / "s" / "pan.tif")
            write_ms(tmp_path / scene / "s" / "ms.tif")
            written(tmp_path / scene / "s" / "s.json", item({"a": PAN, "b": MS}, "s"))
            links = [{"rel": "item", "href": "s/s.json"}, {"rel": "root", "href": "../c.json"}]
            content = {"type": "Collection", "id": scene, "stac_version": "1.0.0", "links": links}
            written(tmp_path / scene / "collection.json", content)
        links = [{"rel": "child", "href": f"{s}/collection.json"} for s in ("c1", "c2")]
        content = {"type": "Catalog", "id": "c", "stac_version": "1.0.0", "links": links}
        found = read(written(tmp_path / "c.json", content))
        assert list(inputs(found, tmp_path)) == ["c1_s", "c2_s"]

    def test_item_collection(self, tmp_path: Path) -> None:
        write_pan(tmp_path / "pan.tif")
        write_ms(tmp_path / "ms.tif")
        content = {"type": "FeatureCollection", "features": [item({"a": PAN, "b": MS}), 5, None]}
        found = read(written(tmp_path / "i.geojson", content))
        assert len(found.entries) == 1
        assert left(found) == {"i.geojson": "has features that are no items; get it again"}

    @pytest.mark.parametrize("assets", [{"a": PAN, "b": MS}, {"a": PAN}, {"b": MS}])
    def test_files_that_two_items_have(self, tmp_path: Path, assets: dict[str, Asset]) -> None:
        write_pan(tmp_path / "pan.tif")
        write_ms(tmp_path / "ms.tif")
        features = [item(assets), item(assets, "two"), item({"a": PAN}), item({"b": MS})]
        features = features[: 2 + 2 * (len(assets) == 1)]
        content = {"type": "FeatureCollection", "features": features}
        found = read(written(tmp_path / "i.geojson", content))
        assert [entry.id for entry in found.entries] == ["one"]
        why = [one.why for one in found.unpaired]
        assert why[0].startswith("item two: has the same files as ")
        assert why[0].endswith("i.geojson, item one")

    def test_a_product_that_two_items_have(self, tmp_path: Path) -> None:
        shutil.copytree(MINI, tmp_path / "l8")
        mtl = {"mtl": {"href": f"{NAME}_MTL.txt"}}
        content = {"type": "FeatureCollection", "features": [item(mtl), item(mtl)]}
        found = read(written(tmp_path / "l8" / "i.json", content))
        assert len(found.entries) == len(found.unpaired) == 1

    def test_circles(self, tmp_path: Path) -> None:
        write_pan(tmp_path / "one" / "pan.tif")
        write_ms(tmp_path / "one" / "ms.tif")
        path = catalogue(tmp_path, item({"a": PAN, "b": MS}))
        content = json.loads(path.read_text())
        content["links"] += [
            {"rel": "child", "href": h} for h in ("catalog.json", "./one/../x.json")
        ]
        path.write_text(json.dumps(content))
        written(tmp_path / "x.json", {**content, "id": "x"})
        assert len(read(path).entries) == 1

    def test_one_bad_item_spoils_no_other(self, tmp_path: Path) -> None:
        write_pan(tmp_path / "one" / "pan.tif")
        write_ms(tmp_path / "one" / "ms.tif")
        path = catalogue(tmp_path, item({"a": PAN, "b": MS}), item({}, "two"), item({}, "three"))
        (tmp_path / "two" / "two.json").write_text("{")
        (tmp_path / "three" / "three.json").unlink()
        found = read(path)
        assert list(inputs(found, tmp_path)) == ["one"]
        reasons = left(found)
        assert "is no JSON" in reasons["two.json"]
        assert "No such file" in reasons["three.json"]

    def test_what_pystac_writes(self, tmp_path: Path) -> None:
        pystac = pytest.importorskip("pystac")
        write_pan(tmp_path / "data" / "pan.tif")
        write_ms(tmp_path / "data" / "ms.tif")
        tree = pystac.Catalog("cat", "a test")
        one = pystac.Item.from_dict(item({}))
        for key, asset in (("pan", PAN), ("ms", MS)):
            made = pystac.Asset.from_dict({**asset, "href": str(tmp_path / "data" / asset["href"])})
            one.add_asset(key, made)
        tree.add_item(one)
        tree.normalize_hrefs(str(tmp_path))
        one.make_asset_hrefs_relative()
        tree.save(pystac.CatalogType.SELF_CONTAINED)
        found = read(tmp_path / "catalog.json")
        assert inputs(found, tmp_path) == {"one": ["data/pan.tif", "data/ms.tif"]}


ELSEWHERE = [
    "../secret.tif",
    "/etc/passwd",
    "file:///etc/passwd",
    "vrt://ms.tif",
    "/vsicurl/http://127.0.0.1:{port}/x.tif",
    "%2e%2e/secret.tif",
    "link.tif",
    "",
]
SERVERS = ["http://127.0.0.1:{port}/x.tif", "https://127.0.0.1:{port}/x", "s3://bucket/x.tif"]


class TestHostile:
    @pytest.fixture
    def port(self) -> Any:
        """Port of a server that nobody may call."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            server.setblocking(False)
            yield server.getsockname()[1]
            with pytest.raises(BlockingIOError):
                server.accept()

    @pytest.mark.parametrize("key", ["a", "b", "mtl"])
    @pytest.mark.parametrize("href", ELSEWHERE)
    def test_assets_elsewhere(self, tmp_path: Path, port: int, href: str, key: str) -> None:
        root = tmp_path / "root"
        write_pan(root / "pan.tif")
        write_ms(root / "ms.tif")
        write_ms(tmp_path / "secret.tif")
        (root / "link.tif").symlink_to(tmp_path / "secret.tif")
        href = href.format(port=port)
        assets: dict[str, Asset] = {"a": PAN, "b": MS}
        if key == "mtl":
            if not href or href == "link.tif":
                return
            assets["mtl"] = {"href": os.path.dirname(href) + "/x_MTL.txt"}  # noqa: PTH120
        else:
            assets[key] = {**assets[key], "href": href}
        with pytest.raises(
            FileReadError, match=r"i\.json, item one.*(local|leads out|names no file)"
        ):
            read(written(root / "i.json", item(assets)))

    @pytest.mark.parametrize("href", SERVERS)
    def test_assets_on_servers(self, tmp_path: Path, port: int, href: str) -> None:
        write_pan(tmp_path / "pan.tif")
        asset = {**MS, "href": href.format(port=port)}
        found = read(written(tmp_path / "i.json", item({"a": PAN, "b": asset})))
        assert found.entries == ()
        assert "is not opened; download it" in left(found)["i.json"]

    @pytest.mark.parametrize("href", SERVERS)
    def test_children_on_servers(self, tmp_path: Path, port: int, href: str) -> None:
        links = [{"rel": rel, "href": href.format(port=port)} for rel in ("child", "item", "root")]
        found = read(catalogue(tmp_path, links=links))
        assert len(found.unpaired) == 2

    @pytest.mark.parametrize("href", ["../secret.json", "/etc/passwd", "file:///etc/passwd", "l"])
    def test_children_elsewhere(self, tmp_path: Path, href: str) -> None:
        written(tmp_path / "secret.json", item({}))
        (tmp_path / "root").mkdir()
        (tmp_path / "root" / "l").symlink_to(tmp_path / "secret.json")
        path = catalogue(tmp_path / "root", links=[{"rel": "item", "href": href}])
        with pytest.raises(FileReadError, match=r"catalog\.json: .*(local|leads out)"):
            read(path)

    def test_a_wider_root(self, tmp_path: Path) -> None:
        write_pan(tmp_path / "pan.tif")
        write_ms(tmp_path / "ms.tif")
        up = {"a": {**PAN, "href": "../pan.tif"}, "b": {**MS, "href": "../ms.tif"}}
        path = written(tmp_path / "items" / "i.json", item(up))
        assert len(read(path, root=tmp_path).entries) == 1

    @pytest.mark.parametrize(
        "content",
        [b"", b"{", b"[]", b"{}", b'{"type": 5}', b"\xff\xfe", b"[" * 10**6, b'{"a":' * 10**5,
         b'{"type": "Feature' + b"x" * 100 + b'"}', b"9" * 10**5],
    )  # fmt: skip
    def test_no_stac(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "i.json").write_bytes(content)
        with pytest.raises((MetadataError, FileReadError), match=r"i\.json: is (no|empty)"):
            read(tmp_path / "i.json")

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(
                        ["href", "bands", "eo:bands", "roles", "type", "a", "pan", "ms"]
                    ),
                    inner,
                    max_size=5,
                )
            ),
            max_leaves=25,
        )
    )
    def test_any_json_for_assets(
        self, tmp_path_factory: pytest.TempPathFactory, content: Any
    ) -> None:
        choose({"assets": content})
        folder = tmp_path_factory.mktemp("any")
        taken = ("assets", "links", "bbox", "properties")
        made = item({}) | dict.fromkeys(taken, content)
        try:
            read(written(folder / "i.json", made))
        except InputError as error:
            assert "i.json" in str(error)  # noqa: PT017 - any other error fails the test
