"""The page on citing: CITATION.cff as BibTeX, and the methods that the README names."""

from __future__ import annotations

from pathlib import Path

import yaml


def write_citing(root: Path, page: Path) -> None:
    """Write the page."""
    facts = yaml.safe_load((root / "CITATION.cff").read_text(encoding="utf-8"))
    methods = (root / "README.md").read_text(encoding="utf-8").partition("\n## Citing\n")[2].partition("\n## ")[0]
    authors = " and ".join(f"{{{author['name']}}}" for author in facts["authors"])
    entry = [
        "@software{cgexp,",
        f"  title = {{{facts['title']}}},",
        f"  author = {{{authors}}},",
        f"  version = {{{facts['version']}}},",
        "}",
    ]
    block = "\n".join(["```bibtex", *entry, "```"])
    page.write_text(f"# Citing\n\nThe program:\n\n{block}\n\n## Methods\n\n{methods.strip()}\n", encoding="utf-8")
