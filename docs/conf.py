"""Sphinx's settings for the site that scripts/build_site.py lays out and builds."""

from __future__ import annotations

import cgexp

project = "cgexp"
author = "The cgexp developers"
copyright = author
version = release = cgexp.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "docs/index"
exclude_patterns = ["experiments/**/figures"]

myst_heading_anchors = 4  # links to headings are called as on GitHub
myst_links_external_new_tab = False
suppress_warnings = ["myst.header"]  # a changelog's headings jump

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
add_module_names = False

html_theme = "furo"
html_title = f"cgexp {release}"
html_show_sourcelink = False
html_show_sphinx = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "monokai"
