"""Workers: an oracle that hangs is given up after its time, one that dies is replaced, and what they use counts."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import numpy as np
import pytest

from cgexp.active.labelling import label
from cgexp.active.workers import Answers
from cgexp.errors import InputError
from tests.active.fakes import fake
from tests.active.test_labelling import configurations


def test_an_oracle_that_hangs_stops_nothing(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "labels")
    label(fake(hangs=(0,)), configurations(2), answers, tmp_path, timeout_s=0.3)
    hung, good = answers.read(2).values()
    assert hung.reason == "no answer within 0.3 s"
    assert good.frames is not None


@pytest.mark.slow
def test_an_oracle_that_hangs_is_given_up_and_one_that_dies_is_replaced(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "labels")
    began = time.monotonic()
    label(fake(hangs=(1,), dies=(2,), raises=(3,)), configurations(5), answers, tmp_path, timeout_s=1.0)
    assert time.monotonic() - began < 120.0
    found = answers.read(5)
    assert [index for index, answer in found.items() if answer.frames is not None] == [0, 4]
    assert found[1].reason == "no answer within 1 s"
    assert 0.05 < found[1].cost_s < 1.5  # it computed all the while, as far as others let it
    assert found[2].reason == "its process ended with exit code 3"
    assert found[3].reason == "ZeroDivisionError: it broke"
    assert all(found[index].broken for index in (1, 2, 3))
    assert multiprocessing.active_children() == []


@pytest.mark.slow
def test_answers_are_those_of_one_process(tmp_path: Path) -> None:
    apart, here = Answers(tmp_path / "apart"), Answers(tmp_path / "here")
    label(fake(rejects=(1,)), configurations(4), apart, tmp_path, timeout_s=60.0)
    label(fake(rejects=(1,)), configurations(4), here, tmp_path)
    for one, other in zip(apart.read(4).values(), here.read(4).values(), strict=True):
        assert one.reason == other.reason
        assert (one.frames is None) == (other.frames is None)
        if one.frames is not None and other.frames is not None:
            assert one.frames.content_hash == other.frames.content_hash


@pytest.mark.slow
def test_a_mistake_of_the_user_is_raised_here(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="shape"):
        label(fake(), np.zeros((1, 2, 1), dtype=np.float32), Answers(tmp_path / "labels"), tmp_path, timeout_s=60.0)
    assert multiprocessing.active_children() == []
