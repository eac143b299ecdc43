"""Each criterion of quality finds its own fault."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.all_atom.backmapping.quality import Measure, Quality
from cgexp.all_atom.structure import AllAtom, build_extended

SEQUENCE = "ATG"


@lru_cache(maxsize=None)
def peptide() -> AllAtom:
    pytest.importorskip("openmm")
    return build_extended(SEQUENCE)


def quality(positions: NDArray[np.float64], energy: float = -140.0) -> Quality:
    return Measure(peptide(), relaxed_energy=-150.0)(positions, energy, peptide().positions[peptide().ca])


def index(residue: int, name: str) -> int:
    return peptide().atoms.index((residue, name))


def test_a_minimised_peptide_is_accepted() -> None:
    record = quality(peptide().positions)
    assert record.fault() == ""
    assert (record.ca_rms, record.ca_shift, record.n_d_residues) == (0.0, 0.0, 0)
    assert record.strain == pytest.approx(10.0 / len(peptide().positions))
    assert record.max_angle_error < 12.0


def test_the_shift_of_one_ca_is_the_largest() -> None:
    positions = peptide().positions.copy()
    positions[index(1, "CA")] += [0.3, 0.0, 0.0]
    record = quality(positions)
    assert record.ca_shift == pytest.approx(0.3)
    assert record.ca_rms == pytest.approx(0.3 / np.sqrt(3.0))
    assert record.fault() == "CA atoms are 0.17 Å RMS from the trace: expected below 0.1 Å"
    assert record.fault(max_ca_rms=0.2) == ""


def test_a_mirror_image_counts_residues_once() -> None:
    record = quality(peptide().positions * [1.0, 1.0, -1.0])
    assert record.n_d_residues == 2  # alanine; threonine, whose two stereocentres are both wrong
    assert record.fault() == "2 residues have a stereocentre of the wrong hand: expected all L"


def test_an_oxygen_on_the_wrong_side_is_found_by_its_angle() -> None:
    positions = peptide().positions.copy()
    carbon, nitrogen = positions[index(0, "C")], positions[index(1, "N")]
    positions[index(0, "O")] = carbon + (nitrogen - carbon) * 0.9 + [0.0, 0.0, 0.3]
    assert quality(positions).fault().startswith("a bond angle is ")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"finite": False}, "positions or energy are not finite"),
        ({"min_omega": 12.0}, "a peptide bond has |omega| 12°: expected trans, above 150°"),
        ({"max_bond": 2.31}, "a bond is 2.31 Å long: expected at most 2.0 Å"),
        ({"strain": 1.25}, "strain is 1.25 kcal/mol per atom: expected below 0.9"),
    ],
)
def test_a_fault_is_named_with_its_number(change: dict[str, float], reason: str) -> None:
    assert replace(quality(peptide().positions), **change).fault() == reason  # type: ignore[arg-type]


def test_what_is_not_finite_is_no_error() -> None:
    record = quality(np.full_like(peptide().positions, np.nan), energy=float("nan"))
    assert record.fault() == "positions or energy are not finite"
