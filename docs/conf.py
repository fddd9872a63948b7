"""The documentation site: the Markdown of this repository, as it lies, through Sphinx.

The repository's root is Sphinx's source, so that the site has the repository's folders, and a link
from one document to another, to the README or to a file is the same one in both. Nothing is
fetched: no fonts, no scripts, no inventories of other sites.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fastconv.version import __version__

if TYPE_CHECKING:
    from sphinx.application import Sphinx

project = "fastconv"
author = "The fastconv authors"
copyright = "the fastconv authors, Apache-2.0"
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown"}
root_doc = "docs/index"
include_patterns = [
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "docs/**.md"),
    *("bench/README.md", "bench/RESULTS.md", "fastconv/annotations/data/README.md"),
]
# Folders that are not even looked into.
exclude_patterns = [
    *(".*", "build", "dist", "demo", "tests", "tools", "ext", "fuzz", "*.egg-info"),
]
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # the types in signatures are links where they can be
language = "en"
smartquotes = False

myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"

html_theme = "furo"
html_title = f"fastconv {release}"
html_copy_source = False
html_show_sphinx = False
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["root"]  # the site's own front door


def toctrees(_app: Sphinx, document: str, source: list[str]) -> None:
    """Make the site's navigation of the lists in the index: each section a part, in its order."""
    if document != root_doc:
        return
    for title, section in re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", source[0], re.M | re.S):
        listed = re.findall(r"^- \[([^]]+)\]\(([^)#]+\.md)\)", section, re.M)
        if listed:
            entries = [f"{name} <{target}>" for name, target in listed]
            lines = ["```{toctree}", ":hidden:", f":caption: {title}", "", *entries, "```"]
            source[0] += "\n" + "\n".join(lines) + "\n"


def setup(app: Sphinx) -> None:
    app.connect("source-read", toctrees)
