"""MkDocs hook: add the pages that are made from the code, so that they cannot fall behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mkdocs.structure.files import File
from pages import generated

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to those of the folder."""
    for uri, text in generated().items():
        files.append(File.generated(config, uri, content=text))
    return files
