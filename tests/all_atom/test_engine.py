"""Contexts, platforms and stored states."""

from __future__ import annotations

import numpy as np
import pytest

from cgexp.all_atom.engine import (
    derived_seed,
    fastest_platform,
    make_context,
    restore_state,
    save_state,
)
from cgexp.all_atom.modules import import_openmm
from cgexp.errors import InputError


def particles(periodic: bool = False) -> object:
    """Two charges, in a box or in vacuum."""
    mm, _, _ = import_openmm()
    system, force = mm.System(), mm.NonbondedForce()
    for charge in (-0.1, 0.1):
        system.addParticle(12.0)
        force.addParticle(charge, 0.3, 0.5)
    if periodic:
        force.setNonbondedMethod(mm.NonbondedForce.CutoffPeriodic)
        system.setDefaultPeriodicBoxVectors((3.0, 0.0, 0.0), (0.0, 3.0, 0.0), (0.0, 0.0, 3.0))
    system.addForce(force)
    return system


def test_the_automatic_platform_is_one_that_works() -> None:
    pytest.importorskip("openmm")
    assert fastest_platform() in ("CUDA", "OpenCL", "CPU")
    context = make_context(particles(), 300.0, 1)
    assert context.getPlatform().getName() == fastest_platform()
    assert make_context(particles(), 300.0, 1, platform="Reference").getPlatform().getName() == "Reference"


def test_a_platform_that_is_missing_is_one_sentence() -> None:
    pytest.importorskip("openmm")
    with pytest.raises(InputError, match=r"has no platform 'Abacus': expected one of .*CPU.*platform=auto"):
        make_context(particles(), 300.0, 1, platform="Abacus")  # type: ignore[arg-type]


@pytest.mark.parametrize("periodic", [False, True])
def test_a_state_is_restored_exactly(periodic: bool) -> None:
    pytest.importorskip("openmm")
    first = make_context(particles(periodic), 300.0, 1)
    if periodic:
        first.setPeriodicBoxVectors((2.5, 0.0, 0.0), (0.0, 2.6, 0.0), (0.0, 0.0, 2.7))
    first.setPositions([(0.0, 0.0, 0.0), (0.4, 0.0, 0.0)])
    first.setVelocitiesToTemperature(300.0, 1)
    first.getIntegrator().step(10)
    state = save_state(first)
    assert ("state_box_nm" in state) == periodic
    other = make_context(particles(periodic), 300.0, 2)
    restore_state(other, state)
    for name, values in save_state(other).items():
        np.testing.assert_array_equal(values, state[name])
    if periodic:
        assert np.diag(state["state_box_nm"]).tolist() == pytest.approx([2.5, 2.6, 2.7])


def test_seeds_are_positive_and_depend_on_every_part_of_the_key() -> None:
    assert derived_seed(1, 2, 3) == derived_seed(1, 2, 3) > 0
    assert len({derived_seed(*key) for key in ((1, 2, 3), (1, 2, 4), (1, 3, 2), (2, 2, 3), (1, 2))}) == 5
