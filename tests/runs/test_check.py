"""`cgexp check` builds all that a run builds, so that what it lets pass can begin."""

from __future__ import annotations

import pytest

from cgexp.config.checks import check
from cgexp.config.compose import compose
from cgexp.errors import InputError, sentence_of
from cgexp.runs.check import report

CALLBACKS = "pytorch_lightning.callbacks"


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (["optimizer.foreach=true", "optimizer.fused=true"], "`fused` and `foreach`"),
        (["loss.terms.force.weight=0"], "loss.terms.force.weight is 0"),
        (
            [f"+trainer.callbacks.sum={{_target_: {CALLBACKS}.GradientAccumulationScheduler, scheduling: {{-1: 2}}}}"],
            "does not take these arguments together",
        ),
        (
            ["experiment=chignolin_first", "simulation=none"],
            "simulation=none.: choose a simulation or another analysis",
        ),
        (
            ["experiment=toy_julia", "model=direct_force", "simulation=peptide_tempering"],
            "set simulation.tempering=null",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_as_parts_are_built(overrides: list[str], named: str) -> None:
    config = compose(overrides)
    check(config)
    with pytest.raises(InputError, match=named):
        list(report(config))


@pytest.mark.parametrize(
    "override",
    [
        "analysis.n_bins=1",
        "analysis.n_grid=4",
        "optimizer.maximize=true",
        "optimizer.differentiable=true",
        "optimizer.betas=[0.9,1.5]",
        "scheduler.div_factor=0",
        "scheduler.last_epoch=5",
        "trainer.callbacks.stop={_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: loss_validatio}",
        "trainer.callbacks.stop={_target_: pytorch_lightning.callbacks.EarlyStopping, monitor: loss_train, mode: low}",
    ],
)
def test_nonsense_that_would_end_well_or_late_is_refused_at_once(override: str) -> None:
    with pytest.raises(InputError, match=override.partition("=")[0].rpartition(".")[2]):
        check(compose([override]))


def test_every_scheduler_can_be_made() -> None:
    for scheduler in ("cosine", "exponential", "plateau", "none"):
        assert list(report(compose(["scheduler=" + scheduler])))


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (
            ["experiment=active_chignolin", "oracle.solvent=obc2"],
            r"labels in ff14SBonlysc \+ OBC2 \+ ACE, but the data",
        ),
        (
            [
                "experiment=chignolin_first",
                "dataset=chignolin_openmm",
                "dataset.solvent=tip3p",
                "dataset.surface_term=none",
                "dataset.platform=native",
            ],
            r"dataset\.platform=native computes implicit solvent only, and dataset\.solvent=tip3p: set",
        ),
    ],
)
def test_force_fields_that_cannot_be_joined_or_computed_are_refused(overrides: list[str], named: str) -> None:
    config = compose(overrides)
    check(config)
    with pytest.raises(InputError, match=named):
        list(report(config))


def test_a_term_whose_forces_overflow_is_named() -> None:
    config = compose(["experiment=chignolin_first", "prior.terms.repulsion.sigma=1e25"])
    check(config)
    with pytest.raises(InputError, match=r"prior\.terms\.repulsion gives forces that are not finite"):
        list(report(config))


def test_integers_that_hold_more_than_64_bits_are_numbers() -> None:
    config = compose([f"prior.terms.wall.force_constant={10**25}", "simulation.dt=1e-13"])
    check(config)
    assert "all finite" in " ".join(report(config))


@pytest.mark.parametrize("node", [{}, {"kind": "toy"}])
def test_a_mapping_that_names_no_class_is_no_object(node: dict[str, str]) -> None:
    config = compose([])
    config["dataset"]["system"] = node
    with pytest.raises(InputError, match=r"dataset\.system has no _target_: expected an object \(\w+\)"):
        check(config)


def test_a_path_that_no_file_system_takes_is_refused() -> None:
    with pytest.raises(InputError, match=r"dataset\.path=.*names have at most 255 letters"):
        check(compose(["experiment=chignolin_first", "dataset=peptide_file", f"dataset.path={'a' * 300}"]))


def test_the_facts_that_a_time_step_follows_from_are_named() -> None:
    with pytest.raises(InputError, match=r"dataset\.stiffness=1e\+25 and dataset\.lightest_mass="):
        check(compose(["experiment=chignolin_first", "dataset.stiffness=1e25"]))


def test_words_that_nobody_has_cut_are_cut() -> None:
    assert len(sentence_of(InputError("a" * 5000 + " is no name"))) < 250


@pytest.mark.parametrize(
    ("overrides", "named"),
    [
        (
            ["active.proposals={dt: 10}", "experiment=active_toy"],
            r"active\.proposals\.dt=10 is too long",
        ),
        (["simulation.dt=1"], r"simulation\.dt=1 is too long for the stiffest wall or well \(k = 50 "),
        (["prior=none", "simulation.dt=1000"], r"dt=1000 is too long for the stiffest wall or well \(k = 0\.1"),
        (
            ["experiment=toy_polymer", "prior=none", "dataset.stiffness=null", "simulation.dt=1"],
            r"simulation\.dt=1 is too long for the stiffest bond",
        ),
        (
            ["experiment=chignolin_first", "dataset.stiffness=null", "simulation.dt=0.2"],
            r"simulation\.dt=0\.2 is too long for the stiffest bond",
        ),
        (
            ["experiment=chignolin_first", "analysis.reference=null", "analysis.lag_ps=1000"],
            r"analysis\.lag_ps=1000 is longer than every block",
        ),
        (["experiment=chignolin_first", "trainer.validation_fraction=0.0005", "trainer.fold=9"], r"fold=9 holds out 0"),
    ],
)
def test_what_the_data_at_hand_forbid_is_refused(overrides: list[str], named: str) -> None:
    """Though no config states how stiff they are."""
    config = compose(overrides)
    check(config)
    with pytest.raises(InputError, match=named):
        list(report(config))


def test_a_wall_inside_the_data_is_told_before_there_are_any(caplog: pytest.LogCaptureFixture) -> None:
    assert list(report(compose(["prior.terms.wall.lower=0"])))
    assert "a wall from 0 to None stands inside the data" in caplog.text
    caplog.clear()
    assert list(report(compose([])))
    assert not caplog.text
