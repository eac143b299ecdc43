"""The filters of a CGSchNet as a table over distances, read by cubic Hermite interpolation.

A filter W(r) is a function of one variable, so a few thousand knots a step stand for the filter network on every pair
of every frame (23,040 of them at batch 512 and 10 beads). The gradient goes into the knots, and from there once through
the filter network.
"""

from __future__ import annotations

import copy
import math
import warnings

import torch
from torch import Tensor, nn

from cgexp.geometry import distances
from cgexp.kernels.filters import Grid, Radial, filters, radial
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.features import ExpNormalBasis, GaussianBasis

# Measured on Chignolin with both bases and three widths, at initialisation and after 600 steps (see default_spacing).
# In float64 energies, forces, loss and gradients of all parameters are within 1e-5 of the reference (largest error over
# root mean square). In float32 a value is rounded by 1e-7, which the slope between two knots divides by their spacing:
# from 24 knots a width on that outweighs what more would gain, and the error is near the float32 reference's own.
KNOTS_PER_WIDTH = {torch.float64: 68.0, torch.float32: 24.0}
MAX_FILTER_ERROR = {torch.float64: 4e-6, torch.float32: 3e-4}  # of filters and slopes; several times what is usual
MARGIN = 0.05  # of a distance, kept free on either side of those seen
SEARCH_NUMBERS = 2**18  # distances looked at at once


class FilterTable:
    """Values and slopes of W(r) envelope(r) of every block at knots that are even in x(r) (see Grid).

    low, high: range of distances (Å) to cover, clipped to [0, cutoff]. spacing (Å): of x, at most this; the one used
    divides x(cutoff) evenly. All tables of one spacing thus share one grid, on which the cutoff is a knot, and a table
    that is extended keeps its values. At the cutoff value and slope are exactly 0, and larger distances read that knot.
    """

    def __init__(self, network: CGSchNet, low: float, high: float, spacing: float) -> None:
        if not (spacing > 0.0 and low <= high):
            raise ValueError(f"a table from {low} to {high} with knots every {spacing}: expected an ascending range")
        self.network, self.grid = network, Grid.of(network)
        self._kept: Radial | None = None
        whole = self.grid.x(network.cutoff)
        intervals = max(math.ceil(whole / spacing - 1e-6), 1)
        self.spacing = whole / intervals
        low, high = (min(max(r, 0.0), network.cutoff) for r in (low, high))
        self._first = min(max(math.floor(self.grid.x(low) / self.spacing), 0), intervals - 1)
        last = min(max(math.ceil(self.grid.x(high) / self.spacing), self._first + 1), intervals)
        self._reaches_cutoff = last == intervals
        self.n_knots = last - self._first + 1
        self.start = self._first * self.spacing  # x of the first knot
        ends = self.knots()[[0, -1]].tolist()
        self.low, self.high = ends[0], network.cutoff if self._reaches_cutoff else ends[1]

    @classmethod
    def for_coords(cls, network: CGSchNet, coords: Tensor | None = None, spacing: float | None = None) -> FilterTable:
        """A table for the distances of coords [n_frames, n_beads, 3] and 5 % beyond, or for all up to the cutoff."""
        low, high = (0.0, network.cutoff) if coords is None else distance_range(network, coords)
        low, high = low * (1.0 - MARGIN), high * (1.0 + MARGIN)
        return cls(network, low, high, default_spacing(network) if spacing is None else spacing)

    def covers(self, r_min: float, r_max: float) -> bool:
        """Whether distances from r_min to r_max (Å) lie between knots, or beyond the cutoff."""
        return self.low <= r_min and (r_max <= self.high or self._reaches_cutoff)

    @property
    def covers_all(self) -> bool:
        """Whether every distance is covered."""
        return self._first == 0 and self._reaches_cutoff

    def extended(self, r_min: float, r_max: float) -> FilterTable:
        """A table on the same grid that covers this one's range and r_min to r_max with 5 % to spare."""
        low = self.low if self.low <= r_min else r_min * (1.0 - MARGIN)
        high = self.high if r_max <= self.high else r_max * (1.0 + MARGIN)
        return FilterTable(self.network, low, high, self.spacing)

    def knots(self) -> Tensor:
        """Distances of the knots [n_knots] (Å), float64: rounded to float32 they would be uneven by 1e-4 of a spacing,
        and a slope read between two of them off by as much."""
        return self.grid.r(self._places())

    def _places(self) -> Tensor:
        """x of the knots, [n_knots], float64."""
        device = self.network.embedding.weight.device
        index = torch.arange(self._first, self._first + self.n_knots, dtype=torch.float64, device=device)
        return index * self.spacing

    def worst_places(self) -> Tensor:
        """Distances (Å) where the interpolation errs most, float64: midway for the value, a fifth from a knot for the
        slope; between some 400 of the knots."""
        lower = self._places()[: -1 : math.ceil(self.n_knots / 400)]
        return self.grid.r(torch.cat([lower + part * self.spacing for part in (0.2, 0.5, 0.8)]))

    def tables(self) -> Tensor:
        """[n_blocks, 2 n_knots, n_filters]: row 2k the value at knot k, row 2k + 1 the slope d/dx (1/Å).

        Differentiable in the parameters of the network, in its type and on its device.
        """
        values, slopes = filters(self.network, self._radial())
        return torch.stack([values, slopes], dim=2).flatten(1, 2)

    def _radial(self) -> Radial:
        """Basis and envelope at the knots with slopes d/dx, kept from step to step unless the basis is trained."""
        weight, kept = self.network.embedding.weight, self._kept
        if kept is not None and (kept.basis.dtype, kept.basis.device) == (weight.dtype, weight.device):
            return kept
        knots = self.knots()
        found = radial(self.network, knots)
        per_x = 1.0 / self.grid.slope(knots).to(weight.dtype)[:, None]
        found = found._replace(basis_slope=found.basis_slope * per_x, envelope_slope=found.envelope_slope * per_x)
        if self._reaches_cutoff:  # but for rounding they are 0 there
            inside = torch.ones_like(found.envelope)
            inside[-1] = 0.0
            found = found._replace(envelope=found.envelope * inside, envelope_slope=found.envelope_slope * inside)
        if not (list(self.network.basis.parameters()) or torch.is_inference_mode_enabled()):
            self._kept = found
        return found

    def hermite_weights(self, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Knot index k (int64) below each distance r [...], and weights [..., 4] of value and slope at r.

        The weights belong to (value_k, slope_k, value_k+1, slope_k+1), rows 2k to 2k + 3 of the table. With
        h = spacing and t = (x(r) - x_k) / h the weights of the value are those of the cubic in x that has the given
        values and slopes at both knots,

            2 t^3 - 3 t^2 + 1,   h (t^3 - 2 t^2 + t),   3 t^2 - 2 t^3,   h (t^3 - t^2),

        and those of the slope d/dr are dx/dr times their derivatives d/dx,

            (6 t^2 - 6 t) / h,   3 t^2 - 4 t + 1,   (6 t - 6 t^2) / h,   3 t^2 - 2 t.

        Value and slope err by f/384 h^4 and f/125 h^3 at most. Distances beyond the cutoff are read at it; for
        others that are not covered the outermost cubic is continued, which is wrong: ask ``covers`` first.
        """
        h = self.spacing
        inside = r.clamp(max=self.network.cutoff)
        position = (self.grid.x(inside) - self.start) / h
        if self._reaches_cutoff:
            position = position.masked_fill(r >= self.high, self.n_knots - 1.0)
        index = position.floor().to(torch.int64).clamp(0, self.n_knots - 2)
        t = position - index
        bump = t * (1.0 - t)
        rise = t * t * (3.0 - 2.0 * t)
        steep = 6.0 / h * bump
        value = torch.stack([1.0 - rise, h * bump * (1.0 - t), rise, -h * bump * t], dim=-1)
        slope = torch.stack([-steep, (1.0 - t) * (1.0 - 3.0 * t), steep, t * (3.0 * t - 2.0)], dim=-1)
        return index, value, slope * self.grid.slope(inside)[..., None]


def filter_error(network: CGSchNet, table: FilterTable, r: Tensor) -> float:
    """Largest interpolation error of filters and of their slopes at distances r [n], over the root mean square of each.

    In float64 whatever the network's type, that is, without its rounding. The distances to ask for are
    ``table.worst_places()``: midway between knots, where one would look first, the error of the slope has a zero.
    """
    exact = copy.deepcopy(network).double()
    table = FilterTable(exact, table.low, table.high, table.spacing)
    r = r.double()
    with torch.no_grad():
        index, *weights = table.hermite_weights(r)
        corners = table.tables()[:, 2 * index[:, None] + torch.arange(4, device=r.device)]
        worst = 0.0
        for weight, truth in zip(weights, filters(exact, radial(exact, r)), strict=True):
            found = torch.einsum("nc,bncf->bnf", weight, corners)
            worst = max(worst, float((found - truth).abs().max() / truth.square().mean().sqrt()))
    return worst


def warn_if_coarse(network: CGSchNet, table: FilterTable) -> None:
    """Warn where a table does not follow its network, as with filters that are not smooth."""
    error, limit = filter_error(network, table, table.worst_places()), of_type(MAX_FILTER_ERROR, network)
    if error > limit:
        warnings.warn(
            f"tabulated filters have a relative error of {error:.0e}, above {limit:.0e}: the network is sharper than "
            "its basis functions; use kernel=reference or kernel=compiled",
            UserWarning,
            stacklevel=3,
        )


def default_spacing(network: CGSchNet) -> float:
    """Spacing of knots in x (Å): KNOTS_PER_WIDTH of the network's type to the standard deviation of a basis function.

    Of exp(-((r - c) / w)^2 / 2) that is w, of exp(-beta (exp(-alpha r) - mu)^2) it is 1 / (sqrt(2 beta) alpha) in units
    of x. Those of the basis at its start, so that a resumed training has the same knots; half of it where the basis is
    trained, and may become narrower.
    """
    basis = network.basis
    assert isinstance(basis, GaussianBasis | ExpNormalBasis)
    n = len(basis.centers)
    if isinstance(basis, GaussianBasis):
        width = network.cutoff / max(n - 1, 1)
    else:
        width = 2.0 / n * (1.0 - math.exp(-network.cutoff)) / math.sqrt(2.0) / basis.alpha
    if list(basis.parameters()):
        width *= 0.5
    return min(width, network.cutoff) / of_type(KNOTS_PER_WIDTH, network)


def has_kinks(network: nn.Module) -> bool:
    """Whether filters are not smooth, so that no table follows them."""
    return isinstance(network, CGSchNet) and any(isinstance(module, nn.ReLU) for module in network.modules())


def of_type(by_type: dict[torch.dtype, float], network: CGSchNet) -> float:
    """The entry of a table for the floating-point type of a network."""
    return by_type[torch.float64 if network.embedding.weight.dtype == torch.float64 else torch.float32]


def distance_range(network: CGSchNet, coords: Tensor) -> tuple[float, float]:
    """The shortest and the longest distance (Å) between two beads in coords [n_frames, n_beads, 3]."""
    lows, highs = [], []
    for part in coords.detach().split(max(1, SEARCH_NUMBERS // len(network.pairs))):
        low, high = distances(part, network.pairs.to(part.device)).aminmax()
        lows.append(float(low))
        highs.append(float(high))
    if not (lows and math.isfinite(min(lows)) and math.isfinite(max(highs))):
        raise ValueError("coords hold no frames, or numbers that are not finite")
    return min(lows), max(highs)
