"""docs/your_own_system.md does what it says: all its blocks, in order, in a fresh folder."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "your_own_system.md"
PEPTIDE = ROOT / "docs" / "examples" / "peptide.pdb"
BLOCK = re.compile(r"(?:`(?P<file>[\w.]+)`:\n\n|<!-- (?P<mark>\w+) -->\n)?```(?P<language>\w+)\n(?P<body>.*?)```", re.S)


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    python = line.replace("python ", f"{sys.executable} ", 1)
    words = python.replace("cgexp ", f"{sys.executable} -m cgexp.cli.main ", 1)
    return subprocess.run(["bash", "-c", words], cwd=folder, capture_output=True, text=True, timeout=1500)


def n_atoms(pdb: Path) -> int:
    return sum(line.startswith(("ATOM", "HETATM")) for line in pdb.read_text().splitlines())


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_block_of_the_page_does_what_it_says(tmp_path: Path) -> None:
    pytest.importorskip("openmm")
    shutil.copy(PEPTIDE, tmp_path)
    said = ""
    for block in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        if block["language"] == "python":
            (tmp_path / block["file"]).write_text(block["body"])
            continue
        for line in block["body"].splitlines():
            if line.startswith("cgexp run"):
                assert line in said  # the page's command is the one that the import printed
            done = run(line, tmp_path)
            assert done.returncode == (2 if block["mark"] == "refused" else 0), done.stderr
            said += done.stdout + done.stderr
    assert "set force_unit=kJ/mol/nm if the file is in kJ/mol/nm" in said
    assert not (tmp_path / "wrong.npz").exists()
    assert n_atoms(tmp_path / "with_hydrogens.pdb") == n_atoms(PEPTIDE)
    (report,) = tmp_path.glob("outputs/own_peptide/*/report.html")
    assert "NPATGK" in report.read_text(encoding="utf-8")


def test_the_page_has_blocks_to_run() -> None:
    blocks = list(BLOCK.finditer(PAGE.read_text(encoding="utf-8")))
    assert len(blocks) >= 7
    assert [block["file"] for block in blocks if block["language"] == "python"] == ["simulate.py", "hydrogens.py"]
