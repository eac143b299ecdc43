"""Runs become arms by what differs in their physics, and what they share has no column."""

from __future__ import annotations

from pathlib import Path

import pytest

from cgexp.config.compose import compose
from cgexp.config.identity import flat_physics
from cgexp.errors import InputError
from cgexp.studies.arms import compare_runs
from cgexp.studies.catalogue import Entry, catalogue
from cgexp.studies.comparison import write_page
from tests.studies.synthetic import config_with, put


def runs(outputs: Path, *rows: tuple[int, dict[str, object]], metrics: dict[str, float] | None = None) -> list[Entry]:
    for i, (seed, changes) in enumerate(rows):
        found = {"w1_tica": 1.0 + seed + i, "loss_validation": 2.0} if metrics is None else metrics
        put(outputs, f"run{i}", config_with(seed, **changes), found)
    return sorted(catalogue(outputs), key=lambda entry: entry.id)


def test_the_physics_are_flat() -> None:
    flat = flat_physics(compose(["experiment=toy_cgnet", "model.width=64"]))
    assert (flat["model.width"], flat["seed"]) == (64.0, 0.0)
    assert flat["dataset.system._target_"] == "cgexp.systems.cgnet_toy.CGnetToy"
    assert "trainer.accelerator" not in flat, "what is about execution alone"
    assert not [key for key in flat if key.startswith("active")]


def test_runs_are_grouped_by_what_differs_and_averaged_over_seeds(tmp_path: Path) -> None:
    found = compare_runs(runs(tmp_path, *((seed, {"model__width": w}) for seed in (1, 2, 3) for w in (40, 20))))
    assert found.comparison.columns == ("width",)
    assert [(arm.label, len(arm.metrics)) for arm in found.comparison.arms] == [("width=20", 3), ("width=40", 3)]
    assert "The same in all runs: loss_validation 2." in found.notes
    assert found.comparison.metrics == ("w1_tica",)


def test_what_is_about_execution_alone_makes_no_arm(tmp_path: Path) -> None:
    found = compare_runs(runs(tmp_path, (1, {"trainer__accelerator": "cpu"}), (2, {"trainer__accelerator": "auto"})))
    assert [arm.label for arm in found.comparison.arms] == ["all"]


def test_data_whose_seed_is_the_runs_make_no_arm(tmp_path: Path) -> None:
    rows = [(seed, {"dataset__seed": seed, "model__width": w}) for seed in (1, 2) for w in (20, 40)]
    assert compare_runs(runs(tmp_path, *rows)).comparison.columns == ("width",)
    fixed = [*rows, (3, {"dataset__seed": 7, "model__width": 20})]
    assert compare_runs(runs(tmp_path, *fixed)).comparison.columns == ("dataset.seed", "width")


def test_folds_may_be_averaged_over_as_seeds_are(tmp_path: Path) -> None:
    entries = runs(tmp_path, *((1, {"trainer__fold": fold, "model__width": w}) for fold in (0, 1) for w in (20, 40)))
    assert len(compare_runs(entries).comparison.arms) == 4
    found = compare_runs(entries, ["w1_tica"], over=["fold"])
    assert [len(arm.metrics) for arm in found.comparison.arms] == [2, 2]
    assert found.comparison.differences[1]["w1_tica"].n == 2


def test_an_option_stands_for_the_keys_that_it_decides(tmp_path: Path) -> None:
    for name, model in (("a", "toy_mlp"), ("b", "toy_fourier")):
        for width in (20, 40):
            config = compose(["experiment=toy_cgnet", f"model={model}", f"model.width={width}", "seed=1"])
            put(tmp_path, f"{name}{width}", config, {"w1_x": 1.0})
    found = compare_runs(catalogue(tmp_path))
    assert found.comparison.columns == ("model", "width")
    assert found.comparison.arms[0].settings == {"model": "toy_fourier", "width": 20.0}


def test_an_experiment_stands_for_all_in_which_two_differ(tmp_path: Path) -> None:
    for experiment in ("toy_cgnet", "toy_julia"):
        put(tmp_path, "a", compose([f"experiment={experiment}"]), {"w1_x": 1.0})
    assert [arm.label for arm in compare_runs(catalogue(tmp_path)).comparison.arms] == [
        "experiment=toy_cgnet",
        "experiment=toy_julia",
    ]


def test_runs_on_different_data_are_told_as_such_and_whole_numbers_stay_whole(tmp_path: Path) -> None:
    put(tmp_path, "a", config_with(1, model__width=20), {"w1_x": 0.1})
    put(tmp_path, "b", config_with(1, model__width=1e300, dataset__name="toy_julia"), {"w1_x": 0.2})
    found = compare_runs(catalogue(tmp_path))
    assert found.notes[0] == (
        "Runs of toy_cgnet. Their data sets differ: a loss on one says nothing of a loss on another."
    )
    widths = [arm.settings["width"] for arm in found.comparison.arms]
    assert [repr(width) for width in widths] == ["20", "1e+300"]


def test_a_run_found_twice_counts_once(tmp_path: Path) -> None:
    put(tmp_path / "first", "a", config_with(1), {"w1_x": 1.0})
    put(tmp_path / "second", "a", config_with(1), {"w1_x": 1.0})
    found = compare_runs([*catalogue(tmp_path / "first"), *catalogue(tmp_path / "second")])
    assert [len(arm.metrics) for arm in found.comparison.arms] == [1]


def test_runs_that_are_not_done_are_left_out_and_counted(tmp_path: Path) -> None:
    entries = runs(tmp_path, (1, {}), (2, {}))
    put(tmp_path, "broken", config_with(3), failure="the bond blew up")
    found = compare_runs([*entries, *(entry for entry in catalogue(tmp_path) if entry.id == "broken")])
    assert found.notes[:2] == ("Runs of toy_cgnet.", "Left out as they are not done: 1 failed.")


@pytest.mark.parametrize(
    ("baseline", "label"),
    [(None, "width=50"), ("width=20", "width=20"), ("model.width=40 and seed=1", "width=40"), ("run3", "width=40")],
)
def test_the_baseline_is_the_one_that_is_named(tmp_path: Path, baseline: str | None, label: str) -> None:
    rows = [(seed, {"model__width": w}) for seed in (1, 2) for w in (20, 40)]
    put(tmp_path, "plain", config_with(1), {"w1_x": 1.0})
    comparison = compare_runs(runs(tmp_path, *rows), baseline=baseline).comparison
    width = config_with(1)["model"]["width"]
    assert comparison.arms[comparison.baseline].label == label.replace("50", str(width))


def test_mistakes_are_sentences(tmp_path: Path) -> None:
    entries = runs(tmp_path, *((seed, {"model__width": w}) for seed in (1, 2) for w in (20, 40)))
    for options, part in (
        ({"metrics": ["w1_tcia"]}, r"did you mean 'w1_tica'\?\): expected some of"),
        ({"baseline": "width>1"}, "holds of 2 arms"),
        ({"baseline": "width=1"}, "holds of no arms"),
        ({"over": ["flod"]}, "no run here has a key"),
    ):
        with pytest.raises(InputError, match=part):
            compare_runs(entries, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="there is no finished run"):
        compare_runs([])
    molecular = config_with(5)
    molecular["dataset"]["units"] = "molecular"
    put(tmp_path, "other", molecular, {"w1_x": 1.0})
    with pytest.raises(InputError, match="the units molecular and reduced"):
        compare_runs(catalogue(tmp_path))


def test_it_says_how_it_was_judged(tmp_path: Path) -> None:
    entries = runs(tmp_path, *((seed, {"model__width": w}) for seed in (1, 2) for w in (20, 40)))
    notes = " ".join(compare_runs(entries).notes)
    assert "Mean ± standard deviation over the seed; baseline: width=20." in notes
    assert "Holm's correction for the 1 comparison of a metric" in notes
    alone = compare_runs([entries[0], entries[3]])
    assert "No arm shares two seeds with the baseline" in " ".join(alone.notes)


def test_a_run_alone_is_told_with_what_it_differs_in_and_its_page_has_no_parameter(tmp_path: Path) -> None:
    found = compare_runs(runs(tmp_path, (1, {"model__width": 20})))
    assert found.notes[0] == "A run of toy_cgnet, with model.width=20."
    write_page(found, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<h1>1 arm, 1 run</h1>" in page
    assert "against</label>" not in page
