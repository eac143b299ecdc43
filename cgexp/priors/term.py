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
from cgexp.energy import EnergyTerm, Measured
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.systems.base import System
from cgexp.units import UnitSystem, unit_system

Array = NDArray[np.floating]


def quantile(measured: Measured, q: float) -> float:
    """The value below which a share ``q`` of all values of all frames lies, the values of a frame counting alike.

    Exact: of the parts seen so far only those values are kept that may still be it, about a share ``q`` of all.
    """
    kept, shares = np.empty(0), np.empty(0)
    for values, of_frames in measured:
        found, of_values = values.numpy(), np.repeat(of_frames.numpy(), values.shape[1]) / values.shape[1]
        chosen = found.ravel() <= kept[-1] if len(kept) and shares.sum() >= q else np.ones(found.size, dtype=bool)
        kept, shares = np.append(kept, found.ravel()[chosen]), np.append(shares, of_values[chosen])
        order = np.argsort(kept)
        kept, shares = kept[order], shares[order]
        last = int(np.searchsorted(np.cumsum(shares), q)) + 1
        kept, shares = kept[:last], shares[:last]
    return float(kept[-1])


def histograms(measured: Measured, low: float, high: float, pooled: bool = False) -> Array:
    """Probability density of each value on N_BINS even bins from low to high: [N_BINS, n_values].

    pooled: one column for all values, which count alike.
    """
    counts = None
    for values, shares in measured:
        n_columns = 1 if pooled else values.shape[1]
        place = ((values.numpy() - low) * (N_BINS / (high - low))).astype(np.int64).clip(0, N_BINS - 1)
        place += N_BINS * (np.arange(values.shape[1]) % n_columns)
        weights = np.repeat(shares.numpy(), values.shape[1]) / (values.shape[1] / n_columns)
        found = np.bincount(place.ravel(), weights, N_BINS * n_columns)
        counts = found if counts is None else counts + found
    assert counts is not None
    return counts.reshape(-1, N_BINS).T / ((high - low) / N_BINS)


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

    def suits(self, system: System) -> bool:
        """Whether the system has coordinates of the kind that this term acts on."""
        return True

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
        measured = Measured(frames, self.internal_coordinates)
        low, high = measured.range()
        pad = 1e-6 * max(abs(low), abs(high), 1.0)  # a spread of zero still makes bins
        edges = np.linspace(low - pad, high + pad, N_BINS + 1)
        x = 0.5 * (edges[1:] + edges[:-1])
        density = histograms(measured, edges[0], edges[-1], self.pooled)
        fitted = self._curve(x, density.shape[1]) / frames.kT
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


def _in_words(unit: str, system: UnitSystem) -> str:
    return unit.format(energy=system.energy, length=system.length)
