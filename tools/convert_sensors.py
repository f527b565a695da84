"""Convert the collected sensor facts into the presets under `sensors/`.

    python tools/convert_sensors.py REFERENCE_DIR OUT_DIR

REFERENCE_DIR holds `sensors.json`, `srf/*.csv` and `hs/*.csv`. For every sensor OUT_DIR gets one
TOML and, beside it, one CSV with its spectral responses (or with its band centres, where no
responses are known). Running it again writes the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

Table = dict[str, Any]
Facts = Mapping[str, Any]

ESUN_CONTRADICTION = 5.0  # per cent off the value from the SRF: the published one is not used
TOOLBOX_MTF = "tables of gains in public pansharpening toolboxes"
COMPUTED_ESUN = "computed from the SRF and the solar spectrum of Thuillier (2003)"
COMPUTED_COVERAGE = "mean PAN response over the band, computed from the SRFs"

_PHRASES = (  # how the collection says where it looked -> what a reader needs
    (r",? ?\(?\b(?:index )?ids? \d+(?: and \d+)?\)?| \(seed \d+\)", ""),
    (r"seen in an indexed script", "a public script"),
    (r"indexed copies seen", "copies"),
    (r"recalled, no source seen", "recalled, source not checked"),
    (r" \((?:all )?seen\)|(?<=[( ])seen(?:: | (?=up to|\())", ""),
    (r"seen in", "in a"),
    (r"half-pixel grid: .*", "PAN has 2N-1 pixels to N of MS: its edge lies 7.5 m inside"),
)


def clean(text: str) -> str:
    for pattern, to in _PHRASES:
        text = re.sub(pattern, to, text)
    return text.strip()


def group(source: str, unverified: bool | None = None, **figures: Any) -> Table:
    """Return a group of figures that says where they come from and whether that was checked."""
    if unverified is None:
        unverified = "recalled" in source
    table = {key: value for key, value in figures.items() if value is not None}
    return table | {"source": clean(source)} | ({"unverified": True} if unverified else {})


def emit(document: Facts) -> str:
    """Return a two-level mapping as TOML: values first, then tables and arrays of tables."""
    lines = ["# Written by tools/convert_sensors.py"]
    lines += [_line(key, value) for key, value in document.items() if not _tables(value)]
    for key, value in document.items():
        header = f"[{key}]" if isinstance(value, dict) else f"[[{key}]]"
        for table in _tables(value):
            lines += ["", header, *(_line(k, v) for k, v in table.items())]
    return "\n".join(lines) + "\n"


def _tables(value: Any) -> list[Table]:
    if isinstance(value, dict):
        return [value]
    return value if isinstance(value, list) and value and isinstance(value[0], dict) else []


def _line(key: str, value: Any) -> str:
    # JSON's scalars, and arrays of them, are TOML too.
    if isinstance(value, list) and any(isinstance(v, str) and len(v) > 24 for v in value):
        items = "".join(f"\n    {json.dumps(v, ensure_ascii=False)}," for v in value)
        return f"{key} = [{items}\n]"
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"


def close_gaps(rows: list[list[str]], step: float) -> list[list[str]]:
    """Put zeros inside the gaps of a response table.

    The collection leaves out rows in which every band is below 1e-3 and keeps one row at each side
    of a gap. That row may be 9e-4: a straight line from there across 450 nm adds up to 1 % to the
    integral of a narrow band, so the gap is filled with what it stands for.
    """
    out = [rows[0]]
    for row in rows[1:]:
        before, here = float(out[-1][0]), float(row[0])
        if here - before > 1.5 * step:
            edges = dict.fromkeys((before + step, here - step))
            out += [[f"{edge:g}"] + ["0"] * (len(row) - 1) for edge in edges]
        out.append(row)
    return out


def copy_table(source: Path, target: Path, step: float | None = None) -> list[str]:
    """Copy a CSV, closing its gaps if its step is given, and return its header."""
    with source.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    if step is not None:
        rows = close_gaps(rows, step)
    with target.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return header


# --- multispectral sensors --------------------------------------------------------------------


def convert_sensor(key: str, facts: Facts, formats: Facts, words: Facts) -> Table:
    """Return the TOML document of one sensor with spectral responses."""
    bands = [band_entry(key, facts, band, words) for band in facts["bands"]]
    gains = mtf_gains(facts, bands)
    for band in bands:
        if band["name"] in gains:
            band["mtf"] = gains[band["name"]]
    pan = next((band for band in bands if band.get("common_name") == "pan"), None)
    bands = [band for band in bands if band is not pan]
    if key in words["pan_without_srf"]:
        pan = {"name": "PAN", **box([450, 900])}
    document = heading(key, words["names"][key], facts["aliases"], facts.get("traps", []))
    document |= groups(key, facts, formats, words)
    if pan:
        document["pan"] = {k: v for k, v in pan.items() if k != "common_name"}
    return document | {"bands": bands}


def heading(key: str, names: list[str], aliases: list[str], notes: list[str]) -> Table:
    others = [alias for alias in dict.fromkeys([*aliases, *names[1:]]) if alias != names[0]]
    table: Table = {"id": key, "name": names[0], "aliases": others}
    return table | ({"notes": [clean(note) for note in notes]} if notes else {})


def groups(key: str, facts: Facts, formats: Facts, words: Facts) -> Table:
    """Return the figure groups, each with its source."""
    check = "; ".join(
        f"{name}: max difference {other['max_abs_diff']}"
        for name, other in facts["verification"]["second_tables"].items()
    )
    check = "; ".join(filter(None, [check, clean(facts["verification"].get("notes", ""))]))
    alone = key in words["single_source_srf"]
    out = {"srf": group(facts["srf_source"], alone, file=f"{key}.csv", note=check or None)}
    if gsd := facts.get("gsd_m"):
        out["gsd"] = gsd_group(gsd)
    if depth := facts.get("bit_depth"):
        out["bit_depth"] = group(depth["source"], value=depth["native"])
    form = formats.get(str(facts["metadata_format"]).split()[0], {})
    if form.get("nodata") == 0:
        out["nodata"] = group(form["source"], value=0)
    if source := facts.get("nominal_source"):
        out["nominal"] = group(source)
    if any("esun_computed_thuillier2003" in band for band in facts["bands"]):
        out["esun"] = group(facts["esun_source"] or COMPUTED_ESUN)
    if any("pan_coverage" in band for band in facts["bands"]):
        out["pan_coverage"] = group(COMPUTED_COVERAGE)
    if "abscal_source" in facts:
        out["abscal"] = group(facts["abscal_source"], version=facts["abscal_version"])
    mtf = facts["mtf_nyquist"]
    if mtf and not mtf["source"].startswith("no value"):
        out["mtf"] = mtf_group(key, mtf)
    return out


def gsd_group(gsd: Facts) -> Table:
    def single(value: Any) -> Any:  # Sentinel-2 lists three: the finest, bands say the others
        return value[0] if isinstance(value, list) else value

    return group(
        gsd["source"],
        pan_m=gsd["pan"],
        ms_m=single(gsd["ms"]),
        product_pan_m=gsd["product_pan"],
        product_ms_m=single(gsd["product_ms"]),
        ratio=None if isinstance(gsd["ratio"], list) else gsd["ratio"],
    )


def mtf_group(key: str, mtf: Facts) -> Table:
    agreement = clean(mtf["agreement"])
    doubtful = agreement.startswith(("single", "CONFLICT", "PAN marked"))
    shared = {"landsat9_oli2": "the values of Landsat 8", "pleiades1b": "the values of 1A"}
    note = "; ".join(filter(None, [shared.get(key), agreement]))
    return group(mtf["source"], doubtful, note=note)


def mtf_gains(facts: Facts, bands: list[Table]) -> dict[str, float]:
    """Return the published gains by band name."""
    mtf = facts["mtf_nyquist"]
    if not mtf or mtf["source"].startswith("no value"):
        return {}
    pan = {b["name"]: mtf["pan"] for b in bands if b.get("common_name") == "pan"}
    if isinstance(mtf["ms"], dict):
        return pan | mtf["ms"]
    others = [b for b in bands if b.get("common_name") != "pan"]
    if len(mtf["ms"]) == 4:
        others = [b for b in others if b.get("common_name") in {"blue", "green", "red", "nir"}]
    # A table shorter than the band list covers its first bands: WorldView-3's eight VNIR ones.
    return pan | {b["name"]: gain for b, gain in zip(others, mtf["ms"], strict=False)}


def band_entry(key: str, facts: Facts, band: Facts, words: Facts) -> Table:
    """Return one band's figures, without its MTF gain."""
    name = band["name"]
    computed, published = band.get("esun_computed_thuillier2003"), band.get("esun_published")
    usable = published and abs(band["esun_diff_percent"]) <= ESUN_CONTRADICTION
    entry = {
        "name": name,
        "common_name": common_name(key, name, words),
        "center_nm": band["srf_centre_nm"],
        "fwhm_nm": band["srf_fwhm_nm"],
        "nominal_nm": band.get("nominal_nm"),
        "gsd_m": band_gsd(key, name, facts, words),
        "esun": published if usable else computed,
        "esun_computed": computed if published else None,
        "abscal": band.get("abscal_gain_offset"),
        "pan_coverage": band.get("pan_coverage", {}).get("mean_pan_response"),
    }
    return {k: v for k, v in entry.items() if v is not None}


def common_name(key: str, band: str, words: Facts) -> str | None:
    table = words["common"].get(key, words["common"]["default"])
    if "same_as" in table:
        table = words["common"][table["same_as"]] | table
    name = table.get(band)
    return str(name) if name else None


def band_gsd(key: str, band: str, facts: Facts, words: Facts) -> float | None:
    """Return the pixel of a band that is not on the sensor's MS grid."""
    if key.startswith("sentinel2"):
        value = words["gsd"]["sentinel2"].get(band)
    else:
        value = facts.get("gsd_m", {}).get("swir") if band.startswith("SWIR") else None
    return None if value is None else float(value)


# --- hyperspectral sensors --------------------------------------------------------------------


def convert_list(key: str, entry: Facts, facts: Facts) -> Table:
    """Return the TOML document of a sensor known by its band centres."""
    source = entry.get("source", facts["source"])
    notes = entry.get("notes", [facts["note"]] if "note" in facts else [])
    document = heading(key, entry["names"], [], notes)
    alone = not entry.get("checked", False)
    document["band_list"] = group(source, alone, file=f"{key}.csv")
    gsd = {"pan_m": facts.get("pan_gsd_m"), "ms_m": facts.get("gsd_m"), "ratio": facts.get("ratio")}
    if gsd["ms_m"]:
        document["gsd"] = group(facts["source"], alone, **gsd)
    if depth := facts.get("bit_depth"):
        digits = int(str(depth).split()[0])
        document["bit_depth"] = group("recalled, no source seen", value=digits)
    if "pan_nominal_nm" in entry:
        document["nominal"] = group("recalled, no source seen")
    if "mtf" in entry:
        figures = {"all_bands": entry["mtf"], "note": entry.get("mtf_note")}
        document["mtf"] = group(TOOLBOX_MTF, True, **figures)
    if "pan_nominal_nm" in entry:
        document["pan"] = {"name": "PAN", **box(entry["pan_nominal_nm"]), "mtf": entry["pan_mtf"]}
    return document


def box(limits: list[int]) -> Table:
    """Return the wavelengths of a band of which only the nominal limits are known."""
    low, high = limits
    return {"center_nm": (low + high) / 2, "fwhm_nm": float(high - low), "nominal_nm": limits}


def convert_all(reference: Path, out: Path) -> list[str]:
    """Convert everything; return the ids of the sensors written."""
    facts = json.loads((reference / "sensors.json").read_text(encoding="utf-8"))
    words = tomllib.loads(Path(__file__).with_name("sensor_names.toml").read_text(encoding="utf-8"))
    out.mkdir(parents=True, exist_ok=True)
    documents = {}
    for key in (key for key in facts if not key.startswith("_")):
        step = facts[key]["srf_grid_nm"]
        copy_table(reference / facts[key]["srf_file"], out / f"{key}.csv", step)
        documents[key] = convert_sensor(key, facts[key], facts["_formats"], words)
    for key, entry in words["hyperspectral"].items():
        copy_table(reference / "hs" / f"{entry['table']}.csv", out / f"{key}.csv")
        documents[key] = convert_list(key, entry, facts["_hyperspectral"][entry["facts"]])
    for key, document in documents.items():
        (out / f"{key}.toml").write_text(emit(document), encoding="utf-8", newline="\n")
    return sorted(documents)


def main() -> None:
    parser = argparse.ArgumentParser(description="Convert sensor facts into presets.")
    parser.add_argument("reference", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    for key in convert_all(arguments.reference, arguments.out):
        print(key)


if __name__ == "__main__":
    main()
