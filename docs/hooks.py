"""MkDocs hook: add the pages made from the code and the notebook's pictures, and mind line ends."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import notebook
from mkdocs.structure.files import File
from pages import generated

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

_SLASH = re.compile(r"(?<=[\d>]) / (?=[\d.<+-])")
_LONG = re.compile(r"<code>(?=[^<]{28})")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to those of the folder."""
    for uri, text in generated().items():
        files.append(File.generated(config, uri, content=text))
    for name, picture in notebook.built()[1].items():
        uri = str(PurePosixPath(notebook.PAGE).with_name(name))
        files.append(File.generated(config, uri, content=picture))
    return files


def on_page_content(html: str, **_: object) -> str:
    """Keep slashes between figures off the start of a line, and mark code that may be broken."""
    return _LONG.sub('<code class="long">', _SLASH.sub("\u00a0/ ", html))
