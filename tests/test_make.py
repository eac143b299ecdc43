"""The Makefile's targets."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
def test_clean_leaves_runs_and_data_alone() -> None:
    root = Path(__file__).parents[1]
    told = subprocess.run(["make", "--dry-run", "clean"], cwd=root, capture_output=True, text=True, check=True)
    removed = told.stdout.split("rm -rf", 1)[1].split()
    assert "build" in removed
    assert not [name for name in removed if "output" in name or name in (".", "*", "/")]
