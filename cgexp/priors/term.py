"""PriorTerm: one term of a prior, a function of one kind of internal coordinate; and their statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cgexp.curves import Curve
from cgexp.energy import EnergyTerm, float64_coords
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.systems.base import System
from cgexp.units import UnitSystem, unit_system

Array = NDArray[np.floating]


def frame_shares(frames: Frames) -> Array:
    """Share of each frame in the ensemble, [n_frames], summing to 1: its weight, or one for all."""
    weights = np.ones(len(frames)) if frames.weights is None else np.asarray(frames.weights, dtype=np.float64)
    return weights / weights.sum()


def mean_and_variance(values: Array, shares: Array) -> tuple[Array, Array]:
    """Mean and variance over frames of values [n_frames, n_coordinates], each [n_coordinates]."""
    mean = shares @ values
    return mean, shares @ (values - mean) ** 2


def quantile(values: Array, shares: Array, q: float) -> float:
    """The value below which a share ``q`` of values [n_frames, n_coordinates] lies, all coordinates pooled."""
    order = np.argsort(values, axis=None)
    cumulative = np.cumsum(np.repeat(shares, values.shape[1])[order]) / values.shape[1]
    rank = min(int(np.searchsorted(cumulative, q)), order.size - 1)
    return float(values.ravel()[order[rank]])


def histograms(values: Array, shares: Array, edges: Array) -> Array:
    """Probability density of each coordinate on common bins: [n_frames, n_coordinates] -> [n_bins, n_coordinates]."""
    counts = [np.histogram(column, bins=edges, weights=shares)[0] for column in values.T]
    return np.stack(counts, axis=1) / np.diff(edges)[:, None]


INDEX = "bead index"
N_BINS = 60


@dataclass(frozen=True)
class PriorFit(Curve):
    """Data and fitted energy of a term along its internal coordinate x [n_bins], kT.

    energy_data, energy_fit: [n_bins, n_curves], a column for each coordinate (one for all where they share their
    parameters), NaN where no frame is. The data curve is -kT ln p without Jacobian, shifted to agree with the fit in
    the mean over the data. label, unit: of x. middle: [n_curves], mean index of the beads of each coordinate, from 0;
    None where coordinates are not of beads, or share one curve.
    """

    x: Array
    energy_data: Array
    energy_fit: Array
    label: str
    unit: str
    middle: Array | None = None


class PriorTerm(EnergyTerm):
    """Energy summed over the internal coordinates of one kind, with parameters fitted once from frames.

    A subclass states its ``convention`` (formula and fit, in words), names its buffers and their units in
    ``buffer_units`` ('{energy}' and '{length}' stand for the system's units, INDEX marks lists of beads) and
    implements ``fit``, ``internal_coordinates`` and ``energies``. Everything fitted is a buffer in float64, so that
    ``.to(dtype)`` casts it and state_dict holds it; buffers take the shape of whatever is loaded into them.
    """

    convention: str
    label: str
    unit: str
    buffer_units: Mapping[str, str]
    pooled = False  # whether all coordinates share one curve

    def __init__(self) -> None:
        super().__init__()
        for name, unit in self.buffer_units.items():
            empty = torch.empty(0, dtype=torch.int64 if unit == INDEX else torch.float64)
            self.register_buffer(name, empty)

    def fit(self, frames: Frames, system: System) -> None:
        """Set the parameters by Boltzmann inversion of the frames; raises InputError where they cannot be."""
        raise NotImplementedError

    def internal_coordinates(self, coords: Tensor) -> Tensor:
        """coords [n_frames, n_beads, n_dims] -> the coordinates this term acts on, [n_frames, n_coordinates]."""
        raise NotImplementedError

    def energies(self, values: Tensor) -> Tensor:
        """Energy of each internal coordinate: [n, n_coordinates] -> the same shape, in the system's energy unit."""
        raise NotImplementedError

    def energy(self, coords: Tensor) -> Tensor:
        return self.energies(self.internal_coordinates(coords)).sum(-1)

    def arguments(self) -> dict[str, Any]:
        """Constructor arguments this term was made with, for its record."""
        return {}

    def stiffness(self) -> float | None:
        """Largest force constant, energy/length^2, which bounds the time step; None where there is none to state."""
        return None

    def describe(self, units: str) -> dict[str, Any]:
        """JSON-able record: what is computed, and every parameter with its unit."""
        record: dict[str, Any] = {
            "_target_": f"{type(self).__module__}.{type(self).__qualname__}",
            "arguments": self.arguments(),
            "convention": self.convention,
            "parameters": {},
        }
        for name, unit in self.buffer_units.items():
            values = self.get_buffer(name).tolist()
            record["parameters"][name] = {"unit": _in_words(unit, unit_system(units)), "values": values}
        return record

    def restore(self, record: Mapping[str, Any]) -> None:
        """Take the parameters of a record made by ``describe``."""
        for name in self.buffer_units:
            values = torch.tensor(record["parameters"][name]["values"], dtype=self.get_buffer(name).dtype)
            setattr(self, name, values.to(self.get_buffer(name).device))

    def fit_quality(self, frames: Frames) -> PriorFit:
        """Boltzmann-inverted histograms of the frames beside the fitted energy, for a figure."""
        with torch.no_grad():
            values = self.internal_coordinates(float64_coords(frames)).numpy()
        shares = frame_shares(frames)
        if self.pooled:
            shares = np.repeat(shares, values.shape[1]) / values.shape[1]
            values = values.reshape(-1, 1)
        edges = _bin_edges(values)
        x = 0.5 * (edges[1:] + edges[:-1])
        density = histograms(values, shares, edges)
        fitted = self._curve(x, values.shape[1]) / frames.kT
        inverted = -np.log(density, out=np.full_like(density, np.nan), where=density > 0)
        probability = density * np.diff(edges)[:, None]
        shift = (probability * np.nan_to_num(fitted - inverted)).sum(0) / probability.sum(0)
        unit = _in_words(self.unit, frames.unit_system)
        return PriorFit(x, inverted + shift, fitted, self.label, unit, None if self.pooled else self._middle())

    def _middle(self) -> Array | None:
        """Mean index of the beads of each coordinate, [n_coordinates]; None for a term of no beads."""
        for name, unit in self.buffer_units.items():
            if unit == INDEX:
                return self.get_buffer(name).double().mean(-1).numpy(force=True)
        return None

    def _curve(self, x: NDArray[np.floating], n_curves: int) -> NDArray[np.floating]:
        """Fitted energy on a grid of the internal coordinate, [n_bins, n_curves]."""
        dtype = next(self.get_buffer(name).dtype for name, unit in self.buffer_units.items() if unit != INDEX)
        grid = torch.from_numpy(x).to(dtype)[:, None].expand(-1, n_curves)
        with torch.no_grad():
            return self.energies(grid).double().numpy()

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        for name in self.buffer_units:
            loaded = state_dict.get(prefix + name)
            if loaded is not None and loaded.shape != self.get_buffer(name).shape:
                setattr(self, name, self.get_buffer(name).new_empty(loaded.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)


def require_chain(term: PriorTerm, frames: Frames, min_beads: int) -> None:
    """Raise InputError unless the frames are chains in three dimensions long enough for the term."""
    if frames.n_dims != 3 or frames.n_beads < min_beads:
        raise InputError(
            f"prior term {type(term).__name__} needs at least {min_beads} beads in 3 dimensions but '{frames.system}' "
            f"has {frames.n_beads} in {frames.n_dims}: choose another prior, such as prior=none"
        )


def _bin_edges(values: NDArray[np.floating]) -> NDArray[np.floating]:
    low, high = float(values.min()), float(values.max())
    pad = 1e-6 * max(abs(low), abs(high), 1.0)  # a spread of zero still makes bins
    return np.linspace(low - pad, high + pad, N_BINS + 1)


def _in_words(unit: str, system: UnitSystem) -> str:
    return unit.format(energy=system.energy, length=system.length)
