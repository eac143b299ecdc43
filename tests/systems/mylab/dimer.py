"""A dimer in a periodic box, as a package of one's own would have it: a bond with two states."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, tensor

from cgexp.parts.ranges import Positive
from cgexp.systems.known_energy import KnownEnergy
from cgexp.systems.whole import nearest_image

N_GRID = 4001


class BoxedDimer(KnownEnergy):
    """U = h (1 - (r - compact - w)^2 / w^2)^2 of the distance r of nearest images: compact and extended, w apart twice.

    box: edge of the cubic box, length. barrier: h, kT. compact: r of the compact state; half_width: w, length.
    """

    kind = "a dimer in a box"
    metric = "own"

    def __init__(
        self,
        box: list[Positive],
        barrier: Positive = 2.0,
        compact: Positive = 1.0,
        half_width: Positive = 0.5,
        temperature: Positive = 1.0,
    ) -> None:
        super().__init__("boxed-dimer", 2, len(box), box=box)
        self.metric = "own"
        self.barrier, self.compact, self.half_width, self.temperature = barrier, compact, half_width, temperature

    def potential(self, coords: Tensor) -> Tensor:
        apart = coords[:, 1] - coords[:, 0]
        box = tensor(self.box, dtype=coords.dtype)
        apart = apart - (box * (apart / box).round()).detach()
        return self._bond(apart.norm(dim=-1))

    def distance(self, a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
        """Root of the mean square distance of beads, by nearest images."""
        apart = nearest_image(a[:, None] - b[None], np.asarray(self.box))
        return np.sqrt(np.square(apart).sum(axis=-1).mean(axis=-1))

    def bond_density(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Exact density of the bond length, 1/length: r [n] -> [n]."""
        grid = self._grid()
        return self._weight(r) / np.trapezoid(self._weight(grid), grid)

    def sample(self, n: int, generator: np.random.Generator) -> NDArray[np.float64]:
        """Exact samples: the first bead anywhere in the box, the second in any direction."""
        grid, first = self._grid(), generator.random((n, self.n_dims)) * np.asarray(self.box)
        cumulative = np.cumsum(self._weight(grid))
        r = np.interp(generator.random(n) * cumulative[-1], cumulative, grid)
        direction = generator.normal(size=(n, self.n_dims))
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        return np.stack([first, first + r[:, None] * direction], axis=1)

    def _grid(self) -> NDArray[np.float64]:
        return np.linspace(0.01, 0.5 * min(self.box), N_GRID)

    def _weight(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(r ** (self.n_dims - 1) * np.exp(-self._bond(r) / self.temperature))

    def _bond(self, r):  # type: ignore[no-untyped-def]
        return self.barrier * (1.0 - (r - self.compact - self.half_width) ** 2 / self.half_width**2) ** 2
