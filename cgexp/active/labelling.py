"""Labelling: the oracle is asked for every selected configuration that has no answer yet, within budget and time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.active.workers import Answer, Answers, ask, ask_apart, ask_elsewhere
from cgexp.errors import InputError
from cgexp.executor.workers import Workers
from cgexp.frames import Frames, concatenate
from cgexp.oracles.oracle import Coords, Oracle
from cgexp.progress import Report, silent


def label(
    oracle: Oracle,
    coords: Coords,
    answers: Answers,
    store: Path,
    budget_s: float | None = None,
    timeout_s: float | None = None,
    progress: Report = silent,
    workers: Workers | None = None,
) -> None:
    """Ask for every configuration [n, n_beads, n_dims] that has no answer yet; each answer is kept before the next.

    budget_s: CPU seconds for all n together, earlier ones included; none is begun once they are spent. timeout_s:
    seconds for one. With a timeout, or an oracle that may use several processes, the work is done in processes of its
    own, which can be ended; with ``workers`` the oracle's work is done there, which cannot.
    """
    n, todo = len(coords), answers.unanswered(len(coords))
    spent = sum(answer.cost_s for answer in answers.read(n).values())

    def affordable() -> Iterator[int]:
        for index in todo:
            if budget_s is not None and spent >= budget_s:
                return
            yield index

    found: Iterator[tuple[int, Answer]]
    n_parallel = getattr(oracle, "n_parallel", 1)
    if workers is not None:
        found = ask_elsewhere(oracle, coords, affordable(), store, workers)
    elif timeout_s is None and n_parallel == 1:
        found = ((index, ask(oracle, coords[index], store)) for index in affordable())
    else:
        single: Any = replace(oracle, n_parallel=1) if n_parallel > 1 else oracle  # type: ignore[call-arg]
        found = ask_apart(single, coords, affordable(), store, n_parallel, timeout_s)
    for done, (index, answer) in enumerate(found, start=n - len(todo) + 1):
        answers.write(index, answer)
        spent += answer.cost_s
        progress(done, n, answer.reason)
    _refuse_broken(answers.read(n), answers.folder)


def _refuse_broken(found: Mapping[int, Answer], folder: Path) -> None:
    """Stop where the oracle answered nothing at all: then something is wrong with it, not with the configurations."""
    if found and all(answer.broken for answer in found.values()):
        first = next(iter(found.values()))
        raise InputError(
            f"the oracle answered none of {len(found)} configurations, the first: {first.reason}; mend it, delete "
            f"{folder} and run again"
        )


def accepted(found: Mapping[int, Answer], like: Frames) -> tuple[Frames, NDArray[np.int64]]:
    """The labelled frames, and which configuration each is of [n_frames]; frames ``like`` these, but none, for none."""
    good = {index: answer.frames for index, answer in found.items() if answer.frames is not None}
    if not good:
        return like.select(np.zeros(0, dtype=np.int64)), np.zeros(0, dtype=np.int64)
    index = np.repeat(np.array(list(good), dtype=np.int64), [len(frames) for frames in good.values()])
    return concatenate(list(good.values())), index
