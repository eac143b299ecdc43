"""A potential in one file: the arrays of its state and the specs it was built from, without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from cgexp.build import build
from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.models.potential import Potential
from cgexp.store import read_arrays, write_arrays


def save_potential(
    path: Path, potential: Potential, model_spec: Mapping[str, Any] | None, prior_spec: Mapping[str, Any], **meta: Any
) -> str:
    """Write the potential with the specs of its parts (plain dicts, as in the config); return the content's SHA-256.

    ``meta`` is JSON-able and stands beside the specs in the file. The model spec is None where there is no network.
    """
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in potential.state_dict().items()}
    specs = {"model": None if model_spec is None else dict(model_spec), "prior": dict(prior_spec)}
    return write_arrays(path, arrays, {"kind": "potential", "specs": specs, **meta})


def load_potential(path: Path) -> Potential:
    """Read a potential written by save_potential, on the CPU, with the precision it was saved in, ready to evaluate."""
    arrays, meta = read_arrays(path)
    if meta.get("kind") != "potential":
        raise InputError(f"{path} holds no potential: expected the file that training writes")
    specs = meta["specs"]
    network = None if specs["model"] is None else build(specs["model"], EnergyTerm)
    potential = Potential(network, build(specs["prior"], EnergyTerm))
    state = {name: torch.from_numpy(value) for name, value in arrays.items()}
    try:
        potential.load_state_dict(state, assign=True)
    except RuntimeError as error:
        raise InputError(
            f"{path} does not fit the model it names (written by another version?): train again with this version"
        ) from error
    return potential.eval()
