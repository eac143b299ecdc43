"""Labelling: an oracle that rejects or fails stops nothing; every answer is kept, and asked for once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cgexp.active.labelling import accepted, label
from cgexp.active.workers import Answers, ask
from cgexp.errors import InputError
from cgexp.oracles.oracle import Coords
from tests.active.fakes import calls, fake, initial_frames


def configurations(n: int) -> Coords:
    """x = 0.5, 1.5, ..."""
    return (np.arange(n, dtype=np.float32) + 0.5).reshape(-1, 1, 1)


def test_an_oracle_that_fails_for_one_in_five_labels_the_others(tmp_path: Path) -> None:
    oracle, answers = fake(raises=(4, 9), rejects=(2,)), Answers(tmp_path / "labels")
    label(oracle, configurations(10), answers, tmp_path)
    found = answers.read(10)
    assert [index for index, answer in found.items() if answer.broken] == [4, 9]
    assert found[4].reason == "ZeroDivisionError: it broke"
    assert found[2].reason == "its force is not finite"
    assert not found[2].broken
    frames, index = accepted(found, initial_frames())
    assert index.tolist() == [0, 1, 3, 5, 6, 7, 8]
    assert frames.forces is not None
    np.testing.assert_array_equal(frames.forces, -configurations(10)[index])
    assert all(answer.cost_s >= 0 for answer in found.values())


def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    log, answers = tmp_path / "log", Answers(tmp_path / "labels")
    oracle = fake(raises=(1,), log=str(log))
    label(oracle, configurations(3), answers, tmp_path)
    label(oracle, configurations(5), answers, tmp_path)
    assert len(calls(log)) == len(set(calls(log))) == 5
    with pytest.raises(ValueError, match="labelled twice"):
        answers.write(0, ask(oracle, configurations(1)[0], tmp_path))


def test_an_answer_is_kept_before_the_next_is_asked_for(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "labels")

    def stop(done: int, total: int, text: str) -> None:
        assert answers.path(done - 1).is_file()
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label(fake(), configurations(5), answers, tmp_path, progress=stop)
    assert answers.unanswered(5) == [3, 4]


def test_no_configuration_is_begun_once_the_budget_is_spent(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "labels")
    label(fake(), configurations(5), answers, tmp_path, budget_s=1e-9)
    assert list(answers.read(5)) == [0]
    label(fake(), configurations(5), answers, tmp_path, budget_s=1e-9)  # earlier ones count
    assert list(answers.read(5)) == [0]


def test_an_oracle_that_answers_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"answered none of 2 configurations, the first: ZeroDivisionError: it broke"):
        label(fake(raises=(0, 1)), configurations(2), Answers(tmp_path / "labels"), tmp_path)


def test_a_mistake_of_the_user_is_no_answer(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "labels")
    with pytest.raises(InputError, match="shape"):
        label(fake(), np.zeros((2, 3, 1), dtype=np.float32), answers, tmp_path)
    assert answers.read(2) == {}


def test_frames_and_their_numbers_survive_the_file(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    answer = ask(fake(), configurations(1)[0], tmp_path)
    answers.write(0, answer)
    read = answers.read(1)[0]
    assert read.frames is not None
    assert answer.frames is not None
    assert read.frames.content_hash == answer.frames.content_hash
    assert read.cost_s == answer.cost_s


def test_where_all_is_rejected_nothing_is_added(tmp_path: Path) -> None:
    answers, like = Answers(tmp_path / "labels"), initial_frames()
    label(fake(rejects=(0, 1)), configurations(2), answers, tmp_path)
    frames, index = accepted(answers.read(2), like)
    assert (len(frames), len(index)) == (0, 0)
    assert frames.system == like.system
