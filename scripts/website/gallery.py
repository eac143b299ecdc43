"""The gallery: each experiment with its first figure and what its page says first."""

from __future__ import annotations

import os
import re
from pathlib import Path

HEAD = """# Experiments

Each is a folder of `experiments/`: its settings, its figures, its numbers with the bounds that a run is held to, and
what was found. `cgexp reproduce <name>` makes all of it again.
"""


def write_gallery(root: Path, page: Path) -> None:
    """Write the page of all experiments, in the order of their names, those with parts first.

    page: the file that is written; links in it are those of ``docs/`` in the repository.
    """
    readmes = sorted((root / "experiments").rglob("README.md"))
    links = {readme: os.path.relpath(readme, root / "docs") for readme in readmes}
    tree = "\n".join(["```{toctree}", ":hidden:", "", *links.values(), "```"])
    entries = [entry(readme.read_text(encoding="utf-8"), link) for readme, link in links.items()]
    page.write_text("\n".join([HEAD, *entries, tree, ""]), encoding="utf-8")


def entry(text: str, link: str) -> str:
    """Title, first paragraph and first figure of an experiment's page, whose place is ``link``."""
    title = re.search(r"^# (.+)$", text, re.MULTILINE)
    figure = re.search(r"!\[([^\]]*)\]\(([^)]+)\)", text)
    lines = [f"## [{title[1] if title else link}]({link})", "", first_paragraph(text, link), ""]
    if figure:
        image = os.path.normpath(os.path.join(os.path.dirname(link), figure[2]))
        lines += [f"[![{figure[1]}]({image})]({link})", ""]
    return "\n".join(lines)


def first_paragraph(text: str, link: str) -> str:
    """The first paragraph that is prose, with links made relative to the gallery's page; notes are left out."""
    blocks = [block for block in text.split("\n\n") if block[:1] not in ("#", ">", "`", "!", "|", "-")]
    folder = os.path.dirname(link)

    def moved(match: re.Match[str]) -> str:
        target = match[2]
        apart = "://" in target or target.startswith("#")
        return f"[{match[1]}]({target if apart else os.path.normpath(os.path.join(folder, target))})"

    return re.sub(r"\[([^\]]*)\]\(([^)]+)\)", moved, blocks[0]) if blocks else ""
