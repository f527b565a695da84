"""Make the notebook of the documentation from its script, run it, and show it as a page.

    python docs/notebook.py

The script, docs/examples/xarray_api.py, is in cells: a line ``# %% [markdown]`` begins text, a line
``# %% TITLE`` begins code, whose title describes the pictures that it draws. The notebook beside it
holds the same cells and what they gave. The page is made of the notebook when the site is built;
that runs nothing, and needs neither Jupyter nor a network.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[1]
SCRIPT = Path(__file__).parent / "examples" / "xarray_api.py"
NOTEBOOK = SCRIPT.with_suffix(".ipynb")
PAGE = "examples/xarray_api.md"
"""Where the page stands in the site; its pictures lie beside it."""
TIMEOUT_S = 300
_CELL = re.compile(r"^# %%(.*)\n", re.MULTILINE)

Cell = Mapping[str, Any]
"""A cell as the notebook's JSON has it."""


def cells(script: str) -> list[Cell]:
    r"""Return the cells of a script, none of them run.

    >>> text, code = cells("# %% [markdown]\n# # A\n#\n# word\n# %% Say it\nprint(1)\n")
    >>> text["source"], code["metadata"], code["source"]
    ('# A\n\nword', {'title': 'Say it'}, 'print(1)')
    """
    parts = _CELL.split(script)[1:]  # before the first cell stands what is said of the script
    found: list[Cell] = []
    for number, (head, body) in enumerate(zip(parts[::2], parts[1::2], strict=True)):
        cell: dict[str, Any] = {"id": f"cell-{number}", "cell_type": "code", "metadata": {}}
        if head.strip() == "[markdown]":
            cell["cell_type"] = "markdown"
            cell["source"] = re.sub(r"^# ?", "", body, flags=re.MULTILINE).strip()
        else:
            cell |= {"metadata": {"title": head.strip()}, "source": body.strip()}
            cell |= {"execution_count": None, "outputs": []}
        found.append(cell)
    return found


def run(script: str) -> dict[str, Any]:
    """Return the notebook of a script, run from its first cell to its last by a kernel."""
    import nbformat
    from nbclient import NotebookClient
    from traitlets.config import Config

    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.from_dict({  # type: ignore[no-untyped-call]
        "nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel},
        "cells": cells(script),
    })  # fmt: skip
    # Spoken to through files of its own, not through ports that others can listen to.
    with TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            config=Config({"KernelManager": {
                "transport": "ipc" if os.name == "posix" else "tcp",
                "connection_file": str(Path(folder) / "kernel.json"),
            }}),
            resources={"metadata": {"path": str(ROOT)}},
            timeout=TIMEOUT_S, coalesce_streams=True, record_timing=False,
        )  # fmt: skip
        client.execute(
            env={**os.environ, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
        )
    notebook.metadata.pop("language_info", None)  # names the version of Python that ran it
    found: dict[str, Any] = json.loads(nbformat.writes(notebook))  # type: ignore[no-untyped-call]
    return found


def page(notebook: Mapping[str, Any]) -> tuple[str, dict[str, bytes]]:
    """Return a notebook as a page of the site, and the pictures of that page by name."""
    pictures: dict[str, bytes] = {}
    parts: list[str] = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        title = cell["metadata"]["title"]
        for kind, content in _outputs(cell):
            if kind == "text":
                parts.append(f"``` {{ .text .output }}\n{content.rstrip()}\n```")
                continue
            name = f"{NOTEBOOK.stem}-{len(pictures) + 1}.png"
            pictures[name] = base64.b64decode(content)
            parts.append(f"![{title}]({name})")
    return "\n\n".join(parts) + "\n", pictures


def _outputs(cell: Cell) -> Iterator[tuple[str, str]]:
    """Yield what a cell gave, ("text" or "picture", content), in order."""
    for output in cell["outputs"]:
        if output["output_type"] == "error":
            raise ValueError(f"{cell['id']} failed: {output['evalue']}")
        data = output.get("data", {})
        if "image/png" in data:
            yield "picture", "".join(data["image/png"])
        else:
            yield "text", "".join(output.get("text") or data["text/plain"])


def built() -> tuple[str, dict[str, bytes]]:
    """Return the page of the notebook that lies beside the script."""
    return page(json.loads(NOTEBOOK.read_text(encoding="utf-8")))


def main() -> None:
    """Run the script as a notebook and keep what it gave."""
    made = run(SCRIPT.read_text(encoding="utf-8"))
    NOTEBOOK.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
