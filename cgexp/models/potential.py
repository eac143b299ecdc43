"""Potential: a network plus a prior, the only place where forces are gradients; its file; a warm start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cgexp.build import build
from cgexp.energy import EnergyTerm, negative_gradient
from cgexp.errors import InputError
from cgexp.store import read_arrays, write_arrays

POTENTIAL_FILE = "potential.npz"  # of a finished run's folder


class Potential(nn.Module):
    """Energy and forces of coarse-grained configurations, in the units of the system.

    network: an energy network, a direct-force network (``conservative`` is then False and there is no energy), or
    None for the prior alone. prior: any energy term; it may be a sum of none. Forces can be asked for inside a
    caller's ``torch.no_grad`` or ``torch.inference_mode``.

    Coordinates are a tensor or an array of any precision, [n_frames, n_beads, n_dims] or one frame [n_beads, n_dims];
    what comes back is of the same kind, in the potential's own precision and without a graph, unless the coordinates
    require a gradient (``energy``) or ``create_graph`` asks for one.
    """

    def __init__(self, network: EnergyTerm | None, prior: EnergyTerm) -> None:
        super().__init__()
        self.network = network
        self.prior = prior

    @property
    def conservative(self) -> bool:
        """Whether the forces are the gradient of an energy."""
        return self.network is None or self.network.conservative

    @overload
    def energy(self, coords: Tensor) -> Tensor: ...
    @overload
    def energy(self, coords: NDArray[np.floating]) -> NDArray[np.floating]: ...
    def energy(self, coords: Tensor | NDArray[np.floating]) -> Tensor | NDArray[np.floating]:
        """Energies [n_frames], or of one frame [], in the energy unit; InputError for a direct-force network."""
        taken = self._taken(coords)
        if taken.requires_grad:
            return _given_back(self._energy(taken), coords)
        with self._frozen():
            return _given_back(self._energy(taken), coords)

    def _energy(self, coords: Tensor) -> Tensor:
        if not self.conservative:
            raise InputError("this potential predicts forces directly and has no energy: ask for its forces only")
        if self.network is None:
            return self.prior.energy(coords)
        return self.network.energy(coords) + self.prior.energy(coords)

    def forward(self, coords: Tensor) -> Tensor:
        return self.energy(coords)

    @overload
    def forces(self, coords: Tensor, create_graph: bool = False) -> Tensor: ...
    @overload
    def forces(self, coords: NDArray[np.floating]) -> NDArray[np.floating]: ...
    def forces(
        self, coords: Tensor | NDArray[np.floating], create_graph: bool = False
    ) -> Tensor | NDArray[np.floating]:
        """Forces, shaped as coords; with ``create_graph`` they can be differentiated in the parameters."""
        with torch.inference_mode(False), torch.enable_grad():
            leaf = _leaf(self._taken(coords))
            if create_graph:
                return _given_back(self._energy_and_forces(leaf, create_graph=True)[1], coords)
            with self._frozen():
                return _given_back(self._energy_and_forces(leaf, create_graph=False)[1].detach(), coords)

    def energy_and_forces(self, coords: Tensor) -> tuple[Tensor | None, Tensor]:
        """Energies [n_frames] (None if not conservative) and forces, in one pass and free of any graph."""
        with torch.inference_mode(False), torch.enable_grad(), self._frozen():
            energy, forces = self._energy_and_forces(_leaf(coords), create_graph=False)
        return None if energy is None else energy.detach(), forces.detach()

    def __repr__(self) -> str:
        network = "no network" if self.network is None else type(self.network).__name__
        n_parameters = sum(parameter.numel() for parameter in self.parameters())
        terms = ", ".join(getattr(self.prior, "terms", None) or ()) or "none"
        return f"<Potential: {network}, {n_parameters:,} parameters; prior terms: {terms}>"

    def _taken(self, coords: object) -> Tensor:
        """Coordinates as a tensor [n_frames, n_beads, n_dims] on the device and in the precision of the potential."""
        if not isinstance(coords, Tensor | np.ndarray):
            raise InputError(
                f"coords are a {type(coords).__name__}: expected a tensor or an array [n_frames, n_beads, n_dims]"
                + (", as its .coords" if hasattr(coords, "coords") else "")
            )
        taken = coords if isinstance(coords, Tensor) else torch.from_numpy(np.array(coords, dtype=np.float64))
        own = next((part for part in chain(self.parameters(), self.buffers()) if part.is_floating_point()), None)
        if own is not None:
            taken = taken.to(own)
        if taken.ndim == 2:
            taken = taken[None]
        if taken.ndim != 3:
            raise InputError(
                f"coords have shape {list(coords.shape)}: expected [n_frames, n_beads, n_dims], or one frame "
                "[n_beads, n_dims]"
            )
        shape = tuple(getattr(self.network, name, None) for name in ("n_beads", "n_dims"))
        for size, wanted, name in zip(taken.shape[1:], shape, ("beads", "dimensions"), strict=True):
            if wanted is not None and size != wanted:
                raise InputError(
                    f"coords have {size} {name} (shape {list(coords.shape)}): the potential is of {wanted}"
                )
        return taken

    def _energy_and_forces(self, coords: Tensor, create_graph: bool) -> tuple[Tensor | None, Tensor]:
        if self.conservative:
            energy = self._energy(coords)
            return energy, self._gradient(energy, coords, create_graph)
        prior_forces = self._gradient(self.prior.energy(coords), coords, create_graph)
        assert self.network is not None
        return None, self.network(coords) + prior_forces

    @staticmethod
    def _gradient(energy: Tensor, coords: Tensor, create_graph: bool) -> Tensor:
        if not energy.requires_grad:  # a sum of no terms does not depend on the coordinates
            return torch.zeros_like(coords)
        return negative_gradient(energy, coords, create_graph)

    @contextmanager
    def _frozen(self) -> Iterator[None]:
        """Leave the parameters out of the graph, which then holds only what the forces need."""
        trainable = [parameter for parameter in self.parameters() if parameter.requires_grad]
        for parameter in trainable:
            parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter in trainable:
                parameter.requires_grad_(True)


def _leaf(coords: Tensor) -> Tensor:
    """Coordinates that can be differentiated, without a history of their own."""
    if coords.is_inference():
        coords = coords.clone()
    return coords if coords.requires_grad else coords.detach().requires_grad_()


def _given_back(result: Tensor, coords: Tensor | NDArray[np.floating]) -> Tensor | NDArray[np.floating]:
    """A result [n_frames, ...] as the kind of coordinates that it is of: tensor or array, many frames or one."""
    result = result if coords.ndim == 3 else result[0]
    return result if isinstance(coords, Tensor) else result.detach().cpu().numpy()


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
    return read_potential(path)[0]


def read_potential(path: Path) -> tuple[Potential, Mapping[str, Any]]:
    """As ``load_potential``, with what the file says beside it: ``specs`` of its parts, and the rest of its meta."""
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
    return potential.eval(), meta


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
