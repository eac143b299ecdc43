"""What is kept of a composition: equal to what Hydra says anew, and only while the files are as they were."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from cgexp.config import composed as module
from cgexp.config.composed import composed, of_file
from cgexp.config.paths import group_options
from cgexp.config.schema import groups


def plain(node: Any) -> Any:
    """All but what Hydra notes of the overrides as they were given."""
    content: Any = OmegaConf.to_container(node, resolve=False)
    content["hydra"].pop("overrides")
    content["hydra"]["job"].pop("override_dirname")
    return content


def anew(overrides: list[str]) -> Any:
    module._kept.cache_clear()
    return plain(module.pickle.loads(module._kept(tuple(overrides), ())))


@pytest.mark.parametrize(
    "overrides",
    [
        ["seed=3", "++model.width=7", "experiment=toy_julia", "outputs='/a b/c=d'", "++model.width=8"],
        ["++trainer.callbacks={}", "++trainer.callbacks.none={a: [1, 2e-3]}", "scheduler=none", "++scheduler.gamma=1"],
        ["++prior.temperature=${dataset.temperature}", "parts=[mylab]", "++analysis.quantities=[a]", "~active"],
        ["++model.width=7", "~model.width", "+model.other=3"],  # their order counts
        ["hydra.job.chdir=false", "++hydra.job.name=x", "++loss.terms.force=null", "run=null"],
    ],
)
def test_keys_laid_on_what_is_kept_are_as_hydra_lays_them(overrides: list[str]) -> None:
    expected = anew(overrides)
    for _ in range(2):
        assert plain(composed(overrides)) == expected
    assert list(plain(composed(overrides))) == list(expected)


def test_jobs_that_differ_in_keys_are_composed_once_and_share_nothing() -> None:
    module._kept.cache_clear()
    first = composed(["experiment=toy_julia", "++model.width=3", "seed=1"])
    first.model.width = 4
    second = composed(["experiment=toy_julia", "++model.width=5", "seed=2"])
    assert (first.model.width, second.model.width, second.seed) == (4, 5, 2)
    assert module._kept.cache_info().misses == 1


def test_what_hydra_refuses_it_refuses_in_its_own_words() -> None:
    for overrides in (["++prior.temperature='${a'"], ["seed=1,2"], ["nonsense=1"]):
        with pytest.raises(Exception) as expected:  # noqa: PT011
            anew(overrides)
        with pytest.raises(type(expected.value)) as told:
            composed(overrides)
        assert str(told.value) == str(expected.value)


def test_a_file_that_is_changed_added_or_taken_away_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiments = tmp_path / "conf" / "experiment"
    experiments.mkdir(parents=True)
    (experiments / "back").symlink_to(tmp_path / "conf")
    (experiments / "nowhere.yaml").symlink_to(tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    own = [f"hydra.searchpath=[file://{tmp_path / 'conf'}]", "experiment=mine"]
    for seed in (1, 2):
        (experiments / "mine.yaml").write_text(f"# @package _global_\nseed: {seed}\n")
        os.utime(experiments / "mine.yaml", ns=(seed, seed))
        assert composed(own).seed == seed
    (experiments / "mine.yaml").unlink()
    with pytest.raises(Exception, match="Could not find 'experiment/mine'"):
        composed(own)


def test_an_option_that_its_file_alone_says_is_what_hydra_composes() -> None:
    for group in groups():
        alone = {option: of_file(group, option) for option in group_options(group)}
        option = next(option for option, node in alone.items() if node is not None)
        assert alone[option] == plain(composed(["~experiment", f"{group}={option}"]))[group]
