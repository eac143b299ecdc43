"""Notebooks as pages: cells of text as they are, cells of code as blocks, and the file itself to download."""

from __future__ import annotations

import json
from pathlib import Path


def cells(notebook: Path) -> list[tuple[str, str]]:
    """The cells of a notebook: (``markdown`` or ``code``, text)."""
    found = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return [(cell["cell_type"], "".join(cell["source"])) for cell in found]


def write_notebooks(root: Path, to: Path) -> None:
    """Write each notebook of docs/notebooks/ as a page of the same name."""
    folder = to / "docs" / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    for notebook in sorted((root / "docs" / "notebooks").glob("*.ipynb")):
        (folder / f"{notebook.stem}.md").write_text(as_page(notebook), encoding="utf-8")
        (folder / notebook.name).write_bytes(notebook.read_bytes())


def as_page(notebook: Path) -> str:
    """A notebook as Markdown. Its first cell is text that begins with the title."""
    blocks = [f"```python\n{text}\n```" if kind == "code" else text for kind, text in cells(notebook)]
    title, _, rest = blocks[0].partition("\n")
    download = f"The same as a notebook: {{download}}`{notebook.name}`."
    return "\n\n".join([title, download, rest.strip(), *blocks[1:]]) + "\n"
