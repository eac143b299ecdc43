"""Warm start: a network begins with weights that another one has learnt."""

from __future__ import annotations

import torch

from cgexp.energy import EnergyTerm
from cgexp.errors import InputError


def take_weights(network: EnergyTerm, source: EnergyTerm) -> list[str]:
    """Copy into ``network`` every parameter and normalisation of ``source`` whose name and shape agree; return names.

    So an energy network can start from the hidden layers of a direct-force network, whose last layer has another name,
    or from a network of the same kind trained on other frames. Lists of beads and bead types stay those of
    ``network``. Raises InputError if a layer that both have differs in shape, or if they share none.
    """
    there, here = source.state_dict(), network.state_dict()
    learnt = [name for name, value in network.named_parameters() if name in there]
    for name in learnt:
        if there[name].shape != here[name].shape:
            raise InputError(
                f"layer {name} has shape {list(there[name].shape)} in {type(source).__name__} but "
                f"{list(here[name].shape)} in {type(network).__name__}: start from a run whose model has the same "
                "width and depth"
            )
    taken = [
        name
        for name, value in here.items()
        if value.is_floating_point() and name in there and there[name].shape == value.shape
    ]
    if not learnt:
        raise InputError(
            f"no layer of {type(source).__name__} has the name of one of {type(network).__name__}: start from a run of "
            "a model of the same kind"
        )
    with torch.no_grad():
        for name in taken:
            here[name].copy_(there[name])  # the tensors of a state_dict are the network's own
    return taken
