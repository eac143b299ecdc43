"""A run in words: what was trained on what, and what the comparison can show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cgexp.report.html_summary import summary, warnings
from cgexp.simulation.tempering import Tempering
from tests.report.pages import METRICS, NOTES, facts, frames, simulation


def words(**changes: object) -> str:
    parts = {"facts": facts(), "metrics": METRICS, "frames": frames(), "notes": NOTES, **changes}
    given = (parts["facts"], parts["metrics"], parts["frames"], parts["notes"], parts.get("n_frames_prior"))
    return " ".join(summary(*given))


def test_the_whole_of_it() -> None:
    assert words() == (
        "CGnet with 44,800 parameters, on top of a prior of bonds, angles and repulsion, was trained by force matching "
        "on 6 frames of some_data (a test; 10 beads, 300 K, force map optimal). Of 8 epochs the weights of epoch 7, "
        "counted from 0, are kept. 4 replicas of it were simulated for 2 ps each (1,000 steps of 0.002 ps); none of "
        "them failed. The reference is some_ensemble, a weighted equilibrium ensemble of 6,000 frames. In the plane of "
        "its first two ICs the simulation is 0.50 ± 0.10 away (Wasserstein-1). That is no farther, within the errors, "
        "than the two independent runs of the reference are from each other (0.45), so this number cannot show an "
        "error of the model."
    )


def test_a_distance_beyond_the_errors_is_not_explained_away() -> None:
    text = words(metrics={**METRICS, "w1_tica": 0.9})
    assert "cannot show" not in text
    assert text.endswith("The two independent runs of the reference are 0.45 apart.")


def test_a_toy_has_no_kelvin_and_the_exact_answer() -> None:
    text = words(frames=frames("reduced"), notes=None)
    assert "1 bead, kT = 1" in text
    assert "2 time units each" in text
    assert text.endswith("It is compared with the exact answer, found by quadrature.")


def test_data_that_are_no_equilibrium_are_said_to_be_none() -> None:
    notes = replace(NOTES, reference_is_equilibrium=False)
    assert "not an equilibrium ensemble" in words(notes=notes)
    assert any("no population" in text for text in warnings(facts(), METRICS, notes))
    assert warnings(facts(), METRICS, NOTES) == []


def test_chosen_frames_are_counted() -> None:
    chosen = frames().with_labels(chosen=np.arange(6) > 3)
    assert "on 6 frames of some_data (" in words(frames=chosen)
    assert ", of which 2 were chosen and are no sample of the ensemble. Of 8 epochs" in words(frames=chosen)


def test_a_mean_of_networks_was_not_trained() -> None:
    text = words(facts=facts(averaged=["one", "two"]), metrics={**METRICS, "epochs": 0.0})
    assert text.startswith(
        "The potential is the mean of the networks of 2 runs (one, two), 44,800 parameters in all, on top of a prior "
        "of bonds, angles and repulsion; nothing was trained. The data set of the run is 6 frames of some_data (a test;"
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"simulation": None}, "It was not simulated."),
        ({"start_from": "outputs/other"}, "which began with the weights of outputs/other,"),
        ({"prior_terms": []}, "CGnet with 44,800 parameters, without a prior, was"),
        ({"prior_terms": ["wall"]}, "on top of a prior of wall, was"),
    ],
)
def test_settings(changes: dict[str, object], expected: str) -> None:
    assert expected in words(facts=facts(**changes))


def test_tempering_is_said_to_be_tempering() -> None:
    tempered = facts(simulation=simulation(tempering=Tempering(highest=600.0, n_rungs=3, every=10)))
    text = words(facts=tempered)
    assert (
        "12 replicas of it were simulated by parallel tempering for 2 ps each (1,000 steps of 0.002 ps), in 4 " in text
    )
    assert "4 ladders of 3 temperatures (300 to 600 K), of which the lowest alone is kept and analysed; none of" in text
    (text,) = warnings(tempered, {**METRICS, "replicas_failed": 5.0}, NOTES)
    assert text.startswith("5 of 12 replicas failed")
    assert "4 replicas of it" in words(facts=facts())


def test_a_markov_model_that_is_missing_has_a_reason() -> None:
    notes = replace(NOTES, msm="no Markov model: the production has 3 saved frames")
    assert words(notes=notes).endswith(" No Markov model: the production has 3 saved frames.")
    assert "Markov" not in words(notes=notes, metrics={**METRICS, "msm_ck_error": 0.1})


def test_the_prior_alone() -> None:
    untrained = {"epochs": 0.0, "checkpoint_epoch": 0.0}
    assert words(metrics=untrained).startswith(
        "The potential is a prior of bonds, angles and repulsion alone, fitted to 6"
    )


def test_a_prior_of_another_data_set_is_said_to_be_of_it_and_the_basin_is_named() -> None:
    settings = facts(basin="folded", prior_terms=["bonds"], fitted_on="whole_data")
    text = words(facts=settings, n_frames_prior=57600)
    assert (
        "on top of a prior of bonds fitted to 57,600 frames of whole_data, was trained by force matching on 6 " in text
    )
    assert "6 frames of the folded basin of some_data (a test;" in text
    text = words(facts=settings, n_frames_prior=57600, metrics={"epochs": 0.0})
    assert text.startswith(
        "The potential is a prior of bonds alone, fitted to 57,600 frames of whole_data; nothing was trained. The data "
        "set of the run is 6 frames of the folded basin of some_data (a test;"
    )


def test_failed_replicas_and_rehearsals_are_named() -> None:
    failed = {**METRICS, "replicas_failed": 3.0}
    assert "3 of them failed." in words(metrics=failed)
    (text,) = warnings(facts(), failed, NOTES)
    assert text.startswith("3 of 4 replicas failed")
    (text,) = warnings(facts(debug="fast"), METRICS, NOTES)
    assert "its numbers mean nothing" in text
