"""Runs the Python of a page of docs/ and says where it prints something else than the page says.

python scripts/run_page.py docs/concepts.md             # in a temporary folder
python scripts/run_page.py docs/concepts.md --update    # its figures into docs/figures/concepts/, too
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

import matplotlib as mpl
from website.run_page import figures_of, run


def main() -> int:
    """Run the page; return the number of blocks that differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--update", action="store_true", help="keep the figures beside the page")
    given = parser.parse_args()
    page = given.page.resolve()
    mpl.use("agg")
    n_differing = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for printed, expected in run(page.read_text(encoding="utf-8"), page.name):
            n_differing += 1
            print(f"the page says\n{expected}but now it is\n{printed}")
        figures = sorted(Path(folder).glob("*.png"))
        if given.update:
            figures_of(page).mkdir(parents=True, exist_ok=True)
            for figure in figures:
                shutil.copyfile(figure, figures_of(page) / figure.name)
        print(f"{page.name}: {n_differing} blocks differ; figures: {', '.join(figure.name for figure in figures)}")
        os.chdir(page.parent)
    return n_differing


if __name__ == "__main__":
    sys.exit(main())
