"""Warm start: a network begins with weights that another one has learnt."""

from __future__ import annotations

import torch

from cgexp.energy import EnergyTerm
from cgexp.errors import InputError


def take_weights(network: EnergyTerm, source: EnergyTerm) -> list[str]:
    """Copy into ``network`` every parameter and normalisation of ``source`` whose name and shape agree; return names.

    So an energy network can start from the hidden layers of a direct-force network, whose last layer has another name,
    or from a network of the same kind trained on other frames. Lists of beads and bead types stay those of
    ``network``. Raises InputError if no parameter agrees.
    """
    there, here = source.state_dict(), network.state_dict()
    taken = [
        name
        for name, value in here.items()
        if value.is_floating_point() and name in there and there[name].shape == value.shape
    ]
    if not {name for name, _ in network.named_parameters()} & set(taken):
        raise InputError(
            f"no layer of {type(source).__name__} has the name and shape of one of {type(network).__name__}: start "
            "from a run whose model has the same width and depth"
        )
    with torch.no_grad():
        for name in taken:
            here[name].copy_(there[name])  # the tensors of a state_dict are the network's own
    return taken
