"""Rounds on disk: which file each step leaves, and the data set that follows from the files. Nothing is ever rewritten.

The data set of round k is the initial frames and what rounds 0 to k-1 added, in this order, so that an index into it
stays valid for good. A hash chain ties each addition to all that it was added to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cgexp.active.round import Round
from cgexp.active.workers import Answers
from cgexp.errors import InputError
from cgexp.frames import Frames, join
from cgexp.store import read_arrays, read_frames, read_header, read_record, write_frames

ROUNDS = "rounds"


class RoundFolder:
    """Paths of one round inside a run's folder. A step is done when its file is there."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = Path(folder), number
        self.path = self.folder / ROUNDS / f"{number:02d}"
        self.selection = self.path / "selection.npz"  # what the oracle is asked for, where it comes from, coverage
        self.labels = self.path / "labels"  # one file a configuration
        self.added = self.path / "added.npz"  # frames
        self.record = self.path / "round.json"  # all numbers of the round; the last file
        self.files = (self.selection, self.added, self.record)

    def lost_answers(self) -> list[int]:
        """Chosen configurations whose answer was there when the round's frames were written, and is there no more."""
        if not self.added.is_file():
            return []
        answered = read_header(self.added)["extra"].get("answered", [])  # older versions did not write it
        return [index for index in answered if not Answers(self.labels).path(index).is_file()]


def initial_data(frames: Frames) -> Frames:
    """Frames as they are before the first round: without a parent and of no round."""
    none = np.full(len(frames), -1, dtype=np.int64)
    return frames.with_labels(parent=none, round=none)


def data_of(folder: Path, initial: Frames, number: int) -> tuple[Frames, str]:
    """The data set that round ``number`` trains on, and its hash. Raises InputError if files do not follow each other.

    initial: as of ``initial_data``.
    """
    chain, parts = initial.content_hash, [initial]
    for one in (RoundFolder(folder, earlier) for earlier in range(number)):
        frames = read_frames(one.added)
        if added_to(one.added) != chain:
            raise InputError(
                f"{one.added} was added to another data set than the one before it: a file of an earlier round was "
                "exchanged or lost; restore it, or run with force=true"
            )
        chain = next_hash(chain, frames)
        parts.append(frames)
    return joined(parts), chain


def write_added(
    place: RoundFolder, frames: Frames, chain: str, selected: Sequence[int], answered: Sequence[int] = ()
) -> None:
    """Write what a round adds to the data set of hash ``chain``.

    selected: which chosen configuration each frame is of; answered: those of which there is an answer, if only a no.
    """
    write_frames(
        place.added, frames, added_to=chain, selected=[int(i) for i in selected], answered=[int(i) for i in answered]
    )


def added_to(path: Path) -> str:
    """Hash of the data set that the frames in the file were added to."""
    return str(read_arrays(path)[1]["extra"].get("added_to"))


def next_hash(chain: str, added: Frames) -> str:
    """Hash of a data set after frames were added to the one of hash ``chain``."""
    return hashlib.sha256(f"{chain}{added.content_hash}".encode()).hexdigest()


def joined(parts: Sequence[Frames]) -> Frames:
    """Frames of several origins as one set, with the labels that all have and the force map of the first.

    Standard errors that only some have are kept: see ``frames.join``.
    """
    parts = [part for part in parts if len(part)]
    kept = {"force_sem"}.union(set.intersection(*(set(part.arrays) for part in parts)))
    return join(
        [part.with_labels(force_map=parts[0].force_map, **dict.fromkeys(part.arrays.keys() - kept)) for part in parts]
    )


def weighted(frames: Frames, added_share: float | None) -> Frames:
    """Frames [n_frames] whose added ones together have the share ``added_share`` of all weight; None: as they are.

    Weights have the mean 1. Without an added frame, as in the first round, there is nothing to weigh.
    """
    if added_share is None or frames.round is None:
        return frames
    is_added = frames.round >= 0
    n_added = int(is_added.sum())
    if n_added in (0, len(frames)):
        return frames
    of_added, of_initial = added_share / n_added, (1.0 - added_share) / (len(frames) - n_added)
    return frames.with_labels(weights=len(frames) * np.where(is_added, of_added, of_initial))


def rounds_of(folder: Path) -> list[Round]:
    """All finished rounds, in their order; one that has lost a file since is to be finished again.

    Raises InputError if one is damaged.
    """
    finished: list[Round] = []
    place = RoundFolder(folder, 0)
    while all(path.is_file() for path in place.files) and not place.lost_answers():
        finished.append(Round.from_json(read_record(place.record, *Round.names())))
        place = RoundFolder(folder, len(finished))
    return finished


def seed_of(seed: int, *place: int) -> int:
    """The seed of a round, or of a part of it; the first round keeps the seed of the run."""
    if not any(place):
        return seed
    return int(np.random.SeedSequence([seed, *place]).generate_state(1)[0]) % 2**31
