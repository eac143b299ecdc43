"""TICA: slow collective coordinates, fitted once on continuous reference walkers and never on a model's data.

Time-lagged independent component analysis (Pérez-Hernández et al. 2013, J. Chem. Phys. 139, 015102; kinetic map: Noé
and Clementi 2015, J. Chem. Theory Comput. 11, 5002). Here it defines coordinates; it makes no claim about kinetics.

Its features are all distances of C-alpha beads, as long as these are few: at most MOST_FEATURES, and fewer than the
pairs of frames. Otherwise the chain is thinned evenly, its ends kept, to as many beads as leave at most MOST_FEATURES
distances between beads SEPARATION or more apart along the chain, and PAIRS_A_FEATURE pairs of frames for each: a matrix
of correlations that is fitted on fewer has slow components by chance. So the cost does not grow with the chain.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.observables import pair_distances
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.systems.peptide import SEPARATION

FEATURES = "all CA-CA distances in Å, pairs ordered by first, then second bead"
THINNED = "CA-CA distances in Å of the array pairs, which are 3 or more apart among beads evenly along the chain"
MOST_FEATURES = 500  # all of 32 beads have 496
PAIRS_A_FEATURE = 4
FEWEST_FEATURES = 10
N_COMPONENTS = 2
AT_ONCE = 4_500_000  # features that are held in memory at a time: 36 MB
EARLIEST, LATEST = 0.01, 1.5  # frame spacings by which a partner may miss the lag, before and after

Scaling = Literal["kinetic_map", "none"]


@dataclass(frozen=True)
class Tica:
    """IC = (features - mean) @ components: mean [n_features], components [n_features, 2], eigenvalues [2].

    features: what they are, in words. lag_ps: mean over the pairs of frames, ps. scaling: 'kinetic_map' multiplies each
    IC, which has unit variance in the fitted data, by its eigenvalue. data_hash: content hash of the frames it was
    fitted on. n_pairs: of frames. beads: the C-alpha beads among those of the frames; None where there are no others.
    pairs: of C-alpha beads whose distances are the features, [n_features, 2]; None for all.
    """

    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    eigenvalues: NDArray[np.float64]
    lag_ps: float
    scaling: Scaling
    data_hash: str
    n_pairs: int
    features: str = FEATURES
    beads: NDArray[np.int64] | None = None
    pairs: NDArray[np.int64] | None = None

    @classmethod
    def fit(
        cls,
        frames: Frames,
        lag_ps: float,
        scaling: Scaling = "kinetic_map",
        beads: NDArray[np.int64] | None = None,
    ) -> Tica:
        """Fit on pairs of frames of one block that are ``lag_ps`` (ps) apart in time; weights are not used.

        Where no frame lies at the lag, the next one is the partner: the lag is rounded up to the frames' spacing. The
        sign of an IC is such that the feature it correlates most with grows along it. beads: the C-alpha beads, None
        where there are no others.
        Raises InputError if the frames have no time_ps, no pairs at that lag, or too few to define two components.
        """
        from deeptime.decomposition import TICA  # takes seconds to import
        from deeptime.numeric import ZeroRankError

        first, second, lag = lagged_pairs(frames, lag_ps)
        pairs = chosen_pairs(frames.coords.shape[1] if beads is None else len(beads), len(first), lag)
        features = _features(frames.coords, beads, pairs)
        unmoved = InputError("the reference hardly moves, so that TICA finds no two components: use other frames")
        try:
            model = TICA(scaling=None).fit_from_timeseries((features[first], features[second])).fetch_model()
        except ZeroRankError as error:
            raise unmoved from error
        components, eigenvalues = model.singular_vectors_left, model.singular_values[:N_COMPONENTS]
        if features.shape[1] == 1:  # of two beads: the second IC is zero
            components, eigenvalues = np.pad(components, ((0, 0), (0, 1))), np.pad(eigenvalues, (0, 1))
        if components.shape[1] < N_COMPONENTS:
            raise unmoved
        components = components[:, :N_COMPONENTS] * _signs(features, components[:, :N_COMPONENTS])
        if scaling == "kinetic_map":
            components = components * eigenvalues
        words = FEATURES if pairs is None else THINNED
        return cls(
            model.mean_0, components, eigenvalues, lag, scaling, frames.content_hash, len(first), words, beads, pairs
        )

    def transform(self, coords: NDArray[np.floating]) -> NDArray[np.float64]:
        """The first two ICs of coords [n_frames, n_beads, 3] in Å, beads as in the fitted frames: [n_frames, 2]."""
        n_rows = max(1, AT_ONCE // len(self.mean))
        parts = [
            (_features(coords[start : start + n_rows], self.beads, self.pairs) - self.mean) @ self.components
            for start in range(0, len(coords), n_rows)
        ]
        return np.concatenate(parts) if parts else np.zeros((0, N_COMPONENTS))

    def to_arrays(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Arrays and JSON-able metadata, as store.write_arrays takes them."""
        arrays: dict[str, NDArray[Any]] = {
            "mean": self.mean,
            "components": self.components,
            "eigenvalues": self.eigenvalues,
        }
        arrays |= {name: found for name in ("beads", "pairs") if (found := getattr(self, name)) is not None}
        names = ("lag_ps", "scaling", "data_hash", "n_pairs", "features")
        return arrays, {name: getattr(self, name) for name in names}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], meta: Mapping[str, Any]) -> Tica:
        """The inverse of to_arrays; raises InputError for features that this version does not compute."""
        if meta["features"] != (THINNED if "pairs" in arrays else FEATURES):
            raise InputError(f"this TICA was fitted on '{meta['features']}': expected '{FEATURES}'; fit it again")
        return cls(**arrays, **meta)


def chosen_pairs(n_beads: int, n_frame_pairs: int, lag_ps: float) -> NDArray[np.int64] | None:
    """Pairs of beads whose distances are the features, [n_features, 2]; None: all pairs. The rule is the module's.

    Raises InputError if the pairs of frames determine fewer than FEWEST_FEATURES.
    """
    n_all = n_beads * (n_beads - 1) // 2
    if n_all <= MOST_FEATURES and n_all < n_frame_pairs:
        return None
    most = min(MOST_FEATURES, n_frame_pairs // PAIRS_A_FEATURE)
    if most < FEWEST_FEATURES:
        raise InputError(
            f"the reference has {n_frame_pairs} pairs of frames {lag_ps:g} ps apart, too few to fit TICA on: expected "
            f"at least {min(n_all + 1, FEWEST_FEATURES * PAIRS_A_FEATURE)}; set a shorter analysis.lag_ps or use more "
            "frames"
        )
    for n_kept in range(min(n_beads, math.isqrt(2 * most) + 4), 1, -1):  # of more beads there are too many distances
        kept = np.rint(np.linspace(0, n_beads - 1, n_kept)).astype(np.int64)
        first, second = np.triu_indices(n_kept, 1)
        pairs = np.stack([kept[first], kept[second]], axis=1)
        pairs = pairs[pairs[:, 1] - pairs[:, 0] >= SEPARATION]
        if len(pairs) <= most:
            break
    return pairs


def _features(
    coords: NDArray[np.floating], beads: NDArray[np.int64] | None, pairs: NDArray[np.int64] | None
) -> NDArray[np.float64]:
    """Distances [n_frames, n_features] of coords [n_frames, n_beads, 3]: of all C-alpha beads, or of these pairs."""
    alpha = coords if beads is None else coords[:, beads]
    return pair_distances(alpha, pairs)


def _signs(features: NDArray[np.float64], components: NDArray[np.float64]) -> NDArray[np.float64]:
    """+1 or -1 for each component, such that its strongest correlation with a feature becomes positive."""
    centred = features - features.mean(axis=0)
    deviation = centred.std(axis=0)
    correlation = (centred.T @ (centred @ components)) / np.where(deviation > 0, deviation, np.inf)[:, None]
    strongest = np.abs(correlation).argmax(axis=0)
    return np.where(correlation[strongest, np.arange(components.shape[1])] < 0, -1.0, 1.0)


def lagged_pairs(frames: Frames, lag_ps: float) -> tuple[NDArray[np.intp], NDArray[np.intp], float]:
    """Indices of all pairs of frames of one block whose times differ by the lag, and the mean difference in ps.

    Raises InputError if there are none, or if the time of a block is not that of one continuous walker.
    """
    if frames.time_ps is None:
        raise InputError(
            "the reference has no time_ps, so that TICA cannot be fitted on it: use frames of continuous walkers that "
            "carry their time"
        )
    longest = 0.0
    pairs = [(np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp))]
    for index in _walkers(frames):
        time = frames.time_ps[index].astype(np.float64)
        longest = max(longest, time[-1] - time[0])
        if (np.diff(time) <= 0.0).any():
            raise InputError(
                f"time_ps of block {frames.block[index[0]]} of the reference is the same twice, as where several "
                "trajectories follow each other: give each its own block, since pairs of frames are of one walker"
            )
        if len(time) > 1:
            step = float(np.median(np.diff(time)))
            partner = np.minimum(np.searchsorted(time, time + lag_ps - EARLIEST * step), len(time) - 1)
            late = time[partner] - time - lag_ps
            matched = (late >= -EARLIEST * step) & (late <= LATEST * step)
            pairs.append((index[matched], index[partner[matched]]))
    first, second = (np.concatenate(side) for side in zip(*pairs, strict=True))
    if len(first) == 0:
        raise InputError(
            f"analysis.lag_ps={lag_ps:g} is longer than every block of the reference, the longest of which spans "
            f"{longest:g} ps: set a shorter analysis.lag_ps or use longer walkers"
        )
    lag = np.mean(frames.time_ps[second].astype(np.float64) - frames.time_ps[first].astype(np.float64))
    return first, second, round(float(lag), 6)  # time may have been kept in single precision


def _walkers(frames: Frames) -> Iterator[NDArray[np.intp]]:
    """Indices of each block's frames, in the order of time."""
    assert frames.time_ps is not None
    order = np.lexsort((frames.time_ps, frames.block))
    cuts = np.flatnonzero(np.diff(frames.block[order])) + 1
    yield from np.split(order, cuts)
