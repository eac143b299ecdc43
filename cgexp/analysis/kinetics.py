"""The Markov state model of a simulation in the plane of the ICs: metrics, and what its figure shows.

Its time is that of the coarse-grained dynamics, which lacks the friction of what was left out and has one of its own:
compare timescales of models at one friction with one another, and never with physical time.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.curves import MarkovCurve
from cgexp.analysis.ensemble import Ensemble, ReplicaEnsemble
from cgexp.analysis.folding import ABOVE, folded
from cgexp.analysis.msm import N_TIMESCALES, Chain, Discrete, assign, chapman_kolmogorov, cluster

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

N_CLUSTERS = 50
POINTS_PER_CLUSTER = 20  # a smaller production is divided into fewer clusters
N_LAGS = 8  # at which implied timescales are shown
N_MULTIPLES = 5  # largest multiple of the lag in the Chapman-Kolmogorov test
LONGER, GROWTH = 4, 1.2  # lags up to this many times the model's tell whether a timescale has stopped to grow, by this
TIME = "times are of the coarse-grained dynamics, which are no physical times"
NO_REFERENCE = "no timescales of the reference: its walkers are not continuous at one temperature"


class Kinetics(NamedTuple):
    """Metrics of a Markov model, what its figure shows (None without a model), and a note: on it, or why none."""

    metrics: dict[str, float]
    curve: MarkovCurve | None
    note: str


@dataclass(frozen=True)
class KineticSettings:
    """lag: of the model, saved frames. n_states: metastable states. folded_rmsd: Å. n_bootstrap, seed: of the draws."""

    lag: int
    n_states: int
    folded_rmsd: float
    n_bootstrap: int
    seed: int


@dataclass(frozen=True)
class Walkers:
    """Continuous walkers of a reference at one temperature: frames walker after walker, ``step`` ps apart."""

    frames: Ensemble
    step: float


def kinetics(replicas: ReplicaEnsemble, settings: KineticSettings, reference: Walkers | None = None) -> Kinetics:
    """``msm_timescale_1``, ``msm_timescale_2`` (ps of CG time) and ``msm_ck_error``, with their curve and a note.

    The errors are from a bootstrap of the replicas. A timescale
    that still grows with the lag is a lower bound, ``msm_timescale_1_above`` without error: the variational principle
    lets an implied timescale only fall short. A reference of continuous walkers adds ``msm_timescale_1_reference`` and
    ``msm_timescale_2_reference``, in the same clusters.
    """
    n_frames = len(replicas.time) - replicas.n_dropped
    n_points = n_frames * replicas.n_replicas
    reason = _missing(replicas.continuous, n_frames, n_points, settings.lag, settings.n_states)
    if reason is None:
        walkers = Walkers(replicas.trajectories(), float(np.median(np.diff(replicas.time))))
        kinetics = _estimate(walkers, n_frames, settings)
        if kinetics is not None:
            return kinetics if reference is None else _with_reference(kinetics, reference, settings)
        reason = f"the transitions of the simulation do not divide into {settings.n_states} metastable states"
    return Kinetics({}, None, f"no Markov model: {reason}")


def _missing(continuous: bool, n_frames: int, n_points: int, lag: int, n_states: int) -> str | None:
    """Why no model can be made of ``n_frames`` of each replica, in words; None if one can."""
    if not continuous:
        return "the replicas change temperature, so that none is dynamics at one temperature"
    if n_frames < 2 * lag + 1:
        return f"the production has {n_frames} saved frames, and msm_lag={lag} needs at least {2 * lag + 1}"
    if n_points < POINTS_PER_CLUSTER * (n_states + 1):
        return f"the production has {n_points} frames in all, too few for {n_states} metastable states"
    return None


@dataclass(frozen=True)
class _Model:
    """What is computed from the discrete trajectories, once of all and once for every draw of replicas."""

    timescales: Array  # [n_lags, n_timescales]
    predicted: Array  # [n_multiples, n_sets], of the Chapman-Kolmogorov test
    observed: Array
    populations: Array  # [n_sets]

    @property
    def ck_error(self) -> float:
        return float(np.sqrt(np.mean((self.predicted - self.observed) ** 2)))


def _estimate(walkers: Walkers, n_frames: int, settings: KineticSettings) -> Kinetics | None:
    frames, step = walkers.frames, walkers.step
    n_clusters = min(N_CLUSTERS, len(frames) // POINTS_PER_CLUSTER)
    state, centres = cluster(frames.tica, n_clusters, settings.seed)
    names, walk = np.unique(frames.block, return_inverse=True)
    walks = Discrete(state, walk, n_clusters)
    lags = _lags(settings.lag, n_frames)
    multiples = list(range(1, min(N_MULTIPLES, (n_frames - 1) // settings.lag) + 1))
    chain = Chain.of(walks.counts(settings.lag))
    sets = None if chain is None else chain.metastable(settings.n_states)
    if chain is None or sets is None:
        return None
    cluster_set = np.full(n_clusters, -1)  # -1: not connected to the others
    cluster_set[chain.states] = sets

    def measure(times: Indices | None) -> _Model | None:
        return _model(walks, times, lags, multiples, settings, cluster_set)

    rng = np.random.default_rng(settings.seed)
    model = measure(None)
    assert model is not None
    n_draws = settings.n_bootstrap if len(names) > 1 else 0
    chosen = rng.multinomial(len(names), np.full(len(names), 1.0 / len(names)), size=n_draws)
    draws = [drawn for drawn in map(measure, chosen) if drawn is not None]
    metrics = _metrics(model, draws, lags, settings.lag, step, len(names))
    length = (n_frames - 1) * step
    of_sets = None
    if frames.has_native:
        members, is_folded = cluster_set[state], folded(frames, settings.folded_rmsd)
        of_sets = [float(is_folded[members == i].mean()) for i in range(settings.n_states)]
    curve = MarkovCurve(
        lags=np.array(lags) * step,
        timescales=model.timescales * step,
        lag=settings.lag * step,
        length=length,
        multiples=np.array(multiples) * settings.lag * step,
        predicted=model.predicted,
        observed=model.observed,
        populations=model.populations,
        centres=centres,
        cluster_set=cluster_set,
        cluster_share=np.bincount(state, minlength=n_clusters) / len(state),
        folded=of_sets,
        **_percentiles(draws, step),
    )
    note = f"{TIME}; {NO_REFERENCE}"
    if any(name.endswith(ABOVE) for name in metrics):
        note += "; a timescale that grows with the lag is only known to be above that at the model's lag"
    if metrics.get("msm_timescale_1", metrics.get(f"msm_timescale_1{ABOVE}", 0.0)) > length:
        note += f"; the slowest process is slower than the {length:g} ps of a replica: its timescale is extrapolated"
    return Kinetics(metrics, curve, note)


def _with_reference(kinetics: Kinetics, reference: Walkers, settings: KineticSettings) -> Kinetics:
    """Timescales of the reference at the lags of the model, as near as its step allows."""
    metrics, curve, note = kinetics
    assert curve is not None
    frames, step = reference.frames, reference.step
    names, walk = np.unique(frames.block, return_inverse=True)
    walks = Discrete(assign(frames.tica, curve.centres), walk, len(curve.centres))
    longest = int(np.bincount(walk).max()) // 2
    lags = [lag for lag in np.unique(np.maximum(np.rint(curve.lags / step), 1).astype(int)) if lag <= longest]
    if not lags:
        return Kinetics(metrics, curve, f"{note}: its walkers are too short")

    def timescales(lag: int, times: Indices | None = None) -> Array:
        chain = Chain.of(walks.counts(lag, times))
        return np.full(N_TIMESCALES, np.nan) if chain is None else chain.timescales(lag * step)

    lag = min(lags, key=lambda value: abs(value * step - curve.lag))
    rng = np.random.default_rng(settings.seed)
    n_draws = settings.n_bootstrap if len(names) > 1 else 0
    chosen = rng.multinomial(len(names), np.full(len(names), 1.0 / len(names)), size=n_draws)
    near = [value for value in lags if lag <= value <= LONGER * lag]
    drawn = np.array([[timescales(value, times) for value in near] for times in [None, *chosen]])
    for i in range(N_TIMESCALES):
        metrics = metrics | _timescale(f"msm_timescale_{i + 1}_reference", drawn[:, :, i], near, lag, len(names))
    slow = np.array([timescales(lag) for lag in lags])
    note = note.replace(NO_REFERENCE, f"the reference's model has a lag of {lag * step:g} ps")
    with_reference = replace(curve, reference_lags=np.array(lags) * step, reference_timescales=slow)
    return Kinetics(metrics, with_reference, note)


def _model(
    walks: Discrete,
    times: Indices | None,
    lags: list[int],
    multiples: list[int],
    settings: KineticSettings,
    cluster_set: Indices,
) -> _Model | None:
    chains = {lag: Chain.of(walks.counts(lag, times)) for lag in lags}
    chain = chains[settings.lag]
    if chain is None:
        return None
    slow = [np.full(N_TIMESCALES, np.nan) if c is None else c.timescales(float(lag)) for lag, c in chains.items()]
    sets = cluster_set[chain.states]  # -1 for a cluster that only this draw connects
    observed = [walks.counts(multiple * settings.lag, times) for multiple in multiples]
    test = chapman_kolmogorov(chain, observed, multiples, sets, settings.n_states)
    populations = np.bincount(sets[sets >= 0], chain.stationary[sets >= 0], minlength=settings.n_states)
    return _Model(np.array(slow), *test, populations.astype(np.float64))


def _lags(lag: int, n_frames: int) -> list[int]:
    """Lags at which implied timescales are shown: geometric, up to half a trajectory, ``lag`` among them."""
    longest = max((n_frames - 1) // 2, lag)
    return sorted({lag, *np.unique(np.geomspace(1, longest, N_LAGS).round().astype(int)).tolist()})


def _metrics(
    model: _Model, draws: list[_Model], lags: list[int], lag: int, step: float, n_units: int
) -> dict[str, float]:
    slow = step * np.array([m.timescales for m in (model, *draws)])
    metrics: dict[str, float] = {}
    for i in range(N_TIMESCALES):
        metrics |= _timescale(f"msm_timescale_{i + 1}", slow[:, :, i], lags, lag, n_units)
    return metrics | with_error("msm_ck_error", [m.ck_error for m in (model, *draws)], n_units)


def _timescale(name: str, slow: Array, lags: list[int], lag: int, n_units: int) -> dict[str, float]:
    """A timescale at ``lag`` with its error, or ``<name>_above`` where it still grows with the lag.

    slow: at all lags, of the whole and of each draw, [1 + n_draws, n_lags]. It grows if at a lag up to LONGER times as
    long it is more than GROWTH times as large, and by more than two standard errors of the difference.
    """
    at_lag = slow[:, lags.index(lag)]
    for k, longer in enumerate(lags):
        rise = slow[:, k] - at_lag
        if not lag < longer <= LONGER * lag or not slow[0, k] > GROWTH * at_lag[0]:
            continue
        spread = rise[1:][np.isfinite(rise[1:])]
        if len(spread) < 2 or rise[0] > 2.0 * np.std(spread, ddof=1):
            return {f"{name}{ABOVE}": float(at_lag[0])}
    return with_error(name, at_lag.tolist(), n_units)


def with_error(name: str, values: list[float], n_units: int) -> dict[str, float]:
    """The first of the values, and its error from the others, draws of n_units replicas, as far as they are finite."""
    value, *others = values
    if not np.isfinite(value):
        return {}
    if len(others) < 2 or not np.isfinite(others).all():
        return {name: float(value)}
    correction = np.sqrt(n_units / (n_units - 1.0))  # as in bootstrap.bootstrap_sem
    return {name: float(value), f"{name}_sem": float(correction * np.std(others, ddof=1))}


def _percentiles(draws: list[_Model], step: float) -> dict[str, Array]:
    """The 16th and 84th percentile of what the draws have, as fields of MarkovCurve; none of fewer than two draws."""
    ends: dict[str, Array] = {}
    for name, factor in (("timescales", step), ("predicted", 1.0), ("observed", 1.0), ("populations", 1.0)):
        if len(draws) > 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # NaN where no draw has that timescale
                low, high = np.nanpercentile([getattr(draw, name) * factor for draw in draws], (16, 84), axis=0)
            ends |= {f"{name}_low": low, f"{name}_high": high}
    return ends
