"""A reference that is an equilibrium ensemble, made by independent runs; their distance is its resolution."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.bootstrap import bootstrap_sem
from cgexp.analysis.divergences import N_DRAWS, thin, wasserstein_2d
from cgexp.analysis.tica import Tica
from cgexp.frames import Frames, force_field_of, plain_bytes


def other_force_field(data: Frames, reference: Frames) -> str | None:
    """What to tell of a comparison of data with a reference in another force field, or maybe so; None: in the same."""
    own, other = force_field_of(data), force_field_of(reference)
    if not other or own == other:
        return None
    if own:
        remark = "distances to it tell of the force fields as much as of the model"
        return f"the data are in {own}, the reference in {other}: {remark}"
    remark = "if theirs is another, distances tell of it, too"
    return f"the data do not state their force field, the reference is in {other}: {remark}"


Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Equilibrium:
    """frames: with weights at their temperature, block = a stretch of a walker. tica: fitted once, on the walkers.

    run: which independent run each frame is of, [n_frames]. name: of the shipped set.
    """

    name: str
    frames: Frames
    tica: Tica
    run: Indices

    @classmethod
    def of_runs(cls, name: str, frames: Frames, tica: Tica, runs: Sequence[Mapping[str, Any]]) -> Equilibrium:
        """The ensemble of runs whose blocks follow one another in the frames; each states its ``first_block``.

        As cards keep them, of ensembles that ship and of teachers.
        """
        firsts = np.array([run["first_block"] for run in runs])
        return cls(name, frames, tica, np.searchsorted(firsts, frames.block, side="right") - 1)

    def content_hash(self) -> str:
        """SHA-256 of all that it is: frames, TICA, and which run each frame is of."""
        arrays, meta = self.tica.to_arrays()
        digest = hashlib.sha256(json.dumps([self.frames.content_hash, self.name, meta], sort_keys=True).encode())
        for name, array in sorted({**arrays, "run": self.run}.items()):
            digest.update(f"{name}{array.dtype.str}{array.shape}".encode())
            digest.update(plain_bytes(array))
        return digest.hexdigest()

    def step_ps(self) -> float | None:
        """Time between frames, ps, if every block is a trajectory of equal steps in time and all frames weigh alike.

        They are then continuous dynamics at the temperature of the frames. None otherwise, as where walkers change
        temperature: a reference without kinetics.
        """
        frames = self.frames
        if frames.time_ps is None or not (frames.weights is None or np.ptp(frames.weights) == 0.0):
            return None
        same_block = np.diff(frames.block) == 0
        steps = np.diff(frames.time_ps.astype(np.float64))[same_block]
        if not steps.size or len(np.unique(frames.block)) != 1 + np.count_nonzero(~same_block):
            return None
        step = float(np.median(steps))
        return step if step > 0.0 and np.abs(steps - step).max() < 0.01 * step else None

    def resolution(
        self, n_samples: int, n_bootstrap: int, rng: np.random.Generator, folded: NDArray[np.bool_] | None = None
    ) -> dict[str, float]:
        """``w1_tica_resolution``: the ``w1_tica`` of the two runs, ``n_samples`` frames of each; and its error.

        folded: which frames are, [n_frames]. With it ``resolution_relative``: that distance over the one between the
        folded frames and all others, 1 where runs differ as much as one that is all folded from one that never is.
        Its error is that of the first alone. Absent where no frame or every frame is folded.
        """
        tica = self.tica.transform(self.frames.coords)
        assert self.frames.weights is not None
        weights = np.asarray(self.frames.weights, dtype=np.float64)
        runs = [np.flatnonzero(self.run == run) for run in (0, 1)]
        found = run_distance(tica, weights, self.frames.block, runs, n_samples, n_bootstrap, rng)
        if folded is None or not found or not (weights[folded].any() and weights[~folded].any()):
            return found
        sides = [np.flatnonzero(folded & (weights > 0)), np.flatnonzero(~folded & (weights > 0))]
        scale = run_distance(tica, weights, self.frames.block, sides, n_samples, 0, rng, "scale")["scale"]
        names = {"w1_tica_resolution": "resolution_relative", "w1_tica_resolution_sem": "resolution_relative_sem"}
        return found | {names[name]: value / scale for name, value in found.items()}


def run_distance(
    tica: NDArray[np.float64],
    weights: NDArray[np.float64],
    block: NDArray[np.integer],
    runs: list[NDArray[np.intp]],
    n_samples: int,
    n_bootstrap: int,
    rng: np.random.Generator,
    name: str = "w1_tica_resolution",
) -> dict[str, float]:
    """Wasserstein-1 between the frames of two runs in the plane of the ICs, with the error from blocks of each.

    tica: [n_frames, 2]. weights, block: [n_frames]. runs: indices of the frames of each. n_samples: frames of each side
    that are compared, since the distance of finite samples is biased upwards; the mean over N_DRAWS such choices.
    """
    blocks = [[run[block[run] == value] for value in np.unique(block[run])] for run in runs]
    n_units = min(len(parts) for parts in blocks)

    def between(sides: list[NDArray[np.intp]]) -> dict[str, float]:
        a, b = (side[thin(len(side), n_samples, rng)] for side in sides)
        if not (weights[a].any() and weights[b].any()):
            return {}
        return {name: wasserstein_2d(tica[a], tica[b], weights[a], weights[b], n_samples=n_samples, rng=rng)}

    def redrawn(_: NDArray[np.intp]) -> dict[str, float]:  # each run has blocks of its own to draw
        return between([np.concatenate([p[i] for i in rng.integers(len(p), size=len(p))]) for p in blocks])

    drawn = [between(runs) for _ in range(N_DRAWS)]
    found = {name: float(np.mean([values[name] for values in drawn])) for name in drawn[0] if all(drawn)}
    return found | {f"{key}_sem": sem for key, sem in bootstrap_sem(redrawn, n_units, n_bootstrap, rng).items()}
