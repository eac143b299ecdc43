"""take_weights: what agrees in name and shape is copied, the rest stays."""

from __future__ import annotations

import pytest
import torch

from cgexp.errors import InputError
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.direct_force import DirectForce
from cgexp.models.potential import take_weights
from cgexp.models.toy_mlp import ToyMLP
from cgexp.testing.configurations import chain_frames, fit_to, toy_frames


def test_an_energy_network_takes_the_hidden_layers_of_a_direct_force_network() -> None:
    direct, energy = DirectForce(n_beads=1, n_dims=1, width=8), ToyMLP(n_beads=1, n_dims=1, width=8)
    fit_to(direct, toy_frames(20))
    last = energy.energy_layer.weight.clone()
    taken = take_weights(energy, direct)
    for name, value in direct.state_dict().items():
        if not name.startswith("force_layer"):
            assert name in taken
            assert torch.equal(energy.state_dict()[name], value)
    assert torch.equal(energy.energy_layer.weight, last)


def test_all_of_a_network_of_the_same_kind_but_not_its_bead_types() -> None:
    source, network = CGSchNet(n_beads=5, n_features=8, n_filters=8), CGSchNet(n_beads=5, n_features=8, n_filters=8)
    fit_to(source, chain_frames(5, 5))
    take_weights(network, source)
    for name, value in source.named_parameters():
        assert torch.equal(network.get_parameter(name), value)
    assert not network.bead_types.any()


def test_precision_is_that_of_the_network() -> None:
    network = ToyMLP(n_beads=1, n_dims=1, width=8).double()
    take_weights(network, ToyMLP(n_beads=1, n_dims=1, width=8))
    assert next(network.parameters()).dtype == torch.float64


def test_networks_that_have_nothing_in_common_are_refused() -> None:
    with pytest.raises(InputError, match="same width and depth"):
        take_weights(ToyMLP(n_beads=1, n_dims=1, width=8), ToyMLP(n_beads=1, n_dims=1, width=9))
