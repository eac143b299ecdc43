"""Replica exchange: populations of systems with a known answer, resuming, moving, refusing what does not fit."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.sampling.exchange_trajectory import ExchangeTrajectory, load_exchange, pack_exchange
from cgexp.all_atom.sampling.replica_exchange import ReplicaExchange, run_replica_exchange
from cgexp.errors import InputError
from cgexp.store import Chunks
from cgexp.units import BOLTZMANN, KCAL_IN_KJ

WIDTH, BARRIER, TILT, STIFFNESS = 1.0, 3.0, 0.75, 1.2  # Å and kcal/mol: wells at +-WIDTH; kcal/mol/Å^2
PROTOCOL = ReplicaExchange(
    temperatures=(300.0, 450.0, 700.0, 1100.0),
    exchange_ps=0.2,
    cycles_per_save=1,
    cycles_per_round=50,
    friction=5.0,
    seed=3,
    time_step=0.01,
)
SHORT = replace(PROTOCOL, cycles_per_round=10)  # of what is compared to the last digit
N_BLOCKS = 20
N_ROUNDS = 20


def external(expression: str, n_particles: int = 1) -> Any:
    """An openmm.System of independent particles in a potential of x, y, z (nm), kJ/mol."""
    mm = pytest.importorskip("openmm")
    system, force = mm.System(), mm.CustomExternalForce(expression)
    for index in range(n_particles):
        system.addParticle(20.0)
        force.addParticle(index, [])
    system.addForce(force)
    return system


def double_well(n_particles: int = 1) -> Any:
    """BARRIER ((x/WIDTH)^2 - 1)^2 + TILT x/WIDTH, and stiff in y and z."""
    return external(
        f"{KCAL_IN_KJ}*({BARRIER}*((10*x/{WIDTH})^2-1)^2 + {TILT}*(10*x/{WIDTH}) + 0.5*{STIFFNESS}*100*(y^2+z^2))",
        n_particles,
    )


def quiet(done: int, total: int, text: str) -> None:
    """Show no progress."""


def run(folder: Path, n_rounds: int, protocol: ReplicaExchange = SHORT, **options: Any) -> ExchangeTrajectory:
    starts = [np.array([[-WIDTH, 0.0, 0.0]])] * protocol.n_walkers
    options = {"platform": "Reference", "progress": quiet, **options}
    run_replica_exchange(double_well(), starts, protocol, folder, n_rounds, **options)
    return load_exchange(folder)


def block_error(values: np.ndarray) -> float:
    means = values[: len(values) // N_BLOCKS * N_BLOCKS].reshape(N_BLOCKS, -1).mean(axis=1)
    return float(means.std(ddof=1) / np.sqrt(N_BLOCKS))


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> ExchangeTrajectory:
    """Of two independent particles a walker: twice the samples of one in the time of one."""
    folder = tmp_path_factory.mktemp("long")
    starts = [np.tile([-WIDTH, 0.0, 0.0], (2, 1))] * PROTOCOL.n_walkers
    run_replica_exchange(double_well(2), starts, PROTOCOL, folder, N_ROUNDS, platform="Reference", progress=quiet)
    return load_exchange(folder)


def test_a_double_well_has_its_boltzmann_populations_at_every_temperature(long_run: ExchangeTrajectory) -> None:
    x = np.linspace(-3.0, 3.0, 6001)
    for level, temperature in enumerate(long_run.temperatures):
        weight = np.exp(-(BARRIER * ((x / WIDTH) ** 2 - 1) ** 2 + TILT * x / WIDTH) / (BOLTZMANN * temperature))
        exact = weight[x < 0].sum() / weight.sum()
        left = (long_run.at_level(level)[200:, :, 0] < 0).mean(axis=1)
        error = block_error(left)
        assert error < 0.03
        assert abs(left.mean() - exact) < 4.0 * error


def test_harmonic_directions_have_equipartition_at_every_temperature(long_run: ExchangeTrajectory) -> None:
    for level, temperature in enumerate(long_run.temperatures):
        squares = (long_run.at_level(level)[200:, :, 1:].astype(float) ** 2).sum(axis=2).mean(axis=1)
        values = STIFFNESS * squares / (2.0 * BOLTZMANN * temperature)  # exactly 1 on average
        assert abs(values.mean() - 1.0) < 4.0 * block_error(values)
        assert block_error(values) < 0.06


def test_swaps_are_accepted_and_walkers_travel(long_run: ExchangeTrajectory) -> None:
    assert (long_run.acceptance > 0.5).all()
    assert (long_run.round_trips > 10).all()
    assert long_run.aggregate_ns == pytest.approx(N_ROUNDS * 50 * 0.2 * 4 / 1000)


def test_columns_are_continuous_walkers_and_levels_follow_the_swaps(long_run: ExchangeTrajectory) -> None:
    changed = long_run.levels[1:] != long_run.levels[:-1]
    assert (changed.sum(axis=1) == 2 * (long_run.outcomes[:-1] == 1).sum(axis=1)).all()
    assert (np.sort(long_run.levels, axis=1) == np.arange(4)).all()


def test_stopped_and_resumed_equals_run_through(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", 3)
    run(tmp_path / "parts", 1)
    parts = run(tmp_path / "parts", 3)
    for name in ("coords", "levels", "energies", "outcomes"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_a_packed_run_goes_on_elsewhere_with_the_same_numbers(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", 3)
    run(tmp_path / "here", 2)
    pack_exchange(tmp_path / "here", tmp_path / "kept")
    assert len(Chunks(tmp_path / "kept")) == 1
    shutil.copytree(tmp_path / "kept", tmp_path / "there")
    moved = run(tmp_path / "there", 3)
    np.testing.assert_array_equal(moved.coords, whole.coords)
    np.testing.assert_array_equal(moved.levels, whole.levels)


def test_an_executor_gives_the_same_numbers(tmp_path: Path) -> None:
    # the Reference platform has one random generator for all threads
    whole = run(tmp_path / "whole", 1, platform="CPU")
    with ThreadPoolExecutor(2) as executor:
        spread = run(tmp_path / "spread", 1, platform="CPU", executor=executor)
    np.testing.assert_array_equal(spread.coords, whole.coords)
    np.testing.assert_array_equal(spread.energies, whole.energies)


def test_chosen_atoms_alone_are_stored(tmp_path: Path) -> None:
    system = external("100*(x^2+y^2+z^2)", n_particles=3)
    starts = [np.zeros((3, 3))] * 4
    run_replica_exchange(
        system, starts, PROTOCOL, tmp_path, 1, atoms=np.array([2, 0]), platform="Reference", progress=quiet
    )
    assert load_exchange(tmp_path).coords.shape == (50, 4, 2, 3)


def test_another_ladder_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    run(tmp_path, 1)
    with pytest.raises(InputError, match=r"was begun with friction=5\.0, not with friction=1\.0"):
        run(tmp_path, 1, replace(SHORT, friction=1.0))


def test_a_run_without_a_round_is_one_sentence(tmp_path: Path) -> None:
    import_openmm()
    with pytest.raises(InputError, match="holds no round yet"):
        run(tmp_path, 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperatures": (300.0,)}, "expected at least two, positive and ascending"),
        ({"temperatures": (350.0, 300.0)}, "expected at least two, positive and ascending"),
        ({"exchange_ps": 0.013}, "is not a whole number of time steps"),
        ({"cycles_per_save": 7}, "is not a multiple of cycles_per_save=7"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        replace(PROTOCOL, **change)


def test_starts_must_be_as_many_as_temperatures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 starts for 4 temperatures"):
        run_replica_exchange(double_well(), [np.zeros((1, 3))], PROTOCOL, tmp_path, 1)


def test_labels_within_a_cycle_are_those_of_the_labelled_level(tmp_path: Path) -> None:
    """Labels come from the walker at the level, evenly spaced, with the forces of their positions; a run with more of
    them samples the same, and packing leaves them out."""
    every = replace(PROTOCOL, labels_per_cycle=5, cycles_per_round=10, cycles_per_save=2)
    plain = replace(every, labels_per_cycle=None)
    chosen = run(tmp_path / "every", 2, every, labelled_level=1)
    saved = run(tmp_path / "saved", 2, plain, labelled_level=1)
    np.testing.assert_array_equal(chosen.coords, saved.coords)
    (_, first, second) = [arrays for arrays, _ in Chunks(tmp_path / "every")]
    assert len(second["labelled_walker"]) == len(second["labelled_coords"]) == 50
    np.testing.assert_array_equal(second["labelled_walker"][::5], np.argmax(second["levels"] == 1, axis=1))
    (_, one, _) = [arrays for arrays, _ in Chunks(tmp_path / "saved")]
    np.testing.assert_array_equal(one["labelled_coords"], first["labelled_coords"][9::10])
    np.testing.assert_array_equal(one["labelled_forces"], first["labelled_forces"][9::10])
    x, force = first["labelled_coords"][:, 0, 0], first["labelled_forces"][:, 0, 0]
    np.testing.assert_allclose(force, -(4 * BARRIER * x * (x**2 - 1) + TILT), rtol=1e-4, atol=1e-3)
    pack_exchange(tmp_path / "every", tmp_path / "packed")
    assert not any("labelled" in name for name in next(iter(Chunks(tmp_path / "packed")))[0])
    with pytest.raises(InputError, match="labels_per_cycle=7 does not divide the 20 steps"):
        replace(PROTOCOL, labels_per_cycle=7)
