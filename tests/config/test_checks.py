from __future__ import annotations

from typing import get_args

import pytest

from cgexp.cards import DATA
from cgexp.config.checks import all_problems, check
from cgexp.config.compose import compose
from cgexp.config.data_checks import BIASED_FORCE_MAPS
from cgexp.config.paths import group_options
from cgexp.config.schema import settings
from cgexp.errors import InputError


def problem(*overrides: str) -> str:
    return next(all_problems(compose(overrides)), "")


PEPTIDE = "dataset.system={_target_: cgexp.systems.peptide.Peptide}"
MINI = f"dataset.path={DATA / 'chignolin_mini.npz'}"
FILES = {
    "frames_file": [MINI, PEPTIDE],
    "trajectory": [
        "dataset.trajectory=a",
        "dataset.topology=b",
        "dataset.temperature=300",
        PEPTIDE,
        "dataset.n_beads=10",
    ],
    "average": ["model.runs=[outputs/toy_cgnet/0123456789]"],
    "peptide_file": ["dataset.path=frames.npz"],
    "teacher": ["dataset.path=outputs/chignolin_first/0123456789"],
    "toy_teacher": ["dataset.path=outputs/toy_cgnet/0123456789"],
    "peptide_openmm": ["dataset.system.sequence=GYDPETGTWG"],
}
IN_THE_PLANE = ["model.n_dims=2", "analysis=plane"]


def test_physics_waits_for_the_run_that_is_named() -> None:
    assert "is not made for dataset toy_cgnet" in problem("simulation.starts=folded")
    assert not problem("simulation.starts=folded", "run=outputs/chignolin_first/0123456789")


@pytest.mark.parametrize("experiment", group_options("experiment"))
def test_every_experiment_is_sound(experiment: str) -> None:
    own = ["dataset.path=outputs/chignolin_first/0123456789"] if experiment == "active_teacher" else []
    own = [MINI, PEPTIDE] if experiment.startswith("own_") else own
    own = FILES["peptide_openmm"] if experiment == "peptide" else own
    check(compose([f"experiment={experiment}", *own]))
    check(compose([f"experiment={experiment}", "debug=fast", *own]))


@pytest.mark.parametrize("group", ["model", "prior", "loss", "optimizer", "scheduler", "trainer", "logger", "dataset"])
def test_every_option_is_sound(group: str) -> None:
    for option in group_options(group):
        experiment = (
            "chignolin_first"
            if option.startswith(("cg", "peptide", "chignolin", "teacher", "frames", "traj"))
            else "toy_cgnet"
        )
        experiment = "toy_polymer" if option in ("toy_polymer", "molecule") else experiment
        chosen = [f"experiment={experiment}", f"{group}={option}", *FILES.get(option, [])]
        if group == "dataset" and compose(chosen)["dataset"]["n_dims"] == 2:
            chosen += IN_THE_PLANE
        if option == "chignolin_reference":  # has no forces
            chosen += ["model=none"]
        found = problem(*chosen)
        assert not found, option


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (["+trainer.foo=1"], ["unknown key 'trainer.foo'", "takes max_epochs"]),
        (["+foo=1"], ["unknown key 'foo'", "did you mean 'force'"]),
        (["++loss.terms.force.wieght=1"], ["did you mean 'weight'"]),
        (["optimizer.lr=-1"], ["optimizer.lr=-1", "positive number"]),
        (["seed=-1"], ["seed=-1", ">= 0"]),
        (["seed=one"], ["seed=one", "integer"]),
        (["trainer.validation_fraction=1.0"], [">= 0 and below 1"]),
        (["trainer.batch_size=0"], ["positive integer"]),
        (["trainer.precision=float16"], ["one of float32, float64"]),
        (["trainer.max_epochs=???"], ["missing a value", "trainer.max_epochs=<value>"]),
        (["model._target_=os.system"], ["os.system is not allowed"]),
        (
            ["model._target_=cgexp.models.toy_mpl.ToyMLP"],
            ["models has no module toy_mpl (did you mean 'toy_mlp'"],
        ),
        (["model._target_=cgexp.models.toy_mlp.ToyMPL"], ["toy_mlp has no class ToyMPL (did you mean 'ToyMLP'"]),
        (["model._target_=cgexp.modles.toy_mlp.ToyMLP"], ["cgexp has no module modles (did you mean 'models'"]),
        (["model._target_=cgexp.priors.prior.Prior"], ["temperature"]),
        (["loss._target_=cgexp.training.fit.Training"], ["is no Loss"]),
        (["trainer.callbacks.emma.decay=0.9"], ["trainer.callbacks.emma is no Callback", "did you mean 'ema'"]),
        (["loss.terms.forse.weight=2"], ["loss.terms.forse is no LossTerm", "did you mean 'force'"]),
        (["simulation.integrator=null"], ["expected an object (Integrator)"]),
        (["trainer.callbacks.ema=true"], ["trainer.callbacks.ema is no Callback"]),
        (["scheduler.pct_start=2"], ["above 0 and below 1"]),
        (["seed=99999999999999999"], ["below 2^31"]),
        (["~model"], ["model is missing"]),
        (["kernel=fused"], ["kernel=fused does not serve the model ToyMLP", "kernel=auto"]),
        (["kernel=fast"], ["kernel=fast", "auto, reference, sparse, table, compiled, fused"]),
        (["prior.temperature=2.0"], ["prior.temperature=2.0", "dataset.temperature=1.0"]),
        (["simulation.temperature=2.0"], ["simulation.temperature=2.0"]),
        (["model=cgschnet"], ["model=cgschnet", "dimensions 3", "dimensions 1"]),
        (["experiment=chignolin_first", "model.n_beads=9"], ["beads 9", "beads 10"]),
        (["experiment=chignolin_first", "analysis=toy"], ["analysis=toy", "another analysis"]),
        (["experiment=chignolin_first", "dataset.force_map=slice"], ["slice is biased", "in words"]),
        (["experiment=chignolin_first", "dataset.force_map=none"], ["set dataset.force_map"]),
        (["experiment=chignolin_first", "simulation.dt=0.2"], ["simulation.dt=0.2", "stiffest bond", "ps or less"]),
        (
            ["trainer=early_stopping", "trainer.validation_fraction=0"],
            ["early_stopping watches", "hold some"],
        ),
        (
            ["experiment=chignolin_first", "simulation.integrator._target_=cgexp.simulation.integrators.Overdamped"],
            ["simulation.dt=0.0075", "too long"],
        ),
        (
            ["++trainer.callbacks.lr_finder._target_=cgexp.training.callbacks.RateFinder"],
            ["scheduler=onecycle then overrides", "use scheduler=none"],
        ),
        (["scheduler=plateau", "trainer.validation_fraction=0"], ["scheduler watches the validation loss"]),
        (["simulation.save_every=10000000"], ["nothing would be saved"]),
    ],
)
def test_problems_are_found_before_anything_is_computed(overrides: list[str], parts: list[str]) -> None:
    text = problem(*overrides)
    assert "\n" not in text
    for part in parts:
        assert part in text, text
    with pytest.raises(InputError):
        check(compose(overrides))


def test_a_biased_map_is_allowed_with_a_reason_in_words() -> None:
    overrides = ["experiment=chignolin_first", "dataset.force_map=slice"]
    assert "biased" in problem(*overrides, "dataset.allow_biased_force_map=yes")
    assert not problem(*overrides, "dataset.allow_biased_force_map='to measure the bias of the slice'")


@pytest.mark.parametrize(
    "cut",
    [
        ["experiment=chignolin_first", "dataset=chignolin_folded"],
        ["experiment=chignolin_first", "dataset=teacher", "dataset.path=outputs", "dataset.basin=unfolded"],
        ["experiment=toy_cgnet", "dataset.within=[0.0,10.0]"],
        ["experiment=toy_cgnet", "dataset=toy_teacher", "dataset.path=outputs", "dataset.x_range=[0.0,10.0]"],
        ["experiment=chignolin_first", "dataset=peptide_file", "dataset.path=f.npz", "dataset.thermally_sampled=false"],
    ],
)
def test_noise_needs_a_sample_of_the_whole_ensemble(cut: list[str]) -> None:
    assert not problem(*cut)
    assert "trainer.noise takes the density of the frames for that of the ensemble" in problem(
        *cut, "trainer.noise=0.05"
    )
    assert not problem(*cut[:1], "trainer.noise=0.05")


@pytest.mark.parametrize(
    ("overrides", "part"),
    [
        (["prior.fitted_on=chignolin_sampel"], "did you mean 'chignolin_sample'"),
        (["prior.fitted_on=toy_julia"], "no data set 'toy_julia' ships with the package"),
        (["prior.fitted_on=chignolin_reference"], "is an equilibrium reference, which the model is judged by"),
        (["prior.fitted_on=chignolin_mean_force"], "a prior is fitted to a sample"),
        (["prior.fitted_on=chignolin_sample", "dataset.n_beads=9", "model.n_beads=9"], "has n_beads 10"),
        (["prior.fitted_on=chignolin_sample", "dataset.temperature=400"], "K but prior.temperature=400"),
        (["dataset=chignolin_reference"], "dataset chignolin_reference has no forces to train on"),
    ],
)
def test_data_that_cannot_serve_are_refused_by_their_card(overrides: list[str], part: str) -> None:
    assert part in " ".join(all_problems(compose(["experiment=chignolin_first", *overrides])))


def test_data_that_serve_by_their_card_are_not() -> None:
    first = "experiment=chignolin_first"
    assert not problem(first, "dataset=chignolin_mean_force", "prior.fitted_on=chignolin_sample")
    assert not problem(first, "dataset=chignolin_reference", "model=none")
    assert not next(all_problems(compose(["dataset=chignolin_reference"]), ("dataset",)), "")


def test_names_repeated_here_agree_with_the_rooms_above() -> None:
    from cgexp.all_atom.mapping.force_maps import BIASED
    from cgexp.kernels.choose import KERNELS

    assert set(BIASED_FORCE_MAPS) == set(BIASED)
    assert get_args(settings()["kernel"]) == KERNELS


def test_an_oracle_labels_in_the_force_field_of_the_data() -> None:
    overrides = ["experiment=active_chignolin", "dataset=chignolin_openmm"]
    other = compose([*overrides, "oracle.solvent=obc2"])
    assert any("oracle.solvent is not dataset.solvent=gbn2" in problem for problem in all_problems(other))
    hotter = compose(["experiment=active_chignolin", "oracle.temperature=300"])
    assert any("oracle.temperature is not dataset.temperature=350" in problem for problem in all_problems(hotter))
    matching = compose(overrides)
    assert not any("oracle." in problem for problem in all_problems(matching))
