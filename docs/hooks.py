"""MkDocs hook: add the pages that are made from the code, and the pictures of the notebook."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import notebook
from mkdocs.structure.files import File
from pages import generated

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to those of the folder."""
    for uri, text in generated().items():
        files.append(File.generated(config, uri, content=text))
    for name, picture in notebook.built()[1].items():
        uri = str(PurePosixPath(notebook.PAGE).with_name(name))
        files.append(File.generated(config, uri, content=picture))
    return files
