"""Weights of CGSchNet in the layout of mlcg (github.com/ClementiGroup/mlcg): written and read, as tensors, no pickle.

mlcg's ``StandardSchNet`` computes the same function of the same weights under other names. It numbers bead types from
1, as its HDF5 layout does (mlcg.py): row 0 of its embedding belongs to no bead. Units are those of the model, kcal/mol
and Å. A prior is not among the weights: mlcg has terms of its own, by bead type, with conventions of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cgexp.errors import InputError, shown
from cgexp.interfaces.bundle import Bundle
from cgexp.interfaces.files import load_tensors, tensors_as_bytes
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.features import ExpNormalBasis, GaussianBasis
from cgexp.models.layers import ACTIVATIONS
from cgexp.store import read_json, write_bytes, write_json

WEIGHTS, ARGUMENTS = "mlcg_schnet.safetensors", "mlcg_schnet.json"
# of one block: ours -> mlcg's
BLOCK = {
    "project.weight": "conv.lin1.weight",
    "update.0.weight": "conv.lin2.weight",
    "update.0.bias": "conv.lin2.bias",
    "filter.0.weight": "conv.filter_network.layers.0.weight",
    "filter.0.bias": "conv.filter_network.layers.0.bias",
    "filter.2.weight": "conv.filter_network.layers.2.weight",
    "update.2.weight": "lin.weight",
    "update.2.bias": "lin.bias",
}
READOUT = ("0.weight", "0.bias", "2.weight", "2.bias", "4.weight")
BASES = {"expnorm": ("means", "betas"), "gaussian": ("offset", "coeff")}  # centres, and what stands for widths
EMBEDDING = "embedding_layer.weight"


def write_mlcg_weights(folder: Path, bundle: Bundle) -> dict[str, Any]:
    """Write the network's weights and the arguments of mlcg's StandardSchNet into ``folder``; return the arguments.

    Raises InputError for a bundle whose network is no CGSchNet, and for a trained basis that mlcg does not have.
    """
    network = bundle.potential.network
    if not isinstance(network, CGSchNet):
        raise InputError(
            f"mlcg's weights are of a SchNet but the network of {bundle.system.name} is "
            f"{'none' if network is None else type(network).__name__}: train with model=cgschnet"
        )
    arguments = _arguments(network) | {
        "system": bundle.system.name,
        "atom_types": (network.bead_types + 1).tolist(),
        "units": {"energy": "kcal/mol", "length": "Å"},
        "temperature_K": bundle.temperature,
    }
    write_bytes(folder / WEIGHTS, tensors_as_bytes(to_mlcg(network)))
    write_json(folder / ARGUMENTS, arguments)
    return arguments


def read_mlcg_weights(folder: Path) -> CGSchNet:
    """The network that ``write_mlcg_weights`` wrote, or of weights of mlcg beside which the arguments were laid.

    Raises InputError with one sentence if they are not those of a SchNet that is like CGSchNet.
    """
    arguments = read_json(folder / ARGUMENTS)
    if not isinstance(arguments, dict):
        raise InputError(f"{folder / ARGUMENTS} holds no JSON object: give rbf, cutoff (Å), activation and atom_types")
    try:
        content = (folder / WEIGHTS).read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{folder / WEIGHTS} is missing: it holds the state_dict of mlcg's SchNet") from error
    return from_mlcg(load_tensors(content, folder), arguments)


def to_mlcg(network: CGSchNet) -> dict[str, Tensor]:
    """The state_dict of mlcg's StandardSchNet."""
    own = network.state_dict()
    row = torch.zeros_like(own["embedding.weight"][:1])
    state = {EMBEDDING: torch.cat([row, own["embedding.weight"]])}
    centres, widths = BASES[_basis_of(network)]
    state[f"rbf_layer.{centres}"], state[f"rbf_layer.{widths}"] = _basis_to_mlcg(network)
    for ours, theirs in _names(len(network.blocks)).items():
        state[theirs] = own[ours]
    return state


def from_mlcg(state: Mapping[str, Tensor], arguments: Mapping[str, Any]) -> CGSchNet:
    """CGSchNet with the weights of a StandardSchNet.

    arguments: as ``write_mlcg_weights`` returns them: rbf, cutoff (Å), activation, and atom_types, mlcg's bead types of
    each bead. Raises InputError if something is missing, or the network is not like CGSchNet.
    """
    lacking = [name for name in ("rbf", "cutoff", "activation", "atom_types") if name not in arguments]
    if lacking or arguments.get("rbf") not in BASES:
        raise InputError(
            f"the arguments of mlcg's SchNet lack {', '.join(lacking) or 'a known rbf'}: give rbf ("
            f"{' or '.join(BASES)}), cutoff (Å), activation and atom_types"
        )
    centres, widths = BASES[arguments["rbf"]]
    n_blocks = sum(name.endswith("conv.lin1.weight") for name in state)
    names = _names(n_blocks)
    wanted = {EMBEDDING, f"rbf_layer.{centres}", f"rbf_layer.{widths}", *names.values()}
    if wanted != set(state):
        other = sorted(wanted ^ set(state))[0]
        raise InputError(
            f"these weights are of another network: {shown(other)} is {'missing' if other in wanted else 'not known'}; "
            "expected the state_dict of mlcg's StandardSchNet with two hidden layers in its output network"
        )
    try:
        return _made(state, arguments, names, state[f"rbf_layer.{centres}"], state[f"rbf_layer.{widths}"])
    except InputError:
        raise
    except (RuntimeError, TypeError, ValueError, KeyError) as error:
        raise InputError(f"these weights do not fit CGSchNet ({shown(error)}): expected as many hidden features "
                         "as a bead has, and half of them, in the output network") from error  # fmt: skip


def _made(
    state: Mapping[str, Tensor], arguments: Mapping[str, Any], names: Mapping[str, str], centres: Tensor, widths: Tensor
) -> CGSchNet:
    types = torch.tensor(arguments["atom_types"], dtype=torch.int64)
    n_rows, n_features = state[EMBEDDING].shape
    network = CGSchNet(
        n_beads=len(types), n_bead_types=n_rows - 1, n_blocks=(len(names) - len(READOUT)) // len(BLOCK),
        n_features=n_features, n_filters=state["interaction_blocks.0.conv.lin1.weight"].shape[0], n_rbf=len(centres),
        rbf=arguments["rbf"], cutoff=float(arguments["cutoff"]), activation=arguments["activation"],
    )  # fmt: skip
    own = network.state_dict() | {ours: state[theirs] for ours, theirs in names.items()}
    own["embedding.weight"], own["bead_types"] = state[EMBEDDING][1:], types - 1
    own["basis.centers"] = centres
    if arguments["rbf"] == "expnorm":
        own["basis.exponents"] = widths
    else:
        own["basis.widths"] = (-0.5 / widths).sqrt().expand(len(centres)).clone()
    if int(types.min()) < 1 or int(types.max()) >= n_rows:
        raise InputError(f"atom_types reach from {types.min()} to {types.max()}: expected 1 to {n_rows - 1}")
    network.to(state[EMBEDDING].dtype).load_state_dict(own)
    return network


def _names(n_blocks: int) -> dict[str, str]:
    """Names of ours -> mlcg's, for the tensors that are the same."""
    blocks = {
        f"blocks.{block}.{ours}": f"interaction_blocks.{block}.{theirs}"
        for block in range(n_blocks)
        for ours, theirs in BLOCK.items()
    }
    return blocks | {f"readout.{name}": f"output_network.layers.{name}" for name in READOUT}


def _basis_of(network: CGSchNet) -> str:
    return "expnorm" if isinstance(network.basis, ExpNormalBasis) else "gaussian"


def _basis_to_mlcg(network: CGSchNet) -> tuple[Tensor, Tensor]:
    """Centres, and what stands in mlcg for the widths."""
    basis = network.basis
    if isinstance(basis, ExpNormalBasis):
        return basis.centers, basis.exponents
    assert isinstance(basis, GaussianBasis)
    if not torch.allclose(basis.widths, basis.widths[0]):
        raise InputError("mlcg's GaussianBasis has one width but those of this network were trained: they differ")
    return basis.centers, -0.5 / basis.widths[0] ** 2


def _arguments(network: CGSchNet) -> dict[str, Any]:
    """What mlcg's StandardSchNet is made with."""
    state = network.state_dict()
    activations = {kind: name for name, kind in ACTIVATIONS.items()}
    return {
        "rbf": _basis_of(network),
        "num_rbf": len(state["basis.centers"]),
        "trainable_rbf": bool(list(network.basis.parameters())),
        "cutoff": network.cutoff,
        "output_hidden_layer_widths": [len(state[f"readout.{layer}.bias"]) for layer in (0, 2)],
        "hidden_channels": network.embedding.embedding_dim,
        "embedding_size": network.n_bead_types + 1,
        "num_filters": len(state["blocks.0.project.weight"]),
        "num_interactions": len(network.blocks),
        "activation": activations[type(network.readout[1])],
    }
