"""Builds the documentation site, without a network; a warning is an error.

    python scripts/build_site.py              # into build/site/html: open index.html in a browser
    python scripts/build_site.py elsewhere    # into elsewhere/html

Pages of the repository are copied, those on options, commands and Python are made from conf/ and the code; nothing that
is made is kept in the repository. Needs pip install "cgexp[docs]".
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from website.api import write_api
from website.citing import write_citing
from website.commands import write_commands
from website.gallery import write_gallery
from website.links import broken_links
from website.mirror import copy_pages
from website.notebooks import write_notebooks
from website.reference import write_reference

ROOT = Path(__file__).resolve().parents[1]


def lay_out(to: Path) -> None:
    """Write the sources of all pages into an empty folder."""
    copy_pages(ROOT, to)
    docs = to / "docs"
    write_reference(docs / "reference")
    write_commands(docs / "command_line.md")
    write_api(docs / "python.md")
    write_gallery(ROOT, docs / "gallery.md")
    write_notebooks(ROOT, to)
    write_citing(ROOT, docs / "citing.md")
    (to / "index.html").write_text('<meta http-equiv="refresh" content="0; url=docs/index.html">\n', encoding="utf-8")


def build(folder: Path) -> int:
    """Build the site in ``folder``/html; return 0 if there was nothing to complain about."""
    from sphinx.cmd.build import main as sphinx

    source, html = folder / "source", folder / "html"
    for old in (source, html):
        shutil.rmtree(old, ignore_errors=True)
    lay_out(source)
    options = ["-b", "html", "-c", str(ROOT / "docs"), "-W", "--keep-going", "-q", "-d", str(folder / "doctrees")]
    failed = sphinx([*options, str(source), str(html)]) or run_examples(folder)
    shutil.copyfile(source / "index.html", html / "index.html")
    broken = list(broken_links(html))
    print(*broken, sep="\n", file=sys.stderr)
    print(f"{len(list(html.rglob('*.html')))} pages: {html / 'index.html'}")
    return 1 if failed or broken else 0


def run_examples(folder: Path) -> int:
    """Run what pages and docstrings show as ``>>>``; return 0 if all of it gives what stands there."""
    from sphinx.cmd.build import main as sphinx

    options = ["-b", "doctest", "-c", str(ROOT / "docs"), "-q", "-d", str(folder / "doctrees")]
    return sphinx([*options, str(folder / "source"), str(folder / "doctest")])


if __name__ == "__main__":
    sys.exit(build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "site"))
