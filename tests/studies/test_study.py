"""Study: what study.yaml and expected.yaml may say, and the configs that come of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from cgexp.errors import InputError
from cgexp.studies.study import Study, experiments_in, paired_seeds

STUDY = """
title: A study
seeds: [1, 2]
common: [experiment=toy_julia, 'dataset.seed=${seed}']
columns: [force_rmse_relative]
shared:
  small: &small [model.width=16, [trainer.max_epochs=3]]
arms:
  plain: {label: plain, overrides: [*small]}
  sizes:
    label: sizes
    overrides: [*small]
    variants:
      100: [dataset.n_frames=100]
      200: [dataset.n_frames=200]
  folds: {label: folds, seeds: [7], overrides: ['trainer.fold=0,1,2']}
  next: {label: next, start_from: plain}
  student: {label: student, seeds: [2], overrides: ['dataset.name=${run:sizes/100}', 'dataset.seed=7,8']}
  by_code: {label: by code, computed: true}
"""
EXPECTED = "plain.force_rmse_relative: {mean: [0, 0.5]}\nplain.other: {each: [null, 2]}\n"


def make(folder: Path, study: str = STUDY, expected: str = EXPECTED) -> Path:
    place = folder / "mine"
    place.mkdir(exist_ok=True, parents=True)
    (place / "study.yaml").write_text(study)
    (place / "expected.yaml").write_text(expected)
    return folder


def test_arms_variants_and_anchors(tmp_path: Path) -> None:
    study = Study.load("mine", make(tmp_path))
    assert [arm.name for arm in study.arms] == [
        "plain",
        "sizes/100",
        "sizes/200",
        "folds",
        "next",
        "student",
        "by_code",
    ]
    assert "trainer.max_epochs=3" in study.arms[0].overrides  # a list inside a list
    assert study.expected["plain.other"] == ("each", None, 2)


def test_configs_are_those_of_every_seed_and_combination(tmp_path: Path) -> None:
    arms = {arm.name: arm for arm in Study.load("mine", make(tmp_path)).arms}
    plain = arms["plain"].configs(["logger=csv"])
    assert [(config["seed"], config["dataset"]["seed"]) for config in plain] == [(1, 1), (2, 2)]
    assert plain[0]["model"]["width"] == 16
    assert [config["dataset"]["n_frames"] for config in arms["sizes/200"].configs()] == [200, 200]
    assert [(c["seed"], c["trainer"]["fold"]) for c in arms["folds"].configs()] == [(7, 0), (7, 1), (7, 2)]
    assert arms["by_code"].configs() == []


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("title: A study\n", "", "lacks 'title'"),
        ("columns:", "colums:", "did you mean 'columns'"),
        ("label: sizes\n", "labl: sizes\n", "did you mean 'label'"),
        ("start_from: plain", "start_from: plane", "did you mean 'plain'"),
        ("[*small]}", "[3]}", "expected a text like group.key=value"),
        ("title: A study", "title: A study\nverb: walk", "expected one of run, active"),
        ("${run:sizes/100}", "${run:sizes/10}", "did you mean 'sizes/100'"),
        ("[*small]}", "['parts=[mylab]']}", "sets parts, which no file may"),
        ("title: A study", "title: [", "not valid YAML"),
        ("seeds: [1, 2]", "seeds: 5", "expected a list of integers"),
        ("seeds: [7]", "seeds: 7", "expected a list of integers"),
        ("start_from: plain", "start_from: by_code", "which has no runs"),
        ("start_from: plain", "start_from: 3", "expected the name of an arm"),
        ("{label: next, start_from: plain}", "{label: next, seeds: [3], start_from: plain}", "give it no others"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, part: str) -> None:
    assert old in STUDY
    with pytest.raises(InputError) as raised:
        Study.load("mine", make(tmp_path, STUDY.replace(old, new)))
    assert part in str(raised.value)


@pytest.mark.parametrize(
    ("own", "others", "pairs"),
    [
        ([1, 2], [1, 2, 3], {1: 1, 2: 2}),
        ([4, 5], [1], {4: 1, 5: 1}),
        ([11, 12], [1, 2], {11: 1, 12: 2}),
        ([2, 3], [1, 2], None),
        ([11], [1, 2], None),
    ],
)
def test_each_seed_needs_one_run_of_another_arm(
    own: list[int], others: list[int], pairs: dict[int, int] | None
) -> None:
    assert paired_seeds(own, others) == pairs


def test_an_arm_takes_the_folder_of_another_arms_run(tmp_path: Path) -> None:
    arms = {arm.name: arm for arm in Study.load("mine", make(tmp_path)).arms}
    assert arms["student"].sources == ("sizes/100",)
    assert arms["next"].sources == ("plain",)
    configs = arms["student"].configs(folders={"sizes/100": {1: "a/b", 2: "it's a, folder=c/d"}})
    assert [config["dataset"]["name"] for config in configs] == ["it's a, folder=c/d"] * 2
    assert arms["next"].configs()[0]["trainer"]["start_from"].endswith("/plain")  # as the check of a study's form does


def test_an_arm_takes_the_folders_of_all_runs_of_another(tmp_path: Path) -> None:
    arm = "  mean: {label: mean, seeds: [5], overrides: [model=average, 'model.runs=${runs:plain}']}\n"
    study = Study.load("mine", make(tmp_path, STUDY + arm))
    mean = study.arms[-1]
    assert (mean.sources, mean.paired_sources) == (("plain",), ())
    assert [[one.name for one in level if one.name == "mean"] for level in study.levels()] == [[], ["mean"]]
    (config,) = mean.configs(folders={"plain": {1: "/a/one", 2: "/a/it's, 2"}})
    assert config["model"]["runs"] == ["/a/one", "/a/it's, 2"]
    assert mean.needed("plain", {1: "one", 2: "two"}, 5) == ["one", "two"]
    (unknown,) = mean.configs()  # before the runs are there, the arm's name stands for them
    assert [Path(run).name for run in unknown["model"]["runs"]] == ["plain"]
    with pytest.raises(InputError, match="did you mean 'plain'"):
        Study.load("mine", make(tmp_path / "wrong", STUDY + arm.replace("runs:plain", "runs:plane")))


def test_the_verb_is_that_of_the_study_or_the_arm(tmp_path: Path) -> None:
    text = STUDY.replace("seeds: [1, 2]", "seeds: [1, 2]\nverb: active").replace(
        "{label: plain,", "{label: plain, verb: run,"
    )
    verbs = {arm.name: arm.verb for arm in Study.load("mine", make(tmp_path, text)).arms}
    assert verbs["plain"] == "run"
    assert verbs["next"] == "active"


def test_levels_put_an_arm_after_the_one_it_starts_from(tmp_path: Path) -> None:
    chain = "  last: {label: last, start_from: next}\n"
    levels = Study.load("mine", make(tmp_path, STUDY + chain)).levels()
    assert [[arm.name for arm in level] for level in levels][1:] == [["next", "student"], ["last"]]
    circle = STUDY.replace("plain: {label: plain,", "plain: {label: plain, start_from: next,")
    with pytest.raises(InputError, match="plain, next need one another's runs"):
        Study.load("mine", make(tmp_path, circle)).levels()


@pytest.mark.parametrize(
    "bounds", ["3", "{mean: 3}", "{mean: [0, 1e-3]}", "{median: [0, 1]}", "{mean: [0, 1], each: [0, 1]}"]
)
def test_bounds_that_cannot_be_read_are_refused(tmp_path: Path, bounds: str) -> None:
    with pytest.raises(InputError, match=r"expected \{mean: \[lowest, highest"):
        Study.load("mine", make(tmp_path, expected=f"plain.x: {bounds}\n"))


def test_a_part_is_a_study_inside_an_experiment(tmp_path: Path) -> None:
    experiments = make(tmp_path / "whole").parent
    study = Study.load("whole", experiments, "mine")
    assert (study.name, study.part, study.folder) == ("whole/mine", "mine", experiments / "whole" / "mine")
    assert study.folders == (study.folder, experiments / "whole")
    assert experiments_in(experiments) == ["whole"]
    with pytest.raises(InputError, match="has only parts: add part=mine"):
        Study.load("whole", experiments)
    with pytest.raises(InputError, match=r"no part 'mina' \(did you mean 'mine'\?\): expected one of mine"):
        Study.load("whole", experiments, "mina")


def test_an_experiment_without_parts_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it has no parts, leave out part=b"):
        Study.load("mine", make(tmp_path), "b")


def test_an_unknown_experiment_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"did you mean 'mine'\?\): expected one of mine"):
        Study.load("mina", make(tmp_path))
    with pytest.raises(InputError, match="give --experiments DIR"):
        Study.load("mine", tmp_path / "nowhere")
