"""The prior beside a fast network, in plain torch: what it adds to energies and forces."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from cgexp.energy import EnergyTerm
from cgexp.models.potential import Potential
from cgexp.priors.harmonic import HarmonicBonds
from cgexp.priors.prior import Prior
from cgexp.priors.repulsion import Repulsion
from cgexp.priors.term import PriorTerm

AddPrior = Callable[[Tensor, Tensor, Tensor], None]  # coords, and energy and forces that it is added to
DISTANCE_TERMS = (HarmonicBonds, Repulsion)  # functions of distances between two of their ``beads``


def add_prior(prior: EnergyTerm) -> AddPrior:
    """The whole prior, by reverse mode from the coordinates."""
    potential = Potential(None, prior)

    def add(coords: Tensor, energy: Tensor, forces: Tensor) -> None:
        own_energy, own_forces = potential.energy_and_forces(coords)
        assert own_energy is not None
        energy.add_(own_energy)
        forces.add_(own_forces)

    return add


class DistanceTerms:
    """Terms of a prior that are functions of distances, evaluated on distances that the network has found already.

    pairs: [n_pairs, 2] with i < j, all pairs of beads. ``rest`` is the prior of all other terms.
    """

    def __init__(self, prior: EnergyTerm, pairs: Tensor) -> None:
        terms = dict(prior.items()) if isinstance(prior, Prior) else {}
        # exactly these classes: a subclass may measure something else
        own = {name: term for name, term in terms.items() if type(term) in DISTANCE_TERMS}
        self._terms = [(term, _places(term.get_buffer("beads"), pairs)) for term in own.values()]
        self.rest: EnergyTerm | None = prior
        if isinstance(prior, Prior):
            others = {name: term for name, term in terms.items() if name not in own}
            self.rest = _prior_of(others, prior) if others else None

    def add(self, r: Tensor, energy: Tensor, slopes: Tensor) -> None:
        """Add to energy [n_frames] and dU/dr [n_pairs, n_frames] at distances r [n_pairs, n_frames]."""
        for term, places in self._terms:
            with torch.enable_grad():
                values = r.index_select(0, places).requires_grad_()
                energies = term.energies(values.T).sum(-1)
                (slope,) = torch.autograd.grad(energies.sum(), values)
            energy.add_(energies.detach())
            # no pair occurs twice in a term, so that the sum does not depend on an order
            slopes.index_add_(0, places, slope)


def _prior_of(terms: dict[str, PriorTerm], of: Prior) -> Prior:
    prior = Prior(terms, of.temperature)
    prior.units, prior.data_hash = of.units, of.data_hash
    return prior


def _places(beads: Tensor, pairs: Tensor) -> Tensor:
    """Where the pairs ``beads`` [n, 2], in either order, stand in ``pairs``: [n]."""
    n = int(pairs.max()) + 1
    place = torch.zeros(n, n, dtype=torch.int64, device=pairs.device)
    place[pairs[:, 0], pairs[:, 1]] = torch.arange(len(pairs), device=pairs.device)
    low, high = beads.aminmax(dim=1)
    return place[low, high]
