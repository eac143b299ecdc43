from __future__ import annotations

import pytest
import torch

from cgexp.errors import InputError
from cgexp.kernels.choose import make_kernel
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.direct_force import DirectForce
from cgexp.testing.configurations import chain_frames


def network_and_coords() -> tuple[CGSchNet, torch.Tensor]:
    torch.manual_seed(0)
    frames = chain_frames(40)
    network = CGSchNet(frames.n_beads, n_features=8, n_filters=8, n_rbf=6, n_blocks=1).double()
    network.fit(frames)
    return network, torch.tensor(frames.coords[:16], dtype=torch.float64)


def test_the_reference_kernel_gives_the_potentials_forces() -> None:
    from cgexp.models.potential import Potential
    from cgexp.priors.prior import Prior

    network, coords = network_and_coords()
    expected = Potential(network, Prior({}, 350.0)).forces(coords)
    torch.testing.assert_close(make_kernel("reference", network)(coords).detach(), expected)


def test_a_direct_force_network_needs_no_gradient() -> None:
    network = DirectForce(1, 1)
    coords = torch.zeros(4, 1, 1)
    assert make_kernel("reference", network)(coords).shape == (4, 1, 1)


def test_an_unknown_kernel_is_named() -> None:
    with pytest.raises(InputError, match="did you mean 'reference'"):
        make_kernel("refrence", network_and_coords()[0])
