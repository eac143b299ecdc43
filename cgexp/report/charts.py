"""The curves of an evaluation as tables for a tracker, in which those of many runs can be laid over each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from math import isnan

import numpy as np
from numpy.typing import NDArray

from cgexp.analysis.curves import ContactMap, Convergence, Distribution, ForceCurve, FreeEnergy, Pmf, TicaMaps
from cgexp.curves import Curve
from cgexp.report.tracker import Chart

# what is drawn of a curve: its x, its y, and the y where there is no simulation
DRAWN: dict[type[Curve], tuple[str, str, str]] = {
    Pmf: ("x", "model", "exact"),
    ForceCurve: ("x", "model", "exact"),
    FreeEnergy: ("x", "model", "reference"),
    Distribution: ("x", "model", "reference"),
    Convergence: ("stop", "w1", "w1"),
}


def charts_of(curves: Mapping[str, object]) -> dict[str, Chart]:
    """Name -> table of every curve (as in Evaluation.curves) that has one.

    Curves along one coordinate are drawn, as ``free_energy_ic1``; maps, ``tica`` and ``contacts``, have a row a bin or
    pair. What is not known of a place is None.
    """
    return dict(_charts("", curves))


def _charts(name: str, curve: object) -> Iterator[tuple[str, Chart]]:
    if isinstance(curve, Mapping):
        for key, below in curve.items():
            yield from _charts(f"{name}_{key}" if name else str(key), below)
    elif isinstance(curve, TicaMaps):
        yield name, _tica(curve)
    elif isinstance(curve, ContactMap):
        yield name, _contacts(curve)
    elif isinstance(curve, Curve) and type(curve) in DRAWN:
        x, model, otherwise = DRAWN[type(curve)]
        columns = _columns(curve, x)
        yield name, Chart(columns, name, x, model if model in columns else otherwise)
        if isinstance(curve, Pmf) and curve.bin_x is not None:
            name = f"{name}_simulation"
            yield name, Chart(_columns(curve, "bin_x"), name, "bin_x", "simulation")


def _columns(curve: Curve, x: str) -> dict[str, list[float | None]]:
    """x, and all other arrays of a curve that are as long."""
    shape = getattr(curve, x).shape
    names = [x, *(field.name for field in fields(curve) if field.name != x)]  # type: ignore[arg-type]
    arrays = {name: getattr(curve, name) for name in names}
    return {
        name: _known(values)
        for name, values in arrays.items()
        if isinstance(values, np.ndarray) and values.shape == shape
    }


def _tica(maps: TicaMaps) -> Chart:
    """A row for each bin that the reference or the model has visited, at its middle."""
    middles = [(edges[1:] + edges[:-1]) / 2.0 for edges in (maps.edges_ic1, maps.edges_ic2)]
    sides = {"reference": maps.reference} | ({} if maps.model is None else {"model": maps.model})
    visited = np.any([np.isfinite(side) for side in sides.values()], axis=0)
    grid = dict(zip(("ic1", "ic2"), np.meshgrid(*middles, indexing="ij"), strict=True))
    return Chart({name: _known(values[visited]) for name, values in (grid | sides).items()}, "tica")


def _contacts(contacts: ContactMap) -> Chart:
    """A row for each pair of residues, numbered from 1, that could be in contact."""
    first, second = np.nonzero(np.triu(np.isfinite(contacts.reference)))
    columns = {"first": first + 1.0, "second": second + 1.0, "reference": contacts.reference[first, second]}
    if contacts.model is not None:
        columns["model"] = contacts.model[first, second]
    return Chart({name: _known(values) for name, values in columns.items()}, "contacts")


def _known(values: NDArray[np.floating]) -> list[float | None]:
    return [None if isnan(value) else value for value in values.astype(np.float64).tolist()]
