"""The loop: train, simulate and judge a model; select, label, append; repeat.

The result of every step is on disk before the next begins, and every random choice is a function of the seed and the
round. So a loop that was killed goes on where it was, and ends with the data set of an undisturbed one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cgexp.active.acquisition import Acquisition, Context
from cgexp.active.labelling import accepted, label
from cgexp.active.round import Round
from cgexp.active.rounds import RoundFolder, data_of, next_hash, rounds_of, seed_of, write_added
from cgexp.active.selection import Candidates, Search, Selection, parents_of, plain_candidates, rejected_before
from cgexp.active.settings import ActiveLearning, n_affordable, seconds_left, spent_calls, spent_seconds, stop_reason
from cgexp.active.workers import Answers
from cgexp.analysis.tica import Tica
from cgexp.executor.workers import Workers
from cgexp.frames import Frames
from cgexp.kernels.superposed import make_coverage
from cgexp.models.potential import Potential
from cgexp.oracles.oracle import Oracle
from cgexp.progress import Progress
from cgexp.simulation.simulation import Simulation
from cgexp.simulation.trajectory import Trajectory
from cgexp.store import read_frames, write_record
from cgexp.systems.base import System

STORE = "oracle"  # folder for the oracle's own files, the same in all rounds


@dataclass(frozen=True)
class Judged:
    """The model of a round.

    metrics: as in docs/metrics.md. models: that which was simulated comes first. model_hash: of that one.
    starts: [n_replicas, n_beads, n_dims], where the replicas of the trajectory began; None where they have mixed.
    """

    metrics: Mapping[str, float]
    trajectory: Trajectory
    starts: NDArray[np.floating] | None
    models: Sequence[Potential]
    model_hash: str
    tica: Tica | None = None


class ModelMaker(Protocol):
    """Where models are made: the stages of a run, in a folder of their own for each round."""

    def judged(self, number: int, frames: Frames) -> Judged:
        """Train on the frames, simulate and evaluate, as far as this is not done; return what came of it."""


@dataclass(frozen=True)
class Loop:
    """All that the loop works with. rule: None if the arm selects nothing. oracle: None if it labels nothing.

    simulation: that of proposals; it and kernel are for plain sampling of a teacher. workers: of the oracle; None:
    local processes.
    """

    settings: ActiveLearning
    model_maker: ModelMaker
    oracle: Oracle | None
    rule: Acquisition | None
    simulation: Simulation
    system: System
    seed: int
    kernel: str = "reference"
    workers: Workers | None = None

    def run(self, initial: Frames, folder: Path, emit: Callable[[Round], None]) -> list[Round]:
        """Do all rounds that are not done and return all; ``emit`` is given each as it is written.

        initial: as of ``rounds.initial_data``.
        """
        rounds = rounds_of(folder)
        while not rounds or rounds[-1].stop is None:
            place = RoundFolder(folder, len(rounds))
            frames, chain = data_of(folder, initial, place.number)
            judged = self.model_maker.judged(place.number, frames)
            if not place.selection.is_file():
                self._select(place, judged, frames, rounds).write(place.selection)
            selection = Selection.read(place.selection)
            if not place.added.is_file() or place.lost_answers():
                self._label(place, selection, rounds)
                self._append(place, selection, frames, chain)
            done = self._round(place, selection, judged, frames, chain, rounds)
            write_record(place.record, done.to_json())
            emit(done)
            rounds.append(done)
        return rounds

    def _select(self, place: RoundFolder, judged: Judged, frames: Frames, rounds: Sequence[Round]) -> Selection:
        """What the oracle is asked for: nothing in the last round."""
        settings, seed = self.settings, seed_of(self.seed, place.number)
        pool = Candidates.of_trajectory(judged.trajectory, settings.pool_stride, settings.pool_size)
        known = np.concatenate([frames.coords, *rejected_before(place.folder, place.number)])
        measured = make_coverage(self.system, pool.coords, known)
        coverage = float(np.sqrt(measured.squared[measured.most_distant(1)[0]]))
        stop = stop_reason(settings, rounds, judged.metrics, coverage)
        model: str | None = judged.model_hash
        n_short = 0
        n = 0 if stop else n_affordable(settings, rounds)
        if settings.arm == "none" or not n:
            chosen = np.zeros(0, dtype=np.int64)
        elif settings.arm == "plain":
            assert self.oracle is not None
            work = place.path / "plain"
            coords = plain_candidates(self.oracle, self.simulation, frames, n, work, seed, self.kernel)
            pool = Candidates.of_coords(coords)
            chosen = np.arange(len(pool))
            model = None  # no model proposed them
        else:
            assert self.rule is not None
            context = Context(self.system, judged.models, judged.tica, seed)
            n_short = max(0, n - len(pool))
            chosen = self.rule.select(pool.coords, known, n - n_short, context)
        distance = make_coverage(self.system, pool.coords[chosen], known).distances()
        parents = parents_of(judged.starts, judged.trajectory.coords.shape[1], frames)
        return Selection.of(pool, chosen, distance, parents, Search(stop, coverage, len(pool), model, n_short))

    def _label(self, place: RoundFolder, selection: Selection, rounds: Sequence[Round]) -> None:
        if len(selection):
            assert self.oracle is not None
            label(
                self.oracle,
                selection.coords,
                Answers(place.labels),
                place.folder / STORE,
                seconds_left(self.settings, rounds),
                self.settings.timeout_s,
                Progress(f"round {place.number}: labels"),
                self.workers,
            )

    def _append(self, place: RoundFolder, selection: Selection, frames: Frames, chain: str) -> None:
        """Write the labelled frames that this round adds to the data set."""
        answers = Answers(place.labels).read(len(selection))
        added, index = accepted(answers, frames)
        number = np.full(len(added), place.number, dtype=np.int64)
        added = added.with_labels(parent=selection.parent[index], round=number)
        write_added(place, added, chain, index.tolist(), list(answers))

    def _round(
        self,
        place: RoundFolder,
        selection: Selection,
        judged: Judged,
        frames: Frames,
        chain: str,
        rounds: Sequence[Round],
    ) -> Round:
        """All numbers of the round: for its file, its line on the screen, and a tracker."""
        answers = Answers(place.labels).read(len(selection))
        rejected = {index: answer for index, answer in answers.items() if answer.frames is None}
        added = read_frames(place.added)
        cost_s = float(sum(answer.cost_s for answer in answers.values()))
        return Round(
            round=place.number,
            metrics=dict(judged.metrics),
            stop=selection.search.stop,
            coverage_max=selection.search.coverage_max,
            n_candidates=selection.search.n_candidates,
            model=selection.search.model,
            n_short=selection.search.n_short,
            n_selected=len(selection),
            n_selected_failed=int(selection.failed.sum()),
            oracle_calls=len(answers),
            oracle_calls_total=len(answers) + spent_calls(rounds),
            oracle_s=cost_s,
            oracle_s_total=cost_s + spent_seconds(rounds),
            n_rejected=len(rejected),
            n_broken=sum(answer.broken for answer in rejected.values()),
            rejected={str(index): answer.reason for index, answer in rejected.items()},
            n_frames=len(frames),
            n_added=len(added),
            data_hash=chain,
            next_data_hash=next_hash(chain, added),
        )
