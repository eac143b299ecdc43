"""Which implicit solvents the C++ kernel takes: every formula and constant is compared; the others are OpenMM's own."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.native_force import (
    bonded_forces,
    replaceable,
    with_native_force,
)
from tests.all_atom.test_native_force import context_of, evaluate, kernel_of, peptide, system_of

pytest.importorskip("openmm")
CLN025 = "YYDPETGTWY"
ALL_LETTERS = "ACDEFGHIKLMNPQRSTVWY"
MODELS = [("gbn2", "ACE"), ("gbn2", None), ("obc2", "ACE"), ("obc2", None)]
Positions = NDArray[np.float64]


def test_charges_that_differ_are_left_to_openmm() -> None:
    mm, _, _ = import_openmm()
    system = mm.XmlSerializer.clone(system_of("GA", "gbn2", "ACE"))
    pairs, _ = replaceable(system)
    system.getForce(pairs).setParticleParameters(0, 0.5, 0.3, 0.1)
    assert replaceable(system) is None
    assert with_native_force(system) is system


def test_torsions_of_other_orders_are_left_to_openmm() -> None:
    """An order above 6 is none of the kernel's series, and 0 would be taken for its last one."""
    mm, _, _ = import_openmm()
    for order in (0, 7):
        system = mm.XmlSerializer.clone(system_of("GA", "obc2", None))
        torsions = mm.PeriodicTorsionForce()
        torsions.addTorsion(3, 1, 5, 8, order, 0.3, 40.0)
        index = system.addForce(torsions)
        assert index not in bonded_forces(system)
        assert len(bonded_forces(system)) == len(bonded_forces(system_of("GA", "obc2", None)))


@pytest.mark.parametrize("solvent", ["hct", "obc1", "gbn"])
def test_other_born_models_are_left_to_openmm(solvent: str) -> None:
    _, app, _ = import_openmm()
    field = app.ForceField("amber14/protein.ff14SB.xml", f"implicit/{solvent}.xml")
    assert replaceable(field.createSystem(peptide("GA").topology)) is None


@pytest.mark.parametrize("solvent", ["obc2", "gbn2"])
def test_a_formula_with_another_number_is_another_model(solvent: str) -> None:
    mm, _, _ = import_openmm()
    text = mm.XmlSerializer.serialize(system_of("GA", solvent, "ACE"))
    shape = "4.85*psi^3" if solvent == "obc2" else "neckCut=0.68"
    changes = {
        "28.3919551": "14.2",
        "radius+0.14": "radius+0.15",
        shape: shape.replace("8", "9"),
        "exp(-r^2/(4*B1*B2))": "exp(-r^2/(2*B1*B2))",
        "kappa=0": "kappa=1",
    }
    for old, new in changes.items():
        assert old in text
        assert replaceable(mm.XmlSerializer.deserialize(text.replace(old, new))) is None, old
    assert replaceable(mm.XmlSerializer.deserialize(text)) is not None


@pytest.mark.parametrize("solvent", ["obc2", "gbn2"])
def test_dielectrics_are_those_of_the_system(solvent: str) -> None:
    _, app, _ = import_openmm()
    field = app.ForceField("amber14/protein.ff14SB.xml", f"implicit/{solvent}.xml")
    system = field.createSystem(peptide("GA").topology, soluteDielectric=2.0, solventDielectric=20.0)
    positions = peptide("GA").positions / 10.0
    energy, forces = evaluate(context_of(system), positions)
    ours, our_forces = kernel_of(system)(positions)
    assert ours == pytest.approx(energy, abs=1e-3)
    assert np.sqrt(np.mean((our_forces - forces) ** 2) / np.mean(forces**2)) < 2e-6
