"""What is asked when numbers contradict the units stated for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cgexp.datasets.stated_units import Stated, check_forces, check_lengths
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.systems.peptide import Peptide
from cgexp.units import force_factors
from tests.datasets.published.chains import exact_chain

SYSTEM = Peptide("YYDPETGTWY")


def frames_of(n_frames: int, **changes: Any) -> Frames:
    coords, forces = exact_chain(n_frames, seed=5)
    frames = Frames(
        coords=coords,
        forces=forces,
        bead_types=SYSTEM.bead_types,
        block=np.arange(n_frames) // 50,
        units="molecular",
        temperature=350.0,
        system=SYSTEM.name,
        source="test",
    )
    return frames.with_labels(**changes)


def test_factors_of_forces() -> None:
    assert force_factors(350.0) == {
        "kcal/mol/A": 1.0,
        "kcal/mol/nm": 0.1,
        "kJ/mol/A": pytest.approx(1 / 4.184),
        "kJ/mol/nm": pytest.approx(1 / 41.84),
        "kT/A": pytest.approx(0.69552, rel=1e-4),
        "kT/nm": pytest.approx(0.069552, rel=1e-4),
    }


@pytest.mark.parametrize("stated", list(force_factors(1.0)))
@pytest.mark.parametrize("true", list(force_factors(1.0)))
def test_the_true_unit_is_named_whatever_is_stated(stated: str, true: str) -> None:
    factors = force_factors(350.0)
    right = frames_of(1000)
    frames = right.with_labels(forces=np.asarray(right.forces) * factors[stated] / factors[true])
    if stated == true:
        assert check_forces(frames, SYSTEM, "mine", Stated(force=stated)).verdict != "biased"
        return
    with pytest.raises(InputError, match=f"set dataset.force_unit={true} if the file is in {true}"):
        check_forces(frames, SYSTEM, "mine", Stated(force=stated))


def test_forces_in_kt_say_nothing_of_the_temperature() -> None:
    frames = frames_of(1000)
    with pytest.raises(InputError) as error:
        check_forces(frames.with_labels(temperature=300.0), SYSTEM, "mine", Stated(force="kT/A"))
    assert "sampled at" not in str(error.value)


def test_few_frames_or_none_with_forces_pass_unverified() -> None:
    wrong = frames_of(90, temperature=300.0)
    assert check_forces(wrong, SYSTEM, "mine", Stated()).verdict == "not verifiable"
    assert check_forces(wrong.with_labels(forces=None), SYSTEM, "mine", Stated()).verdict == "not applicable"


def test_a_backbone_has_bonds_of_its_own() -> None:
    backbone = Peptide("AG", beads="backbone5")
    coords = np.zeros((3, backbone.n_beads, 3))
    for first, second in backbone.bonds:
        coords[:, second] = coords[:, first] + [1.45, 0.0, 0.0]
    frames = Frames(
        coords=coords,
        bead_types=backbone.bead_types,
        block=np.zeros(3, dtype=np.int64),
        units="molecular",
        temperature=300.0,
        system=backbone.name,
        source="test",
    )
    check_lengths(frames, backbone, "mine", Stated())
    with pytest.raises(
        InputError, match=r"0\.145 Å apart, expected about 1\.45 Å in 'peptide-.*-backbone5': multiply coords"
    ):
        check_lengths(frames.with_labels(coords=0.1 * coords), backbone, "mine", Stated(keys=False))
