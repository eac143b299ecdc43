"""report.html is part of what the evaluation leaves, and goes when that is done again."""

from __future__ import annotations

from pathlib import Path

import pytest

from cgexp.analysis.structures import Structures
from cgexp.config.checks import check
from cgexp.config.compose import compose
from cgexp.runs.folder import RunFolder
from cgexp.runs.pipeline import run
from cgexp.runs.stages import discard
from cgexp.store import read_arrays, read_json
from tests.report.pages import Reader


def finished(outputs: Path, *overrides: str) -> RunFolder:
    config = compose(["debug=fast", "logger=csv", f"outputs={outputs}", *overrides])
    check(config)
    return run(config, say=lambda text: None)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return finished(tmp_path_factory.mktemp("outputs"), "experiment=toy_julia", "simulation=none", "figures=none")


def test_a_toy_without_figures_has_a_page_with_all_metrics(toy: RunFolder) -> None:
    page = Reader(toy.report.read_bytes())
    assert page.problems == []
    assert not toy.structures.exists()
    for name in read_json(toy.metrics):
        assert name in page.text
    assert f"toy_julia {toy.path.name}" in page.text
    assert "cgexp run debug=fast experiment=toy_julia simulation=none" in page.text
    assert "its numbers mean nothing" in page.text


def test_a_new_evaluation_discards_the_page(toy: RunFolder) -> None:
    copy = RunFolder(toy.path.parent / "copy")
    for path in (copy.report, copy.structures, copy.metrics):
        path.parent.mkdir(exist_ok=True)
        path.write_text("old")
    discard(copy, "evaluate")
    assert list(copy.path.iterdir()) == []


@pytest.mark.slow
def test_a_peptide_shows_its_structures(tmp_path: Path) -> None:
    folder = finished(tmp_path, "experiment=chignolin_first")
    page = Reader(folder.report.read_bytes())
    assert page.problems == []
    assert page.count("img") == len(list(folder.figures.glob("*.png"))) > 0
    assert folder.report.stat().st_size < 2_500_000
    structures = Structures.from_arrays(*read_arrays(folder.structures))
    assert set(structures.ensembles) == {"reference", "simulation"}
    for kept, _ in structures.ensembles.values():
        for one in kept:
            assert one.basin in page.text
