"""Energy and forces for simulation, by the chosen kernel."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cgexp.energy import EnergyTerm
from cgexp.errors import InputError, did_you_mean
from cgexp.kernels.filter_table import has_kinks
from cgexp.kernels.fused_cgnet import FusedCGnet
from cgexp.kernels.fused_cgschnet import FusedCGSchNet
from cgexp.kernels.fused_prior import AddPrior, FusedPrior, add_prior
from cgexp.kernels.native_library import NoNativeKernel
from cgexp.kernels.sparse import sparse_evaluator
from cgexp.kernels.table import TablePotential
from cgexp.models.average import Average
from cgexp.models.cgnet import CGnet
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.layers import with_plain_weights
from cgexp.models.potential import Potential
from cgexp.priors.prior import Prior

log = logging.getLogger(__name__)
NO_PRIOR = Prior({}, temperature=1.0)
EVALUATION_BYTES = 256 * 2**20
NUMBERS_A_PAIR = 3500  # that the reference of CGSchNet (3 blocks of 128 features) keeps, measured
NUMBERS_A_COORDINATE = 4  # of coordinates and forces, in the precision given and in that computed in
Evaluate = Callable[[Tensor], tuple[Tensor | None, Tensor]]  # coords -> energy [n] (None: non-conservative), forces


@dataclass(frozen=True)
class InBlocks:
    """An evaluator in C++: of however many frames, it keeps what a few take, beside the forces that it returns."""

    evaluate: Evaluate

    def __call__(self, coords: Tensor) -> tuple[Tensor | None, Tensor]:
        return self.evaluate(coords)


# For each name, what is tried before the reference; compiling for a simulation would take longer than many of them.
CHOICES: dict[str, tuple[str, ...]] = {
    "reference": (), "compiled": (), "table": ("table",), "sparse": ("sparse",),
    "fused": ("fused", "table"), "auto": ("fused", "table"),
}  # fmt: skip


def make_evaluator(name: str, potential: nn.Module, coords: Tensor) -> Evaluate:
    """Energy and forces by the kernel called ``name``, or by the next best if it does not serve this potential.

    potential: a Potential, or any module with ``energy_and_forces``; a frozen copy in the type and on the device of
    ``coords`` [n_frames, n_beads, n_dims] is used. coords: such as a simulation starts from. The reference kernel is
    ``energy_and_forces`` itself.
    """
    if name not in CHOICES:
        raise InputError(f"unknown kernel={name}{did_you_mean(name, CHOICES)}: expected {' or '.join(CHOICES)}")
    frozen = with_plain_weights(copy.deepcopy(potential).to(coords).eval()).requires_grad_(False)
    if isinstance(frozen, Potential) and isinstance(frozen.network, Average):
        return _of_average(name, frozen.network, frozen.prior, coords)
    if isinstance(frozen, Potential) and frozen.conservative and not _left_to_the_reference(name, frozen):
        for choice in CHOICES[name]:
            try:
                evaluate = MAKERS[choice](frozen, coords)
            except NoNativeKernel as error:
                log.warning("%s", error)
                continue
            if evaluate is not None:
                return evaluate
    return cast(Evaluate, frozen.energy_and_forces)


def _of_average(name: str, network: Average, prior: EnergyTerm, coords: Tensor) -> Evaluate:
    """Every member by a kernel of its own, their mean, and the prior once."""
    members = [make_evaluator(name, Potential(member, NO_PRIOR), coords) for member in network.networks]
    of_prior = make_evaluator(name, Potential(None, prior), coords)

    def energy_and_forces(coords: Tensor) -> tuple[Tensor, Tensor]:
        energy, forces = cast(tuple[Tensor, Tensor], of_prior(coords))
        for evaluate in members:
            of_member = cast(tuple[Tensor, Tensor], evaluate(coords))
            energy = energy + of_member[0] / len(members)
            forces = forces + of_member[1] / len(members)
        return energy, forces

    in_blocks = all(isinstance(evaluate, InBlocks) for evaluate in (of_prior, *members))
    return InBlocks(energy_and_forces) if in_blocks else energy_and_forces


def make_forces(name: str, potential: nn.Module, coords: Tensor) -> Callable[[Tensor], Tensor]:
    """Forces of any number of frames by the kernel called ``name``, a part at a time: see ``make_evaluator``.

    The parts are so large that the kernel takes about EVALUATION_BYTES: see ``frames_at_a_time``.
    """
    evaluate = make_evaluator(name, potential, coords)
    size = frames_at_a_time(evaluate, coords)

    def forces(many: Tensor) -> Tensor:
        return torch.cat([evaluate(part)[1] for part in many.split(size)])

    return forces


def forces_of(
    potential: nn.Module, coords: NDArray[np.floating], name: str = "auto", out: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Forces in float64 of many frames, coords [n_frames, n_beads, n_dims] -> the same shape: see ``make_forces``.

    Not finite where the potential's are not. out: where they are written, as to a file; None: to memory.
    """
    like = torch.as_tensor(np.array(coords[:1], dtype=np.float64))
    evaluate = make_evaluator(name, potential, like)
    size = frames_at_a_time(evaluate, like)
    found = np.empty(coords.shape) if out is None else out
    for first in range(0, len(coords), size):  # converted a part at a time: coordinates may fill the memory
        part = torch.from_numpy(np.array(coords[first : first + size], dtype=np.float64))
        found[first : first + size] = evaluate(part)[1].numpy()
    return found


def frames_at_a_time(evaluate: Evaluate, coords: Tensor) -> int:
    """How many frames like coords [n_frames, n_beads, n_dims] to evaluate in a call, for EVALUATION_BYTES.

    Reverse mode keeps numbers of every pair and frame; an evaluator ``InBlocks`` only takes and returns coordinates.
    """
    n_beads, n_dims = coords.shape[1:]
    n_pairs = max(1, n_beads * (n_beads - 1) // 2)
    numbers = n_beads * n_dims * NUMBERS_A_COORDINATE if isinstance(evaluate, InBlocks) else n_pairs * NUMBERS_A_PAIR
    return max(1, EVALUATION_BYTES // (numbers * coords.element_size()))


def _left_to_the_reference(name: str, potential: Potential) -> bool:
    """As in training, kernel=auto tabulates no filters with kinks."""
    return name == "auto" and potential.network is not None and has_kinks(potential.network)


def _table(potential: Potential, coords: Tensor) -> Evaluate | None:
    return TablePotential(potential, coords) if isinstance(potential.network, CGSchNet) else None


def _fused(potential: Potential, coords: Tensor) -> Evaluate | None:
    """Network and prior in C++; one without a C++ kernel is evaluated in torch beside the other."""
    if coords.device.type != "cpu":
        return None
    network, prior = potential.network, potential.prior
    fused_prior = FusedPrior(prior, coords.dtype) if isinstance(prior, Prior) else None
    add = add_prior(prior) if fused_prior is None else fused_prior.add
    if isinstance(network, CGSchNet):
        # without coords its table covers all distances, see TablePotential
        evaluate: Evaluate = FusedCGSchNet(network).evaluator()
    elif isinstance(network, CGnet):
        evaluate = FusedCGnet(network).evaluator()
    elif network is None:
        evaluate = _zero
    else:
        return _with_prior(Potential(network, NO_PRIOR).energy_and_forces, add)
    whole = _with_prior(evaluate, add)
    return InBlocks(whole) if fused_prior is not None and fused_prior.is_native else whole


def _zero(coords: Tensor) -> tuple[Tensor, Tensor]:
    return coords.new_zeros(len(coords)), torch.zeros_like(coords)


def _with_prior(evaluate: Evaluate, add: AddPrior) -> Evaluate:
    def energy_and_forces(coords: Tensor) -> tuple[Tensor, Tensor]:
        coords = coords.contiguous()
        energy, forces = evaluate(coords)
        assert energy is not None
        add(coords, energy, forces)
        return energy, forces

    return energy_and_forces


def _sparse(potential: Potential, coords: Tensor) -> Evaluate | None:
    return sparse_evaluator(potential) if isinstance(potential.network, CGSchNet) else None


MAKERS: dict[str, Callable[[Potential, Tensor], Evaluate | None]] = {
    "table": _table, "fused": _fused, "sparse": _sparse,
}  # fmt: skip
