"""Broken and hostile products and archives through the command line."""

from __future__ import annotations

import gzip
import io
import re
import shutil
import tarfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from fault_place import Place, assert_fails, files_end_at, half

ALABAMA = Path(__file__).parent / "data" / "landsat8_alabama_mini"


@pytest.fixture
def product(place: Place) -> Path:
    return Path(shutil.copytree(ALABAMA, place.inputs / "scene"))


def edit(product: Path, change: Callable[[str], str]) -> Path:
    mtl = next(product.glob("*_MTL.txt"))
    mtl.write_text(change(mtl.read_text()))
    return product


def mtl(product: Path) -> str:
    return next(product.glob("*_MTL.*")).name


def as_xml(product: Path, text: str) -> Path:
    """Put this XML in the place of the metadata."""
    old = product / mtl(product)
    old.with_suffix(".xml").write_text(text)
    old.unlink()
    return product


BOMB = (
    "<!DOCTYPE m [<!ENTITY e0 'ha'>"
    + "".join(f"<!ENTITY e{i} '{f'&e{i - 1};' * 10}'>" for i in range(1, 10))
    + "]>"
)
PRODUCTS: dict[str, tuple[int, tuple[str, ...], Callable[[Path], Sequence[object]]]] = {
    "no PAN": (4, ("scene", "B8"), lambda s: (next(s.glob("*_B8.TIF")).unlink() or s,)),
    "no band": (4, ("scene", "B4"), lambda s: (next(s.glob("*_B4.TIF")).unlink() or s,)),
    "no metadata": (4, ("scene", "MTL"), lambda s: (next(s.glob("*_MTL.txt")).unlink() or s,)),
    "empty metadata": (4, ("_MTL.txt",), lambda s: (edit(s, lambda text: ""),)),
    "missing key": (
        4, ("_MTL.txt", "SPACECRAFT_ID"),
        lambda s: (edit(s, lambda text: text.replace("SPACECRAFT_ID", "CRAFT")),),
    ),
    "no number": (
        4, ("_MTL.txt", "SUN_ELEVATION"),
        lambda s: (edit(s, lambda text: text.replace("SUN_ELEVATION = ", "SUN_ELEVATION = x")),
                   "--toa"),
    ),
    "another satellite": (
        4, ("_MTL.txt", "PAN"), lambda s: (edit(s, lambda t: t.replace("LANDSAT_8", "LANDSAT_5")),),
    ),
    "thermal band": (2, ("--bands", "thermal"), lambda s: (s, "--bands", "B10,B4")),
    "groups never closed": (
        4, ("_MTL.txt, line", "cut off"),
        lambda s: (edit(s, lambda text: text[: text.index("\n", 2000)]),),
    ),
    "line without end": (
        4, ("_MTL.txt, line 2", "characters long"),
        lambda s: (edit(s, lambda text: text.replace("\n", "\nX = " + "9" * 100_000 + "\n", 1)),),
    ),
    "sun of NaN": (
        4, ("_MTL.txt", "SUN_ELEVATION", "finite"),
        lambda s: (edit(s, lambda text: re.sub("SUN_ELEVATION = .*", "SUN_ELEVATION = NaN", text)),
                   "--toa"),
    ),
    "another encoding": (
        4, ("_MTL.txt, line 1", "UTF-8"),
        lambda s: ((s / mtl(s)).write_bytes(b"\xff\xfeG") and s,),
    ),
    "a file outside": (
        4, ("_MTL.txt", "FILE_NAME_BAND_8", "bare file name"),
        lambda s: (edit(s, lambda text: re.sub('BAND_8 = "', 'BAND_8 = "../', text)),),
    ),
    "XML bomb": (
        4, ("_MTL.xml", "document type"),
        lambda s: (as_xml(s, BOMB + "<LANDSAT_METADATA_FILE>&e9;</LANDSAT_METADATA_FILE>"),),
    ),
    "XML that reads other files": (
        4, ("_MTL.xml", "document type"),
        lambda s: (as_xml(s, '<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]><m>&x;</m>'),),
    ),
    "XML nested without end": (
        4, ("_MTL.xml", "nested"), lambda s: (as_xml(s, "<a>" * 30_000 + "</a>" * 30_000),),
    ),
    "XML cut off": (4, ("_MTL.xml, line 1", "not XML"), lambda s: (as_xml(s, "<m><a>1</a>"),)),
    "metadata without end": (
        4, ("_MTL.xml", "larger than"), lambda s: (as_xml(s, "<m>" + " " * 2**20 + "</m>"),),
    ),
    "truncated band": (4, ("_B3.TIF",), lambda s: (half(next(s.glob("*_B3.TIF"))) and s,)),
}  # fmt: skip


@pytest.mark.parametrize("name", PRODUCTS)
def test_product_fault(name: str, place: Place, product: Path) -> None:
    code, said, make = PRODUCTS[name]
    arguments = make(product)
    before = place.listing()
    import pansharpkit.pipeline  # noqa: F401 - loading it is not part of the time

    started = time.process_time()
    assert_fails(place.fuse(*arguments), code, *said)
    assert time.process_time() - started < 1
    assert place.listing() == before


def archive(place: Place, member: tarfile.TarInfo | None, content: bytes = b"") -> Path:
    """Pack the product together with something that does not belong there."""
    path = place.inputs / "scene.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(ALABAMA, arcname="scene")
        if member is not None:
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def bomb(place: Place) -> Path:
    path = place.inputs / "bomb.tar.gz"
    with (
        gzip.open(path, "wb", compresslevel=9) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        info = member("scene/a_MTL.txt")
        info.size = 2**28
        tar.addfile(info, _Zeros())
    return path


def zipped(place: Place, name: str, content: bytes) -> Path:
    """Zip the product together with something that does not belong there."""
    path = place.inputs / "scene.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(ALABAMA.iterdir()):
            archive.write(file, f"scene/{file.name}")
        archive.writestr(name, content)
    return path


class _Zeros(io.RawIOBase):
    def read(self, size: int = -1) -> bytes:
        return bytes(size)


ARCHIVES: dict[str, Callable[[Place], Path]] = {
    "path upwards": lambda p: archive(p, member("../evil.txt"), b"x"),
    "absolute path": lambda p: archive(p, member(str(p.outputs / "evil.txt")), b"x"),
    "symbolic link": lambda p: archive(p, member("scene/a.TIF", tarfile.SYMTYPE, "/etc/passwd")),
    "hard link": lambda p: archive(p, member("scene/a.TIF", tarfile.LNKTYPE, "/etc/passwd")),
    "pipe": lambda p: archive(p, member("scene/a.TIF", tarfile.FIFOTYPE)),
    "device": lambda p: archive(p, member("scene/zero.TIF", tarfile.CHRTYPE)),
    "the same file twice": lambda p: archive(p, member(f"scene/{mtl(ALABAMA)}"), b"END"),
    "holes": lambda p: archive(p, member("scene/a.TIF", tarfile.GNUTYPE_SPARSE)),
    "zip: path upwards": lambda p: zipped(p, "../evil.txt", b"x"),
    "zip: absolute path": lambda p: zipped(p, str(p.outputs / "evil.txt"), b"x"),
    "zip: bomb": lambda p: zipped(p, "scene/b.TIF", bytes(2**28)),
    "zip: truncated": lambda p: half(zipped(p, "scene/b.txt", b"x")),
    "truncated": lambda p: half(archive(p, None)),
    "bomb": bomb,
    "no archive": lambda p: p.file("scene.tar", "hello" * 500),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archive_fault(name: str, place: Place) -> None:
    path = ARCHIVES[name](place)
    before = place.listing()
    assert_fails(place.fuse(path), 4, path.name)
    assert place.listing() == before
    assert not any((place.inputs.parent / "scratch").iterdir())
    assert not (place.inputs.parent / "evil.txt").exists()


def test_no_band_of_the_product_is_replaced(place: Place, product: Path) -> None:
    before = place.listing()
    for band in ("B8", "B4", "B10", "BQA"):
        output = next(product.glob(f"*_{band}.TIF"))
        done = place.fuse(product, output=output, options=("--overwrite",))
        assert_fails(done, 2, band, "is the input")
    assert place.listing() == before


def test_archive_for_which_the_disk_is_too_small(place: Place) -> None:
    path = archive(place, None)
    with files_end_at(5000):
        assert_fails(place.fuse(path), 1, "scene.tar: cannot be unpacked", "CPL_TMPDIR")
    assert not any((place.inputs.parent / "scratch").iterdir())
    assert not any(place.outputs.iterdir())
