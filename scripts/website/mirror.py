"""Copies the repository's pages into a folder of the same layout, so that links between them hold there, too.

Only links to folders change: a folder is no page. One with a README leads to it, those of FOLDERS to the page that
stands for them, and of any other the text remains.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

FOLDERS = {"conf": "docs/reference/index.md", "experiments": "docs/gallery.md", "docs/adding": "docs/adding.md"}
README = {"#citing": "docs/citing.md"}  # what stands for a part of the README; the site begins with docs/index.md
LINK = re.compile(r"\[(?P<text>[^\[\]]*)\]\((?P<target>[^)#\s]*)(?P<anchor>#[^)\s]*)?\)")
TREE = "\n```{toctree}\n:hidden:\n:glob:\n\n{pages}\n```\n"
BELOW = {"docs/adding.md": "adding/*"}  # pages that have others below them, which GitHub shows as a folder
CODE = re.compile(r"^( *)```.*?^\1```|`[^`]+`", re.MULTILINE | re.DOTALL)


def pages(root: Path) -> list[Path]:
    """The pages of the repository that the site shows, relative to it."""
    found = [
        *(root / "docs").rglob("*.md"),
        *(root / "experiments").rglob("README.md"),
        *(root / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "CODE_OF_CONDUCT.md")),
    ]
    return sorted(path.relative_to(root) for path in found)


def copy_pages(root: Path, to: Path) -> None:
    """Copy all pages, and link all files that they show or name, into ``to``."""
    for page in pages(root):
        text = (root / page).read_text(encoding="utf-8")
        for target in local_targets(text):
            lay_beside(root, to, (root / page).parent / target)
        place = to / page
        place.parent.mkdir(parents=True, exist_ok=True)
        below = BELOW.get(page.as_posix())
        tree = TREE.replace("{pages}", below) if below else ""
        place.write_text(without_folders(text, page, root) + tree, encoding="utf-8")


def lay_beside(root: Path, to: Path, file: Path) -> None:
    """Copy a file of the repository that is no page to the same place in ``to``."""
    relative = Path(os.path.relpath(file, root))
    if file.is_file() and file.suffix != ".md":
        (to / relative).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, to / relative)


def local_targets(text: str) -> Iterator[str]:
    """What a page links to or shows, of this repository, without anchors; code says nothing here."""
    for match in re.finditer(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", CODE.sub("", text)):
        if "://" not in match[1]:
            yield match[1]


def without_folders(text: str, page: Path, root: Path) -> str:
    """The text of a page in which no link leads to a folder, nor to a notebook where its page can be shown."""

    def replaced(match: re.Match[str]) -> str:
        target = match["target"]
        if target.endswith(".ipynb"):
            return match[0].replace(".ipynb", ".md")
        if target and os.path.normpath(page.parent / target) == "README.md":
            instead = README.get(match["anchor"] or "", "docs/index.md")
            return f"[{match['text']}]({os.path.relpath(instead, page.parent)})"
        folder = (root / page).parent / target
        if not target or "://" in target or not folder.is_dir():
            return match[0]
        name = os.path.relpath(folder, root)
        stands = f"{name}/README.md" if (folder / "README.md").exists() else FOLDERS.get(name)
        if stands is None:
            return match["text"]
        return f"[{match['text']}]({os.path.relpath(stands, page.parent)})"

    return LINK.sub(replaced, text)
