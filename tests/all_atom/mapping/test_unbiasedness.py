"""The identities that unbiased forces obey, and the verdict drawn from them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from cgexp.all_atom.mapping.force_maps import make_map
from cgexp.all_atom.mapping.unbiasedness import (
    assess,
    check_unbiased,
    force_rms,
    force_scale,
    frames_to_tell,
    not_applicable,
    virial,
)
from cgexp.datasets.packaged import load_packaged
from cgexp.errors import InputError
from cgexp.frames import Frames
from tests.all_atom.mapping.toys import KT, RotorChain, frames_of


def harmonic_chain(n_frames: int, n_beads: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Exact samples of beads on springs of 5 kcal/mol/Å^2 with an exact force, [n_frames, n_beads, 3] each."""
    stiffness = 5.0
    bonds = np.random.default_rng(seed).normal(size=(n_frames, n_beads - 1, 3)) * np.sqrt(KT / stiffness)
    coords = np.concatenate([np.zeros((n_frames, 1, 3)), np.cumsum(bonds, axis=1)], axis=1)
    forces = np.zeros_like(coords)
    forces[:, :-1] += stiffness * bonds
    forces[:, 1:] -= stiffness * bonds
    return coords, forces


@pytest.fixture(scope="module")
def mini() -> Frames:
    return load_packaged("chignolin_mini")


def test_virial_is_minus_three_for_exact_samples_and_forces() -> None:
    mean, error = virial(frames_of(*harmonic_chain(20_000, 5, 1), 50))
    assert abs(mean + 3.0) < 4.0 * error
    assert 0.001 < error < 0.05


def test_virial_sees_a_biased_force() -> None:
    coords, forces = harmonic_chain(20_000, 5, 2)
    mean, error = virial(frames_of(coords, 1.5 * forces, 50))
    assert mean == pytest.approx(-4.5, abs=4.0 * error)
    assert abs(mean + 3.0) > 10.0 * error


def test_virial_error_over_blocks_equals_that_of_independent_frames() -> None:
    coords, forces = harmonic_chain(20_000, 5, 3)
    by_frame, by_block = (virial(frames_of(coords, forces, n))[1] for n in (20_000, 400))
    assert by_block == pytest.approx(by_frame, rel=0.15)
    assert np.isnan(virial(frames_of(coords, forces, 1))[1])


def test_virial_of_given_pairs() -> None:
    coords, forces = harmonic_chain(20_000, 4, 4)
    frames = frames_of(coords, forces, 50)
    neighbours = np.array([[0, 1], [1, 2], [2, 3]])
    assert virial(frames, neighbours) == pytest.approx(virial(frames))
    assert virial(frames, neighbours[::-1, ::-1]) == pytest.approx(virial(frames))
    mean, error = virial(frames, np.array([[0, 2], [3, 0]]))
    assert abs(mean + 3.0) < 4.0 * error
    assert mean != pytest.approx(virial(frames)[0])
    for wrong in ([[0, 4]], [[-1, 0]], [[0, 1, 2]], np.zeros((0, 2))):
        with pytest.raises(InputError, match="do not fit 4 beads"):
            virial(frames, np.array(wrong, dtype=np.int64))


def test_force_scale_is_one_for_exact_forces_and_the_factor_for_others() -> None:
    coords, forces = harmonic_chain(20_000, 5, 5)
    for factor in (1.0, 41.84, -1.0):
        scale, error = force_scale(frames_of(coords, factor * forces, 50))
        assert abs(scale - factor) < 4.0 * error
        assert error < 0.1 * abs(factor)
    scale, error = force_scale(frames_of(0.1 * coords, forces, 50))
    assert abs(scale - 0.1) < 4.0 * error


def test_force_scale_is_sharp_where_links_are_stiff(mini: Frames) -> None:
    scale, error = force_scale(mini)
    assert abs(scale - 1.0) < 3.0 * error
    assert error < 0.02


def test_force_rms_is_per_component_and_needs_forces() -> None:
    coords, forces = harmonic_chain(100, 3, 6)
    frames = frames_of(coords, forces, 2)
    assert force_rms(frames) == pytest.approx(float(np.sqrt((forces**2).mean())))
    with pytest.raises(InputError, match="carry no forces"):
        force_rms(frames.with_labels(forces=None))


@pytest.mark.parametrize("n_blocks", [1, 3, 50, 2000])
def test_unbiased_frames_pass_however_they_are_blocked(n_blocks: int) -> None:
    found = check_unbiased(frames_of(*harmonic_chain(2000, 5, 7), n_blocks))
    assert found.verdict == "unbiased"
    assert found.sem < 0.1
    assert "expected -3" in found.reason


def test_blocks_that_are_cut_keep_frames_of_one_stretch_together() -> None:
    coords, forces = harmonic_chain(2000, 5, 7)
    repeated = (np.repeat(coords, 10, axis=0), np.repeat(forces, 10, axis=0))  # frames correlated over ten
    shuffled = np.random.default_rng(0).permutation(20_000)
    block = np.repeat([7, 3], 10_000)
    frames = frames_of(*repeated, 1).with_labels(block=block)
    plain = assess(frames_of(coords, forces, 1))
    assert assess(frames).sem == pytest.approx(plain.sem, rel=0.6)
    mixed = assess(frames.select(shuffled))
    assert mixed.mean == pytest.approx(plain.mean)


def test_the_shipped_set_passes(mini: Frames) -> None:
    found = check_unbiased(mini)
    assert found.verdict == "unbiased"
    assert (found.mean, found.sem) == pytest.approx(virial(mini))
    assert not found.wrong_units


def test_a_slice_under_rigid_bonds_is_refused_unless_allowed() -> None:
    sample = RotorChain().sample(20_000, seed=8)
    frames = sample.frames(make_map("slice", sample.sites))
    with pytest.raises(
        InputError, match=r"force map 'slice' of 'chain' is biased: .* expected -3, .*; use constraint_group"
    ):
        check_unbiased(frames)
    allowed = check_unbiased(frames, allow_biased_map=True)
    assert (allowed.verdict, allowed.wrong_units) == ("biased", False)
    assert check_unbiased(sample.frames(make_map("constraint_group", sample.sites))).verdict == "unbiased"


@pytest.mark.parametrize(("factor", "unit"), [(41.84, "kJ/mol/nm"), (4.184, "kJ/mol/Å"), (10.0, "kcal/mol/nm")])
@pytest.mark.parametrize("n_frames", [100, 5000])
def test_forces_in_other_units_are_refused(mini: Frames, factor: float, unit: str, n_frames: int) -> None:
    assert mini.forces is not None
    frames = mini.select(np.linspace(0, len(mini) - 1, n_frames).astype(int))
    wrong = frames.with_labels(forces=factor * np.asarray(frames.forces))
    for allow in (True, False):
        with pytest.raises(InputError, match=f"forces look like {unit}, expected forces in kcal/mol/Å: divide them by"):
            check_unbiased(wrong, allow_biased_map=allow)


def test_too_few_frames_cannot_be_verified(mini: Frames) -> None:
    few = assess(mini.select(np.arange(99)))
    assert (few.verdict, few.reason) == (
        "not verifiable",
        "99 frames are too few to verify the force map: expected at least 100",
    )
    noisy = assess(mini.select(np.arange(0, len(mini), 10)))
    assert noisy.verdict == "not verifiable"
    assert noisy.sem > 0.5
    assert "would tell whether the map is biased" in noisy.reason


@pytest.mark.parametrize(("deviation", "verdict"), [(2.9, "unbiased"), (3.5, "not verifiable"), (4.1, "biased")])
def test_the_verdict_follows_the_deviation_in_standard_errors(deviation: float, verdict: str) -> None:
    coords, forces = harmonic_chain(300, 3, 9)
    relative = np.divide(*virial(frames_of(coords, forces, 30))[::-1])  # error / mean
    # forces scaled by f have virial f m and error f s: choose f so that they deviate by ``deviation`` errors
    mean = virial(frames_of(coords, forces, 30))[0]
    factor = -3.0 / mean / (1.0 + deviation * relative)
    frames = frames_of(coords, factor * forces, 30)
    found_mean, found_error = virial(frames)
    assert abs(found_mean + 3.0) / found_error == pytest.approx(deviation)
    assert assess(frames).verdict == verdict


def test_a_wrong_temperature_is_called_biased_but_not_wrong_units(mini: Frames) -> None:
    found = assess(mini.with_labels(temperature=300.0))
    assert (found.verdict, found.wrong_units) == ("biased", False)
    assert "check temperature and units" in found.reason


def test_without_forces_or_neighbours_it_does_not_apply() -> None:
    coords, forces = harmonic_chain(200, 2, 10)
    frames = frames_of(coords, forces, 10)
    assert check_unbiased(frames.with_labels(forces=None)).verdict == "not applicable"
    one = assess(frames_of(coords[:, :1], forces[:, :1], 10))
    assert (one.verdict, one.reason) == ("not applicable", "there is only one bead")


def test_cards_are_json(mini: Frames) -> None:
    card = check_unbiased(mini).card
    assert card["unbiasedness"] == "unbiased"
    assert card["virial_kT"] == pytest.approx(virial(mini)[0], abs=0.01)
    selected = not_applicable("selected for diversity; the map is that of chignolin_mini").card
    assert json.loads(json.dumps(selected, allow_nan=False))["virial_kT"] is None
    assert "selected" in selected["unbiasedness_reason"]


def test_how_many_frames_would_tell() -> None:
    assert frames_to_tell(3001, -1.80, 0.82) == 10_000, "until 1.8 kT are four standard errors"
    assert frames_to_tell(1000, 0.1, 1.0) == 4000, "until the error is half a kT"
    coords, forces = harmonic_chain(400, 3, 11)
    forces += np.random.default_rng(0).normal(size=forces.shape) * 30.0
    few = assess(frames_of(coords, forces, 40))
    assert few.verdict == "not verifiable"
    enough = frames_to_tell(400, few.mean + 3.0, few.sem)
    coords, forces = harmonic_chain(enough, 3, 12)
    forces += np.random.default_rng(1).normal(size=forces.shape) * 30.0
    assert assess(frames_of(coords, forces, 40)).sem <= 0.55
