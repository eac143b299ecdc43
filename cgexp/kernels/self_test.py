"""A compiled library against its reference, on a small chain: what was compiled elsewhere, or wrongly, is not used.

The reference of the implicit-solvent library is OpenMM, which kernels/ may not import: only tests compare them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from cgexp.energy import EnergyTerm

N_FRAMES, N_BEADS = 9, 6
TOLERANCE = 1e-4  # relative; the fused CGSchNet reads its filters from a table


def worst_error(library: str) -> float:
    """The largest relative error of what a library computes; 0 for one that has no reference here."""
    test = TESTS.get(library)
    if test is None:
        return 0.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return test()


def _chain() -> Tensor:
    """Configurations [N_FRAMES, N_BEADS, 3] of a bent chain, float64, Å."""
    i = torch.arange(N_BEADS, dtype=torch.float64)
    helix = torch.stack([2.3 * torch.cos(1.7 * i), 2.3 * torch.sin(1.7 * i), 1.5 * i], dim=-1)
    return helix + 0.3 * torch.randn(N_FRAMES, N_BEADS, 3, dtype=torch.float64)


def _error(found: Tensor, expected: Tensor) -> float:
    worst = float((found - expected).abs().max() / expected.abs().max())
    return worst if np.isfinite(worst) else float("inf")


def _of_network(network: EnergyTerm, name: str) -> float:
    from cgexp.kernels.choose import make_kernel

    network, coords = network.double(), _chain()
    return _error(
        make_kernel(name, network, coords)(coords).detach(), make_kernel("reference", network)(coords).detach()
    )


def _cgnet() -> float:
    from cgexp.models.cgnet import CGnet

    return _of_network(CGnet(N_BEADS, width=8, depth=2), "fused")


def _cgschnet() -> float:
    from cgexp.kernels.fused_cgschnet import FusedCGSchNet
    from cgexp.kernels.kernel import Kernel
    from cgexp.models.cgschnet import CGSchNet

    network, coords = CGSchNet(N_BEADS, n_features=8, n_filters=8, n_rbf=16, cutoff=9.0).double(), _chain()
    expected = Kernel(network)(coords).detach()
    both = (FusedCGSchNet(network, coords, near=near)(coords).detach() for near in (False, True))
    return max(_error(found, expected) for found in both)


def _prior() -> float:
    from cgexp.kernels.fused_prior import FusedPrior
    from cgexp.models.potential import Potential
    from cgexp.priors.harmonic import HarmonicBonds
    from cgexp.priors.prior import Prior

    bonds = HarmonicBonds()
    bonds.beads = torch.stack([torch.arange(N_BEADS - 1), torch.arange(1, N_BEADS)], dim=-1)
    bonds.center, bonds.force_constant = torch.full((2, N_BEADS - 1), 3.8, dtype=torch.float64)
    prior = Prior({"bonds": bonds}, temperature=300.0)
    prior.units, coords = "molecular", _chain()
    energy, forces = torch.zeros(N_FRAMES, dtype=torch.float64), torch.zeros_like(coords)
    FusedPrior(prior, torch.float64).add(coords, energy, forces)
    expected_energy, expected = Potential(None, prior).energy_and_forces(coords)
    assert expected_energy is not None
    return max(_error(energy, expected_energy), _error(forces, expected))


def _superposed() -> float:
    from cgexp.kernels.superposed import SuperposedCoverage
    from cgexp.systems.metric import superposed_rmsd

    coords = _chain().numpy()
    coverage = SuperposedCoverage(coords[:5], coords[5:])
    coverage.refine(np.arange(5), -np.inf)
    expected = np.square(superposed_rmsd(coords[:5], coords[5:]).min(axis=1))
    return _error(torch.from_numpy(coverage.squared), torch.from_numpy(expected))


TESTS: dict[str, Callable[[], float]] = {
    "cgnet": _cgnet, "cgschnet": _cgschnet, "prior": _prior, "superposed": _superposed,
}  # fmt: skip
