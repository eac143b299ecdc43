"""The loop, with models made in no time: what is on disk, where frames come from, and stopping after every write."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cgexp import store
from cgexp.active.farthest_point import FarthestPoint
from cgexp.active.loop import Loop
from cgexp.active.random import Random
from cgexp.active.round import Round
from cgexp.active.rounds import RoundFolder, added_to, data_of, initial_data, joined, next_hash, rounds_of, seed_of
from cgexp.active.selection import Selection
from cgexp.active.settings import ActiveLearning
from cgexp.errors import InputError
from cgexp.oracles.oracle import Oracle
from cgexp.oracles.toy import ToyOracle
from cgexp.simulation.integrators import Baoab
from cgexp.simulation.simulation import Simulation
from cgexp.store import read_frames
from cgexp.systems.cgnet_toy import CGnetToy
from tests.active.fakes import FACTS, FakeModelMaker, calls, fake, initial_frames

INITIAL = initial_data(initial_frames())
SIMULATION = Simulation(integrator=Baoab(1.0), dt=0.1, temperature=1.0, n_replicas=4, n_steps=10, save_every=10)


def loop(
    oracle: Oracle | None = None, rule: Any = None, model_maker: FakeModelMaker | None = None, **changed: Any
) -> Loop:
    settings = ActiveLearning(**{"n_rounds": 2, "n_per_round": 3, **changed})
    return Loop(
        settings, model_maker or FakeModelMaker(), oracle or fake(), rule or FarthestPoint(), SIMULATION, CGnetToy(), 7
    )


def without_time(rounds: list[Round]) -> list[Round]:
    return [replace(done, oracle_s=0.0, oracle_s_total=0.0) for done in rounds]


def run(folder: Path, one: Loop) -> list[Round]:
    return one.run(INITIAL, folder, lambda record: None)


def test_rounds_add_what_the_oracle_labelled(tmp_path: Path) -> None:
    told: list[int] = []
    rounds = loop().run(INITIAL, tmp_path, lambda record: told.append(record.round))
    assert told == [0, 1, 2]
    assert [record.n_frames for record in rounds] == [50, 53, 56]
    assert [record.oracle_calls_total for record in rounds] == [3, 6, 6]
    assert [record.stop for record in rounds] == [None, None, "all 2 rounds are done"]
    assert rounds[1].data_hash == rounds[0].next_data_hash
    assert rounds[-1].n_candidates == 24
    frames, chain = data_of(tmp_path, INITIAL, 2)
    assert chain == rounds[2].data_hash
    assert frames.round is not None
    assert frames.round.tolist() == [-1] * 50 + [0] * 3 + [1] * 3
    assert frames.force_sem is not None
    assert np.isinf(frames.force_sem[:50]).all()  # instantaneous forces, whose error is not known
    assert not frames.force_sem[50:].any()
    assert rounds_of(tmp_path) == rounds


def test_every_frame_knows_who_proposed_it(tmp_path: Path) -> None:
    run(tmp_path, loop(oracle=fake(rejects=(0,)), model_maker=FakeModelMaker(failing={1: 2}), n_per_round=5))
    frames, _ = data_of(tmp_path, INITIAL, 2)
    assert frames.parent is not None
    assert frames.round is not None
    for number in (0, 1):
        selection = Selection.read(RoundFolder(tmp_path, number).selection)
        known, _ = data_of(tmp_path, INITIAL, number)
        assert selection.search.model == f"model {number}"
        starts = FakeModelMaker().judged(number, known).starts
        assert starts is not None
        assert (selection.replica >= 0).all()
        np.testing.assert_array_equal(known.coords[selection.parent], starts[selection.replica])
        of_round = frames.select(frames.round == number)
        assert of_round.parent is not None
        kept = [index for index, row in enumerate(selection.coords) if int(row[0, 0]) != 0]
        np.testing.assert_array_equal(of_round.coords, selection.coords[kept])
        np.testing.assert_array_equal(of_round.parent, selection.parent[kept])


class Killed(BaseException):
    """As a kill would: nothing is cleaned up that a signal would leave."""


def stop_at(monkeypatch: pytest.MonkeyPatch, number: int, before: bool) -> Callable[[], int]:
    """Let the write of this number be the last, or the first that does not happen; return how many there were."""
    original, done = store.write_whole, [0]

    def write(*arguments: Any, **options: Any) -> None:
        done[0] += 1
        if done[0] == number and before:
            raise Killed
        original(*arguments, **options)
        if done[0] == number:
            raise Killed

    monkeypatch.setattr(store, "write_whole", write)
    return lambda: done[0]


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_stopped_at_any_write_it_ends_with_the_same_data_and_asks_for_nothing_twice(
    before: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def misbehaving(log: Path) -> Loop:
        return loop(oracle=fake(rejects=(1,), raises=(3,), log=str(log)), n_per_round=4)

    monkeypatch.setattr("os.fsync", lambda handle: None)  # a hundred runs
    with monkeypatch.context() as patch:
        n_writes = stop_at(patch, -1, before)
        whole = run(tmp_path / "whole", misbehaving(tmp_path / "whole.log"))
    assert n_writes() == 2 * (1 + 4 + 1 + 1) + 3  # selection, labels, frames, record; no labels in the last round
    asked = calls(tmp_path / "whole.log")
    assert len(asked) == len(set(asked)) == 8
    for moment in range(1, n_writes() + 1):
        folder, log = tmp_path / "stopped", tmp_path / f"{moment}.log"
        with monkeypatch.context() as patch:
            stop_at(patch, moment, before)
            with pytest.raises(Killed):
                run(folder, misbehaving(log))
        again = run(folder, misbehaving(log))
        assert without_time(again) == without_time(whole), f"stopped at write {moment}"
        # an answer that could not be written is asked for again, any other is not
        assert len(calls(log)) - len(set(calls(log))) <= before
        assert set(calls(log)) == set(asked)
        shutil.rmtree(folder)


def test_a_finished_loop_makes_no_more_models(tmp_path: Path) -> None:
    model_maker = FakeModelMaker()
    first = run(tmp_path, loop(model_maker=model_maker))
    assert run(tmp_path, loop(model_maker=model_maker)) == first
    assert model_maker.n_models == 3


def test_a_rejected_configuration_is_not_chosen_again(tmp_path: Path) -> None:
    class Stuck(FakeModelMaker):
        """The same simulation in every round."""

        def judged(self, number: int, frames: Any) -> Any:
            return super().judged(0, INITIAL)

    rounds = run(tmp_path, loop(oracle=fake(rejects=tuple(range(-9, 9))), model_maker=Stuck(), n_rounds=3))
    chosen = np.concatenate([Selection.read(RoundFolder(tmp_path, number).selection).coords for number in range(3)])
    assert len(np.unique(chosen)) == 9
    assert len(data_of(tmp_path, INITIAL, 3)[0]) == 50
    coverage = [record.coverage_max for record in rounds]  # by frames labelled or asked for, so it falls
    assert coverage[1] < coverage[0]


def test_the_controls_cost_what_learning_costs(tmp_path: Path) -> None:
    exact = ToyOracle(system=CGnetToy(), **FACTS)
    arms = {
        "learning": loop(exact),
        "random": loop(exact, Random()),
        "plain": loop(exact, arm="plain"),
        "none": loop(exact, arm="none"),
    }
    rounds = {name: run(tmp_path / name, one) for name, one in arms.items()}
    assert {name: found[-1].oracle_calls_total for name, found in rounds.items()} == {
        "learning": 6, "random": 6, "plain": 6, "none": 0,
    }  # fmt: skip
    plain, _ = data_of(tmp_path / "plain", INITIAL, 2)
    assert plain.parent is not None
    assert (plain.parent[50:] == -1).all()
    assert INITIAL.coords.min() <= plain.coords[50:].min() <= plain.coords[50:].max() <= INITIAL.coords.max()
    assert len(np.unique(plain.coords)) == 56
    assert len({found[1].next_data_hash for found in rounds.values()}) == 4


def test_budgets_end_it_early(tmp_path: Path) -> None:
    rounds = run(tmp_path / "calls", loop(budget_calls=4, n_rounds=9))
    assert [record.oracle_calls for record in rounds] == [3, 1, 0]
    assert rounds[-1].stop == "the budget of 4 configurations is spent"
    rounds = run(tmp_path / "seconds", loop(budget_s=1e-9, n_rounds=9))
    assert [record.oracle_calls for record in rounds] == [1, 0]


def test_an_exchanged_file_is_noticed(tmp_path: Path) -> None:
    run(tmp_path / "one", loop())
    run(tmp_path / "other", loop(rule=Random()))
    assert added_to(RoundFolder(tmp_path / "one", 0).added) == INITIAL.content_hash
    shutil.copy(RoundFolder(tmp_path / "other", 0).added, RoundFolder(tmp_path / "one", 0).added)
    with pytest.raises(InputError, match="added to another data set"):
        data_of(tmp_path / "one", INITIAL, 2)


def test_frames_with_other_labels_and_another_map_can_be_added() -> None:
    added = initial_data(initial_frames(3)).with_labels(force_map="mean_force", force_sem=np.full((3, 1, 1), 0.1))
    both = joined([INITIAL.with_labels(time_ps=np.arange(50.0)), added])
    assert both.force_map == INITIAL.force_map
    assert both.time_ps is None
    assert len(both) == 53
    assert len(np.unique(both.block)) == 53


def test_hashes_and_seeds_tell_rounds_apart(tmp_path: Path) -> None:
    run(tmp_path, loop())
    added = read_frames(RoundFolder(tmp_path, 0).added)
    assert next_hash("a", added) != next_hash("b", added)
    assert seed_of(5, 0) == 5
    seeds = [seed_of(5, 1), seed_of(5, 2), seed_of(6, 1), seed_of(5, 1, 1), seed_of(5, 0, 1)]
    assert len(set(seeds)) == 5
    assert all(0 <= seed < 2**31 for seed in seeds)
