"""Sphinx's settings for the site that scripts/build_site.py lays out and builds."""

from __future__ import annotations

import inspect
from typing import Any

from sphinx.application import Sphinx
from website.reference import with_names_marked

import cgexp

project = "cgexp"
author = "The cgexp developers"
copyright = author
version = release = cgexp.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.doctest"]
root_doc = "docs/index"
exclude_patterns = ["experiments/**/figures"]

myst_heading_anchors = 4  # links to headings are called as on GitHub
myst_links_external_new_tab = False
suppress_warnings = ["myst.header"]  # a changelog's headings jump

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings have shapes and units
add_module_names = False

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_title = f"cgexp {release}"
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "github-dark"


def mark_arguments(app: Sphinx, kind: str, name: str, item: Any, options: Any, lines: list[str]) -> None:
    """Arguments that a docstring explains stand out."""
    if kind in ("class", "function", "method"):
        lines[:] = with_names_marked("\n".join(lines), inspect.signature(item).parameters).split("\n")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", mark_arguments)
