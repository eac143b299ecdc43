"""Installed peers at the same task: TorchMD-Net's graph network and SchNetPack's SchNet, all pairs, eager, Adam.

Written after their documentation and not tried where they are not installed; a peer that fails leaves a note.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.result import Result
from benchmarks.subject import Settings, make_optimizer

Energy = Callable[[Tensor], Tensor]  # coords [n_frames * n_beads, 3] -> sum of the energies


def peer_steps(
    n_beads: int, batch: tuple[Tensor, Tensor], settings: Settings, result: Result
) -> dict[str, Callable[[], object]]:
    """A training step of each peer that is installed; ``result.peers`` says what became of each."""
    steps: dict[str, Callable[[], object]] = {}
    coords, forces = batch
    for package, make in PEERS.items():
        if find_spec(package) is None:
            result.peers[package] = "not installed"
            continue
        try:
            module, energy = make(coords, settings)
            step = _step(module.to(coords.device), energy, coords, forces)
            step()
        except Exception as error:  # another package, of any version
            result.peers[package] = f"failed: {type(error).__name__}: {error}"
            continue
        result.peers[package] = "measured"
        steps[package] = step
    return steps


def _step(module: nn.Module, energy: Energy, coords: Tensor, forces: Tensor) -> Callable[[], object]:
    optimizer = make_optimizer(module)  # type: ignore[arg-type]
    target = forces.flatten(0, 1)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        leaf = coords.flatten(0, 1).clone().requires_grad_(True)
        (gradient,) = torch.autograd.grad(energy(leaf), leaf, create_graph=True)
        nn.functional.mse_loss(-gradient, target).backward()
        optimizer.step()

    return step


def _topology(coords: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For all frames at once: frame of each bead, and sender and receiver of each directed pair."""
    n_frames, n_beads, _ = coords.shape
    frame = torch.arange(n_frames, device=coords.device).repeat_interleave(n_beads)
    first, second = (~torch.eye(n_beads, dtype=torch.bool, device=coords.device)).nonzero().T
    offset = (torch.arange(n_frames, device=coords.device) * n_beads)[:, None]
    return frame, (first + offset).flatten(), (second + offset).flatten()


def _torchmdnet(coords: Tensor, settings: Settings) -> tuple[nn.Module, Energy]:
    size, (n_frames, n_beads, _) = settings.network, coords.shape
    representation = import_module("torchmdnet.models.torchmd_gn").TorchMD_GN(
        hidden_channels=size["n_features"], num_filters=size["n_filters"], num_layers=size["n_blocks"],
        num_rbf=size["n_rbf"], rbf_type="expnorm", trainable_rbf=False, activation="tanh", neighbor_embedding=False,
        cutoff_lower=0.0, cutoff_upper=size["cutoff"], max_num_neighbors=n_beads,
    )  # fmt: skip
    output = import_module("torchmdnet.models.output_modules").Scalar(size["n_features"], activation="tanh")
    model: nn.Module = import_module("torchmdnet.models.model").TorchMD_Net(representation, output)
    frame, _, _ = _topology(coords)
    types = (torch.arange(n_beads, device=coords.device) % 20 + 1).repeat(n_frames)
    return model, lambda flat: model(types, flat, frame)[0].sum()


def _schnetpack(coords: Tensor, settings: Settings) -> tuple[nn.Module, Energy]:
    size, (n_frames, n_beads, _) = settings.network, coords.shape
    layers: Any = import_module("schnetpack.nn")
    keys: Any = import_module("schnetpack.properties")
    representation = import_module("schnetpack.representation").SchNet(
        size["n_features"], size["n_blocks"], layers.GaussianRBF(size["n_rbf"], size["cutoff"]),
        layers.CosineCutoff(size["cutoff"]), n_filters=size["n_filters"], activation=torch.tanh,
    )  # fmt: skip
    width = size["n_features"]
    readout = nn.Sequential(
        nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width // 2), nn.Tanh(), nn.Linear(width // 2, 1)
    )
    _, first, second = _topology(coords)
    types = (torch.arange(n_beads, device=coords.device) % 20 + 1).repeat(n_frames)

    def energy(flat: Tensor) -> Tensor:
        inputs = {keys.Z: types, keys.Rij: flat[second] - flat[first], keys.idx_i: first, keys.idx_j: second}
        features: Tensor = readout(representation(inputs)["scalar_representation"]).sum()
        return features

    return nn.ModuleList([representation, readout]), energy


PEERS = {"torchmdnet": _torchmdnet, "schnetpack": _schnetpack}
