"""Installed peers at the same task: mlcg's, TorchMD-Net's and SchNetPack's SchNet, all pairs, eager, Adam.

Written after their documentation and source, and not tried where they are not installed; a peer that fails leaves a
note. Each is measured as it is and with subnormal numbers flushed to zero, of which the tails of their radial functions
are full: on Intel's processors these take most of a step. torch flushes in the calling thread alone, so that this needs
one thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.result import Result
from benchmarks.subject import Settings, make_optimizer

FLUSHED = "_flushed"  # ends the name of a peer that is measured so
N_TYPES = 25
Energy = Callable[[Tensor], Tensor]  # coords [n_frames * n_beads, 3] -> sum of the energies


def peer_steps(batch: tuple[Tensor, Tensor], settings: Settings, result: Result) -> dict[str, Callable[[], object]]:
    """A training step of each peer that is installed, plain and flushed; ``result.peers`` says what became of each."""
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
        if torch.get_num_threads() > 1:
            result.peers[package + FLUSHED] = "needs --threads 1"
        elif not torch.set_flush_denormal(False):
            result.peers[package + FLUSHED] = "not on this processor"
        else:
            result.peers[package + FLUSHED] = "measured"
            steps[package + FLUSHED] = partial(flushed, step)
    return steps


def flushed(step: Callable[[], object]) -> None:
    """A step with subnormal numbers as zeros."""
    torch.set_flush_denormal(True)
    try:
        step()
    finally:
        torch.set_flush_denormal(False)


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


def _mlcg(coords: Tensor, settings: Settings) -> tuple[nn.Module, Energy]:
    size, (n_frames, n_beads, _) = settings.network, coords.shape
    layers, data = import_module("mlcg.nn"), import_module("mlcg.data")
    cutoff, width = layers.CosineCutoff(0.0, size["cutoff"]), size["n_features"]
    model: nn.Module = layers.StandardSchNet(
        layers.ExpNormalBasis(cutoff, num_rbf=size["n_rbf"], trainable=False), cutoff, [width, width // 2],
        hidden_channels=width, embedding_size=N_TYPES, num_filters=size["n_filters"],
        num_interactions=size["n_blocks"], activation=nn.Tanh(),
    )  # fmt: skip
    frame, _, _ = _topology(coords)
    types = (torch.arange(n_beads, device=coords.device) % 20 + 1).repeat(n_frames)

    def energy(flat: Tensor) -> Tensor:
        batch = data.AtomicData(pos=flat, atom_types=types, batch=frame, neighbor_list={})
        found: Tensor = model(batch).out[model.name]["energy"].sum()
        return found

    return model, energy


PEERS = {"mlcg": _mlcg, "torchmdnet": _torchmdnet, "schnetpack": _schnetpack}
