"""TeacherOracle: the forces of a stored potential."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cgexp.build import build
from cgexp.config.compose import compose
from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.models.potential import Potential, load_potential, save_potential
from cgexp.oracles.oracle import Oracle
from cgexp.oracles.teacher import TeacherOracle
from cgexp.priors.prior import Prior
from cgexp.systems.base import system_of
from cgexp.systems.peptide import Peptide
from cgexp.testing.configurations import chain_frames, random_chains

MODEL = {"_target_": "cgexp.models.cgnet.CGnet", "n_beads": 10, "width": 8, "depth": 1, "lipschitz": 1.0}
PRIOR = {
    "_target_": "cgexp.priors.prior.Prior",
    "terms": {"bonds": {"_target_": "cgexp.priors.harmonic.HarmonicBonds"}},
    "temperature": 300.0,
}
COORDS = random_chains(7, seed=3).numpy()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("run")
    potential, frames = Potential(build(MODEL, EnergyTerm), build(PRIOR, Prior)), chain_frames(50)
    potential.network.fit(frames, system_of(frames))
    potential.prior.fit(frames, system_of(frames))
    save_potential(folder / "potential.npz", potential, MODEL, PRIOR)
    return folder


def teacher(path: Path, sequence: str = "YYDPETGTWY", temperature: float = 300.0) -> TeacherOracle:
    return TeacherOracle(system=Peptide(sequence), temperature=temperature, force_map="teacher", path=str(path))


@pytest.mark.parametrize("name", ["", "potential.npz"])
def test_labels_are_the_forces_of_the_potential(run: Path, name: str) -> None:
    labels = teacher(run / name).label(COORDS)
    potential = load_potential(run / "potential.npz").double()
    expected = potential.forces(torch.from_numpy(COORDS.astype(np.float32)).double())
    assert labels.frames.forces is not None
    assert labels.frames.force_sem is not None
    np.testing.assert_allclose(labels.frames.forces, expected, rtol=1e-5, atol=1e-4)
    assert not labels.frames.force_sem.any()
    assert (labels.parent.tolist(), labels.rejected) == (list(range(7)), ())


def test_order_and_batch_do_not_matter(run: Path) -> None:
    order = np.random.default_rng(0).permutation(len(COORDS))
    whole, shuffled = teacher(run).label(COORDS), teacher(run).label(COORDS[order])
    assert whole.frames.forces is not None
    assert shuffled.frames.forces is not None
    np.testing.assert_allclose(shuffled.frames.forces, whole.frames.forces[order], rtol=1e-5, atol=1e-5)
    assert len(teacher(run).label(COORDS[:0]).frames) == 0


def test_beads_on_top_of_one_another_are_rejected(run: Path) -> None:
    coords = COORDS.copy()
    coords[2] = 0.0
    labels = teacher(run).label(coords)
    assert [index for index, _ in labels.rejected] == [2]
    assert labels.parent.tolist() == [0, 1, 3, 4, 5, 6]


def test_what_holds_no_potential_of_the_system_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no potential: give a finished run's folder"):
        teacher(tmp_path).label(COORDS)
    with pytest.raises(InputError, match="n_beads=10 but system 'peptide-AGA' has 3"):
        teacher(run, "AGA").label(COORDS[:, :3])
    with pytest.raises(InputError, match=r"temperature=350\.0 but the potential .* is of 300\.0"):
        teacher(run, temperature=350.0).label(COORDS)


def test_the_config_builds_the_oracle(run: Path) -> None:
    config = compose(["experiment=chignolin_first", "oracle=teacher", f"oracle.path={run}"])
    made = build(config["oracle"], Oracle)
    assert isinstance(made, TeacherOracle)
    assert (made.system.name, made.temperature) == ("peptide-YYDPETGTWY", config["dataset"]["temperature"])
