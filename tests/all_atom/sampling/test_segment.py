"""Units of work: repeatable anywhere, and they say when the dynamics blew up."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest

from cgexp.all_atom.engine import energy_and_forces, make_context
from cgexp.all_atom.force_field import make_system
from cgexp.all_atom.sampling.segment import Quench, Segment, Unstable, pack_system, run, run_quench, run_segment
from cgexp.all_atom.structure import AllAtom, build_extended


@lru_cache(maxsize=None)
def peptide() -> AllAtom:
    pytest.importorskip("openmm")
    return build_extended("AGA")


@lru_cache(maxsize=None)
def quench() -> Quench:
    return Quench(pack_system(make_system(peptide().topology)), peptide().positions, 350.0, 7, 20)


def segment() -> Segment:
    return Segment(quench().system, run_quench(quench()).state, 350.0, 5, n_steps=20, save_steps=10)


def test_a_unit_repeats_exactly_and_can_be_sent_elsewhere() -> None:
    for work in (quench(), segment()):
        first, again = run(work), run(pickle.loads(pickle.dumps(work)))
        np.testing.assert_array_equal(first.coords, again.coords)
        for name, values in first.state.items():
            np.testing.assert_array_equal(values, again.state[name])


def test_forces_are_those_of_the_stored_positions() -> None:
    result = run_segment(segment())
    assert result.coords.shape == (2, 30, 3)
    assert result.forces is not None
    context = make_context(make_system(peptide().topology), 350.0, 1)
    energy, forces = energy_and_forces(context, result.state["state_positions_nm"] * 10.0)
    assert energy == pytest.approx(result.energy, abs=1e-3)
    np.testing.assert_allclose(result.forces[-1], forces, atol=1e-3)


def test_only_what_is_asked_for_is_kept() -> None:
    few = run_segment(replace(segment(), atoms=np.array([3, 8]), forces=False))
    assert few.forces is None
    np.testing.assert_array_equal(few.coords, run_segment(segment()).coords[:, [3, 8]])


def test_a_quench_relaxes_clashes_and_keeps_the_structure() -> None:
    clash = peptide().positions + np.random.default_rng(0).normal(0.0, 0.2, peptide().positions.shape)
    relaxed = run_quench(replace(quench(), positions=clash, n_steps=0))
    assert relaxed.coords.shape == (0, 30, 3)
    assert relaxed.energy < -100.0
    moved = np.linalg.norm(relaxed.state["state_positions_nm"] * 10.0 - clash, axis=1)
    assert 0.01 < moved.mean() < 1.0


@pytest.mark.parametrize("platform", ["CPU", "Reference"])
def test_a_blow_up_is_said(platform: str) -> None:
    state = run_quench(quench()).state
    wild = {**state, "state_velocities_nm_per_ps": state["state_velocities_nm_per_ps"] * 1e6}
    with pytest.raises(Unstable, match="no longer finite"):
        run(replace(segment(), state=wild, n_steps=200, platform=platform))  # type: ignore[arg-type]
    with pytest.raises(Unstable, match="no longer finite"):
        run(replace(quench(), positions=np.full_like(peptide().positions, np.nan), platform=platform))  # type: ignore[arg-type]
