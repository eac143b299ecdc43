"""The view in space: what the script is given, and the library as its README says it is."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from cgexp.analysis.representatives import ALL, Representative
from cgexp.analysis.structures import REFERENCE, SIMULATION
from cgexp.report.html import HERE
from cgexp.report.html_viewer import COLOURS, LIBRARY, NAMES, of_run, viewer
from cgexp.systems.beads import RESIDUES
from tests.report.pages import structures


def test_the_library_is_the_one_that_its_readme_names() -> None:
    digest = hashlib.sha256(LIBRARY.read_bytes()).hexdigest()
    assert digest in (HERE / "vendor" / "README.md").read_text()
    assert b"</script" not in LIBRARY.read_bytes()
    assert b"<!--" not in LIBRARY.read_bytes()
    assert gzip.decompress(base64.b64decode(of_run(structures()).library)) == LIBRARY.read_bytes()


def test_the_licences_go_with_the_library() -> None:
    licences = of_run(structures()).licences
    for author in (
        "University of Pittsburgh",
        "three.js Authors",
        "John Resig",
        "Vitaly Puzrin",
        "Photopea",
        "cheminfo",
    ):
        assert author in licences


def test_rows_are_ensembles_and_columns_are_basins_that_one_of_them_visits() -> None:
    found = of_run(structures())
    assert (found.n_rows, found.n_columns) == (2, 2)
    assert found.data["basins"] == ["folded", "unfolded"]
    reference, simulation = found.data["ensembles"]
    assert [ensemble["label"] for ensemble in (reference, simulation)] == [REFERENCE, SIMULATION]
    assert reference["cells"][0]["share"] == "25.0 ± 5.0"
    assert simulation["cells"][1] is None
    assert np.shape(reference["cells"][0]["ca"]) == (30,)
    assert len(found.table.rows) == 3


def test_ensembles_of_one_basin_stand_side_by_side() -> None:
    alone = structures()
    kept = {name: ([one for one in of if one.basin == "folded"], ca) for name, (of, ca) in alone.ensembles.items()}
    kept = {name: (of, ca[: len(of)]) for name, (of, ca) in kept.items()}
    found = of_run(replace(alone, ensembles=kept))
    assert (found.n_rows, found.n_columns) == (1, 1)
    assert len(found.data["ensembles"]) == 2


def test_beads_with_branches_are_shown_with_their_bonds() -> None:
    branched = replace(structures(), sequence=tuple("1234567890"), bonds=np.array([[0, 1], [0, 2]]))
    found = of_run(branched)
    assert found.data["bonds"] == [[0, 1], [0, 2]]
    assert not found.is_peptide
    assert found.data["residues"][0] == "bead 1"
    assert of_run(structures()).is_peptide
    assert of_run(structures()).data["bonds"] is None


def test_coordinates_are_rounded_and_the_data_are_compact() -> None:
    found = of_run(structures(n_shown=80))
    np.testing.assert_allclose(found.data["native"], structures().native.ravel(), atol=5.1e-3)
    assert len(json.dumps(found.data)) < 25_000


def test_the_frames_of_the_trajectory_say_when_and_how_far_from_native() -> None:
    shown = replace(structures(), trajectory=np.stack([structures().native] * 3))
    played = of_run(shown).data["trajectory"]
    assert played["notes"] == [f"{time} ps, 0.0 Å from native: folded" for time in ("0", "0.5", "1")]
    assert (played["replica"], played["continuous"], len(played["ca"])) == (2, True, 3)
    assert played["label"] == SIMULATION


def test_without_a_native_structure() -> None:
    one = [Representative(ALL, 1.0, None, None, 2.0, 100)]
    unknown = replace(
        structures(), native=None, ensembles=dict.fromkeys((REFERENCE, SIMULATION), (one, np.zeros((1, 10, 3))))
    )
    found = of_run(unknown)
    assert found.data["native"] is None
    assert found.data["basins"] == [ALL]
    assert found.data["trajectory"]["notes"][0] == "0 ps"
    alone = replace(unknown, ensembles={REFERENCE: unknown.ensembles[REFERENCE]})
    assert of_run(alone).data["trajectory"] is None
    assert [cell.text for cell in found.table.rows[0]] == [ALL, REFERENCE, "100", "unknown", "2", "100"]


@pytest.mark.parametrize("colour", COLOURS)
def test_the_legend_has_the_colours_of_the_chain(colour: str) -> None:
    assert colour in (HERE / "templates" / "report.css").read_text()
    assert {COLOURS[0], COLOURS[-1]} <= set(of_run(structures()).data["colours"])


def test_every_residue_has_a_name() -> None:
    assert set(NAMES) == set(RESIDUES)
    assert of_run(structures()).data["residues"][:3] == ["TYR 1", "TYR 2", "ASP 3"]


def test_several_ensembles_side_by_side() -> None:
    first, second = structures(), structures(seed=1)
    found = viewer({"a": first, "b": second}, {"a": SIMULATION, "b": SIMULATION})
    assert [ensemble["label"] for ensemble in found.data["ensembles"]] == ["a", "b"]
    assert found.data["basins"] == ["folded"]
