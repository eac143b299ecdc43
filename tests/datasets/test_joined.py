"""Joined: several data sets of one system as one; what is a sample of the ensemble stays apart from what was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from cgexp.build import build
from cgexp.config.checks import all_problems
from cgexp.config.compose import compose
from cgexp.datasets.joined import Joined
from cgexp.datasets.packaged import load_packaged
from cgexp.datasets.recipe import Recipe
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.runs.data import DataSet, data_card
from cgexp.runs.experiment import Experiment
from cgexp.runs.stages import fitted_prior
from cgexp.simulation.integrators import Baoab
from cgexp.systems.peptide import Peptide
from cgexp.testing.configurations import chain_frames
from cgexp.training.data import ResidentData
from cgexp.training.losses import Loss, MeanSquaredError
from cgexp.training.noise import NoiseAugmentation, known_or_estimated
from cgexp.training.relative_entropy import RelativeEntropy
from cgexp.training.sampling_terms import require_sample
from cgexp.training.split import split, split_by_block

PEPTIDE = Peptide("GGGGG")
FACTS = {"system": PEPTIDE, "n_beads": 5, "n_dims": 3, "units": "molecular", "temperature": 300.0}


@dataclass(kw_only=True)
class Given(Recipe):
    """Frames of a test."""

    frames: Frames

    def make(self, folder: Path) -> Frames:
        return self.check(self.frames)


def part(n: int, name: str = "part", **labels: object) -> Given:
    frames = chain_frames(n, 5)
    facts = {"bead_types": PEPTIDE.bead_types, "system": PEPTIDE.name, "system_spec": PEPTIDE.spec}
    frames = frames.with_labels(**{**facts, "temperature": 300.0, "force_map": "constraint_group", **labels})
    return Given(name=name, force_map=frames.force_map, frames=frames, **FACTS)


def joined(chosen: tuple[str, ...] = ("precise",), n_frames: int | None = None, **parts: Recipe) -> Joined:
    return Joined(
        name="both", force_map="constraint_group", parts=parts, chosen=list(chosen), n_frames=n_frames, **FACTS
    )


def precise(n: int = 6) -> Given:
    sem = np.full((n, 5, 3), 0.5, dtype=np.float32)
    return part(n, force_sem=sem, force_map="mean_force", block=np.arange(n) // 2)


def test_blocks_stay_apart_and_errors_are_kept(tmp_path: Path) -> None:
    sample = part(40, block=np.arange(40) // 10, time_ps=np.arange(40.0) % 10)
    frames = joined(precise=precise(), sample=sample).make(tmp_path)
    assert len(frames) == 46
    assert frames.block.tolist() == [*np.repeat(np.arange(4), 10), 4, 4, 5, 5, 6, 6]  # samples come first
    assert frames.chosen is not None
    assert frames.chosen.tolist() == [False] * 40 + [True] * 6
    assert frames.force_sem is not None
    assert np.isinf(frames.force_sem[:40]).all()
    assert (frames.force_sem[40:] == 0.5).all()
    assert frames.force_map == "constraint_group"
    assert frames.time_ps is not None
    assert frames.sample.arrays.keys() == frames.arrays.keys() - {"chosen"}
    np.testing.assert_array_equal(frames.sample.coords, sample.frames.coords)


def test_an_error_that_is_not_known_is_estimated_from_its_own_frames_alone(tmp_path: Path) -> None:
    frames = joined(sample=part(40), precise=precise()).make(tmp_path)
    assert frames.forces is not None
    sem = known_or_estimated(frames, np.zeros(frames.forces.shape))
    own = np.sqrt(np.square(frames.forces[:40], dtype=np.float64).mean(axis=(0, 2)))
    np.testing.assert_allclose(sem[0], np.repeat(own[:, None], 3, axis=1), rtol=1e-6)
    np.testing.assert_allclose(sem[40:], 0.5)


def test_the_same_frames_are_held_out_as_without_the_chosen_ones(tmp_path: Path) -> None:
    sample = part(40, block=3 * (np.arange(40) // 4))
    frames = joined(sample=sample, precise=precise()).make(tmp_path)
    for fold in range(3):
        train, validation = split(frames, 0.2, seed=1, fold=fold)
        alone, held_out = split_by_block(sample.frames.block, 0.2, seed=1, fold=fold)
        assert validation.tolist() == held_out.tolist()
        assert train.tolist() == [*alone, *range(40, 46)]
    data = ResidentData(frames, np.zeros(frames.coords.shape), 8, 0.2, 1, torch.float32)
    assert set(range(40, 46)) <= set(data.train_index.tolist())


def test_n_frames_are_of_the_samples(tmp_path: Path) -> None:
    frames = joined(sample=part(40), precise=precise(), n_frames=10).make(tmp_path)
    assert (len(frames), len(frames.sample)) == (16, 10)


def test_two_samples_are_one(tmp_path: Path) -> None:
    frames = joined((), first=part(20), second=part(30, weights=np.full(30, 7.0))).make(tmp_path)
    assert frames.chosen is None
    assert frames.weights is not None
    assert set(frames.weights.tolist()) == {1.0}
    assert frames.force_sem is None


def test_frames_of_a_computed_part_are_kept_and_those_of_shipped_parts_are_not() -> None:
    assert joined(sample=part(4), precise=precise()).is_kept
    assert not build(compose(["experiment=chignolin_first", "dataset=chignolin_mixed"])["dataset"], Recipe).is_kept


def test_what_takes_frames_for_the_ensemble_takes_the_sample(tmp_path: Path) -> None:
    few = ["debug=fast", "dataset.n_frames=240", "kernel=reference"]
    mixed, plain = (
        Experiment.of(compose([f"outputs={tmp_path}", "experiment=chignolin_cgschnet", f"dataset={name}", *few]))
        for name in ("chignolin_mixed", "chignolin_sample")
    )
    frames, alone = mixed.data_set.get()[0], plain.data_set.get()[0]
    assert (len(frames), len(alone)) == (420, 240)
    assert fitted_prior(mixed, frames).describe()["terms"] == fitted_prior(plain, alone).describe()["terms"]
    sampling = Loss({"force": MeanSquaredError(), "ensemble": RelativeEntropy(Baoab(friction=1.0), dt=0.001)})
    with pytest.raises(InputError, match=r"loss\.terms\.ensemble takes the frames for a sample.* but 180 of them"):
        require_sample(sampling, frames)
    require_sample(sampling, alone)
    with pytest.raises(InputError, match="chosen or mean forces with a standard error were selected"):
        NoiseAugmentation(frames, 0.01, lambda y: y, 0)


def test_parts_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    other = part(4)
    other.temperature = 310.0
    with pytest.raises(InputError, match=r"part 'hot' of data set 'both' has temperature=310\.0 but the data set"):
        joined((), sample=part(4), hot=other)
    with pytest.raises(InputError, match=r"'mean' were selected, as its labels say.*chosen=\[mean\]"):
        joined((), sample=part(4), mean=precise()).make(tmp_path)
    with pytest.raises(InputError, match=r"names 'precis', which is no part \(did you mean 'precise'"):
        joined(("precis",), sample=part(4), precise=precise())
    with pytest.raises(InputError, match="no frame is a sample of the ensemble"):
        joined(("precise",), precise=precise())
    with pytest.raises(InputError, match="only some have forces"):
        joined(sample=part(4, forces=None), precise=precise()).make(tmp_path)


def test_the_shipped_mixture_is_the_sample_with_180_mean_forces(tmp_path: Path) -> None:
    config = compose([f"outputs={tmp_path}", "experiment=chignolin_cgschnet", "dataset=chignolin_mixed"])
    assert not list(all_problems(config))
    frames, kept_in = DataSet.of(config).get()
    sample = load_packaged("chignolin_sample")
    assert kept_in is None
    assert np.array_equal(frames.sample.coords, sample.coords)
    few = compose(["experiment=chignolin_cgschnet", "dataset=chignolin_mean_force", "dataset.n_frames=180"])
    assert np.array_equal(frames.coords[len(sample) :], DataSet.of(few).get()[0].coords)
    card = data_card(frames.select(slice(-2000, None)), config["dataset"], DataSet.of(config).recipe.system)
    assert (card["n_frames"], card["n_chosen"]) == (2000, 180)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["dataset.parts.sample.force_map=slice"], "dataset.parts.sample.force_map=slice is biased"),
        (["dataset.parts.sample.name=chignolin_sampel"], "dataset.parts.sample.name=chignolin_sampel is no data set"),
        (["dataset.parts.sample.name=chignolin_reference"], "chignolin_reference has no forces to train on"),
        (["trainer.noise=0.01"], "dataset.chosen=.* says that some were selected"),
        (["dataset.parts.mean_force=3"], "dataset.parts.mean_force is no Recipe"),
    ],
)
def test_the_check_looks_at_parts(overrides: list[str], said: str) -> None:
    config = compose(["experiment=chignolin_cgschnet", "dataset=chignolin_mixed", *overrides])
    with pytest.raises(AssertionError, match=said):
        raise AssertionError("; ".join(all_problems(config)))
