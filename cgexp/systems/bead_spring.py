"""BeadSpring: a semiflexible chain of beads and springs in space, whose extent is known exactly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cgexp.parts.ranges import Positive, PositiveInt, Stiffness
from cgexp.systems.known_energy import KnownEnergy

N_GRID = 20001  # points of the quadrature over a bond length, and of its inverse distribution function


class BeadSpring(KnownEnergy):
    """U = sum of k/2 (r - b)^2 over bonds + sum of kappa (1 - cos theta) over angles theta between successive bonds.

    n_beads: of the chain. bond: b, length. stiffness: k, 1/length^2 at kT = 1. bending: kappa; 2 bends freely, 20 is
    stiff. temperature: kT. Bond lengths and angles are independent of one another, so that the mean square distance of
    any two beads is a sum over bonds (the freely rotating chain, Flory 1969, Statistical Mechanics of Chain Molecules).
    """

    kind = "a chain of beads and springs"

    def __init__(
        self,
        n_beads: PositiveInt = 10,
        bond: Positive = 1.0,
        stiffness: Stiffness = 100.0,
        bending: Stiffness = 2.0,
        temperature: Positive = 1.0,
    ) -> None:
        super().__init__(f"bead-spring-{n_beads}-b{bond:g}-k{stiffness:g}-kappa{bending:g}", n_beads)
        self.bond, self.stiffness, self.bending = bond, stiffness, bending
        self.temperature = temperature

    def potential(self, coords: Tensor) -> Tensor:
        bonds = coords[:, 1:] - coords[:, :-1]
        r = bonds.norm(dim=-1)
        cosine = (bonds[:, 1:] * bonds[:, :-1]).sum(dim=-1) / (r[:, 1:] * r[:, :-1])
        stretch = 0.5 * self.stiffness * (r - self.bond).square().sum(dim=1)
        return stretch + self.bending * (1.0 - cosine).sum(dim=1)

    def bond_density(self, r: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probability density of a bond length, 1/length: r^2 exp(-k (r - b)^2 / 2kT), normalised; r [n] -> [n]."""
        grid = self._grid()
        norm = np.trapezoid(self._weight(grid), grid)
        return np.asarray(self._weight(np.asarray(r, dtype=np.float64)) / norm)

    def mean_square_distance(self, n_bonds: int) -> float:
        """Exact mean square distance of two beads ``n_bonds`` apart along the chain, length^2."""
        grid = self._grid()
        mean, square = (float(np.trapezoid(grid**power * self.bond_density(grid), grid)) for power in (1, 2))
        separation = np.arange(1, n_bonds)
        correlation = self.mean_cosine() ** separation
        return n_bonds * square + 2.0 * mean**2 * float(((n_bonds - separation) * correlation).sum())

    def mean_cosine(self) -> float:
        """Exact mean cosine of the angle between successive bonds: coth(kappa/kT) - kT/kappa."""
        x = self.bending / self.temperature
        return 1.0 / np.tanh(x) - 1.0 / x

    def mean_square_gyration(self) -> float:
        """Exact mean square radius of gyration, length^2, from the distances of all pairs of beads."""
        pairs = [(self.n_beads - n) * self.mean_square_distance(n) for n in range(1, self.n_beads)]
        return float(sum(pairs) / self.n_beads**2)

    def sample(self, n: int, generator: np.random.Generator) -> NDArray[np.float64]:
        """Exact, independent samples: bond lengths and cosines by their inverse distribution functions."""
        grid = self._grid()
        cumulative = np.cumsum(self._weight(grid))
        r = np.interp(generator.random((n, self.n_beads - 1)) * cumulative[-1], cumulative, grid)
        x, uniform = self.bending / self.temperature, generator.random((n, self.n_beads - 1))
        cosine = 1.0 + np.log(uniform + (1.0 - uniform) * np.exp(-2.0 * x)) / x  # density exp(x cos) on [-1, 1]
        azimuth = 2.0 * np.pi * generator.random((n, self.n_beads - 1))
        direction = generator.normal(size=(n, 3))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        beads = [np.zeros((n, 3))]
        for bond in range(self.n_beads - 1):
            if bond:
                direction = _turned(direction, cosine[:, bond], azimuth[:, bond])
            beads.append(beads[-1] + r[:, [bond]] * direction)
        return np.stack(beads, axis=1)

    def _grid(self) -> NDArray[np.float64]:
        spread = 10.0 * np.sqrt(self.temperature / self.stiffness)
        return np.linspace(max(0.0, self.bond - spread), self.bond + spread, N_GRID)

    def _weight(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(r**2 * np.exp(-0.5 * self.stiffness * (r - self.bond) ** 2 / self.temperature))


def _turned(
    direction: NDArray[np.float64], cosine: NDArray[np.float64], azimuth: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Unit vectors [n, 3] at an angle of given cosine [n] to ``direction``, and at an azimuth [n] about it."""
    helper = np.where(np.abs(direction[:, :1]) < 0.5, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    side = np.cross(direction, helper)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(direction, side)
    sine = np.sqrt(1.0 - cosine**2)[:, None]
    around = np.cos(azimuth)[:, None] * side + np.sin(azimuth)[:, None] * other
    return np.asarray(cosine[:, None] * direction + sine * around)
