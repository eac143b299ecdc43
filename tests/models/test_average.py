"""Average: the physics checks of a mean of networks; runs that can be averaged, and those that cannot."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cgexp.datasets.packaged import load_packaged
from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.kernels.evaluator import make_evaluator
from cgexp.models.average import Average, AverageOfRuns
from cgexp.models.cgnet import CGnet
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.direct_force import DirectForce
from cgexp.models.potential import Potential, load_potential, save_potential
from cgexp.priors.harmonic import HarmonicBonds
from cgexp.priors.prior import Prior
from cgexp.systems.base import system_of
from cgexp.testing.configurations import chain_frames, fit_to, random_chains
from cgexp.testing.energy_checks import EnergyTermChecks
from cgexp.testing.finite_difference import relative_error

N_BEADS = 6
FRAMES = chain_frames(60, N_BEADS)
SIZE = {"n_beads": N_BEADS, "n_dims": 3}
CGNET = {"_target_": "cgexp.models.cgnet.CGnet", "width": 8, "depth": 2, **SIZE}
SCHNET = {"_target_": "cgexp.models.cgschnet.CGSchNet", "n_features": 8, "n_filters": 8, "n_rbf": 8, **SIZE}
KINDS = {CGNET["_target_"]: CGnet, SCHNET["_target_"]: CGSchNet}


def network(spec: dict[str, object], seed: int) -> EnergyTerm:
    torch.manual_seed(seed)
    arguments = {name: value for name, value in spec.items() if name != "_target_"}
    return fit_to(KINDS[spec["_target_"]](**arguments).double(), FRAMES)


def blank() -> Average:
    return Average([network(CGNET, 5), network(SCHNET, 6)])


def mean() -> Average:
    return Average([network(CGNET, 1), network(SCHNET, 2)])


class TestAverage(EnergyTermChecks):
    def make_term(self) -> Average:
        return mean()

    def make_blank(self) -> Average:
        return blank()

    def make_coords(self) -> Tensor:
        return random_chains(4, N_BEADS, seed=3)


def test_energy_and_force_are_the_means_of_the_members() -> None:
    coords, average = random_chains(3, N_BEADS), mean()
    energies = torch.stack([member.energy(coords) for member in average.networks])
    assert torch.equal(average.energy(coords), energies.mean(0))
    forces = torch.stack([Potential(member, Prior({}, 300.0)).forces(coords) for member in average.networks]).mean(0)
    assert relative_error(Potential(average, Prior({}, 300.0)).forces(coords), forces) < 1e-12
    assert average.trainable() == []


@pytest.mark.parametrize("kernel", ["reference", "auto"])
def test_every_member_has_a_kernel_of_its_own(kernel: str) -> None:
    coords, potential = random_chains(5, N_BEADS), Potential(mean(), prior())
    energy, forces = make_evaluator(kernel, potential, coords)(coords)
    reference = potential.energy_and_forces(coords)
    assert energy is not None
    assert relative_error(energy, reference[0]) < 1e-6
    assert relative_error(forces, reference[1]) < 1e-4


def prior(n_frames: int = len(FRAMES)) -> Prior:
    made = Prior({"bonds": HarmonicBonds()}, 300.0)
    made.fit(FRAMES.select(slice(n_frames)), system_of(FRAMES))
    return made


def saved(
    folder: Path,
    seed: int,
    spec: dict[str, object] = CGNET,
    system: str = FRAMES.system,
    dtype: torch.dtype = torch.float32,
) -> str:
    """The folder of a run that has trained, as far as an average reads it."""
    folder.mkdir(parents=True)
    potential = Potential(network(spec, seed), prior()).to(dtype)
    save_potential(folder / "potential.npz", potential, spec, PRIOR, system=system)
    return str(folder)


PRIOR = {
    "_target_": "cgexp.priors.prior.Prior",
    "terms": {"bonds": {"_target_": "cgexp.priors.harmonic.HarmonicBonds"}},
    "temperature": 300.0,
}


def test_its_potential_holds_all_weights(tmp_path: Path) -> None:
    runs = [saved(tmp_path / "a", 1), saved(tmp_path / "b", 2, SCHNET, dtype=torch.float64)]
    average = AverageOfRuns(runs)
    average.fit(FRAMES, system_of(FRAMES))
    assert {parameter.dtype for parameter in average.parameters()} == {torch.float64}
    assert all(prior().agrees_with(other) for other in average.priors.values())
    assert not prior(30).agrees_with(average.priors[runs[0]])
    potential = Potential(average, prior())
    spec = average.saved_spec({"_target_": "cgexp.models.average.AverageOfRuns", "runs": runs})
    save_potential(tmp_path / "mean.npz", potential, spec, PRIOR)
    for run in runs:
        shutil.rmtree(run)
    coords = random_chains(3, N_BEADS)
    assert torch.equal(load_potential(tmp_path / "mean.npz").forces(coords), potential.forces(coords))


def test_what_has_no_mean_is_refused(tmp_path: Path) -> None:
    run = saved(tmp_path / "a", 1)
    with pytest.raises(InputError, match="holds no trained network: give folders"):
        AverageOfRuns([run, str(tmp_path)])
    with pytest.raises(InputError, match=r"names .*a twice"):
        AverageOfRuns([run, run])
    (tmp_path / "link").symlink_to(run)
    with pytest.raises(InputError, match=r"names .*link twice"):
        AverageOfRuns([run, str(tmp_path / "link")])
    with pytest.raises(InputError, match="expected a list of run folders, at least one"):
        AverageOfRuns([])
    (tmp_path / "prior").mkdir()
    save_potential(tmp_path / "prior" / "potential.npz", Potential(None, prior()), None, PRIOR)
    with pytest.raises(InputError, match="is a prior alone"):
        AverageOfRuns([run, str(tmp_path / "prior")])
    direct = {"_target_": "cgexp.models.direct_force.DirectForce", "n_beads": N_BEADS, "n_dims": 3}
    (tmp_path / "direct").mkdir()
    potential = Potential(DirectForce(N_BEADS, 3), prior())
    save_potential(tmp_path / "direct" / "potential.npz", potential, direct, PRIOR)
    with pytest.raises(InputError, match="has no energy to average"):
        AverageOfRuns([run, str(tmp_path / "direct")])
    with pytest.raises(InputError, match="n_beads 4 and 6 have no average"):
        Average([CGnet(4, 3), CGnet(6, 3)])


def test_members_of_another_system_are_refused(tmp_path: Path) -> None:
    system, mini = system_of(FRAMES), load_packaged("chignolin_mini")
    with pytest.raises(InputError, match="made for 6 beads in 3 dimensions but the frames"):
        AverageOfRuns([saved(tmp_path / "a", 1, system=mini.system)]).fit(mini, system_of(mini))
    with pytest.raises(InputError, match="is of system 'another' but the data set of 'random chain'"):
        AverageOfRuns([saved(tmp_path / "b", 1, system="another")]).fit(FRAMES, system)
    types = FRAMES.with_labels(bead_types=np.flip(FRAMES.bead_types))
    with pytest.raises(InputError, match=r"is of bead_types \[0, 1, 2, 3, 0, 1\] but the data set of"):
        AverageOfRuns([saved(tmp_path / "c", 1, SCHNET)]).fit(types, system)
