"""Derivatives by finite differences, in float64, and how far automatic ones are from them.

A relative error is the largest absolute difference over the root mean square of the finite-difference reference.
The fourth-order central stencil f' = (8 (f(h) - f(-h)) - (f(2h) - f(-2h))) / 12h errs by h^4 f'''''/30 and by
rounding, about 1e-16 f/h: with the steps below both stay under 1e-9 for wave numbers up to about 100 per length.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from cgexp.energy import EnergyTerm, negative_gradient
from cgexp.models.potential import Potential

Term = EnergyTerm | Potential
STENCIL = ((1, 8.0 / 12.0), (-1, -8.0 / 12.0), (2, -1.0 / 12.0), (-2, 1.0 / 12.0))
COORDINATE_STEP = 1e-4  # of coordinates (Å, or the length of a toy)
PARAMETER_STEP = 1e-3  # along a unit vector in the space of all parameters


def force_error(term: Term, coords: Tensor) -> float:
    """Relative error of -dE/dx, by autograd, against finite differences of the energy.

    term: an energy term or Potential with ``energy``; it is copied and evaluated in float64. coords [n_frames,
    n_beads, n_dims].
    """
    term, coords = _in_float64(term), coords.detach().double()
    reference = finite_difference_forces(term, coords)
    return relative_error(_forces(term, coords), reference)


def finite_difference_forces(term: Term, coords: Tensor, step: float = COORDINATE_STEP) -> Tensor:
    """-dE/dx of each coordinate, [n_frames, n_beads, n_dims], all frames at once."""
    n_frames = len(coords)
    flat = coords.flatten(1)
    columns = []
    with torch.no_grad():
        for direction in torch.eye(flat.shape[1], dtype=coords.dtype):
            shifted = torch.cat([flat + factor * step * direction for factor, _ in STENCIL])
            energies = term.energy(shifted.view(-1, *coords.shape[1:])).view(len(STENCIL), n_frames)
            columns.append(-sum(weight * energy for (_, weight), energy in zip(STENCIL, energies, strict=True)) / step)
    return torch.stack(columns, dim=1).view_as(coords)


def parameter_gradient_error(term: Term, coords: Tensor, forces: Tensor, seed: int = 0) -> float:
    """Relative error of the gradient of a force-matching loss in the parameters, by double backward.

    The loss is mean((F - forces)^2); how it is compared: ``loss_gradient_error``.
    """
    term, coords, forces = _in_float64(term), coords.detach().double(), forces.detach().double()
    parameters = [parameter for parameter in term.parameters() if parameter.requires_grad]
    if not parameters:
        raise ValueError(f"{type(term).__name__} has no trainable parameters to differentiate in")
    return loss_gradient_error(
        lambda: (_forces(term, coords, create_graph=True) - forces).square().mean(), parameters, seed
    )


def loss_gradient_error(loss: Callable[[], Tensor], parameters: Sequence[Tensor], seed: int = 0) -> float:
    """Relative error of the gradient of a scalar loss in float64 parameters, which are left as they were.

    Derivatives along random unit vectors in the space of all parameters, along the gradient itself, and along two
    single parameters of each tensor (the steepest and a random one) are compared; a unit vector sees a slope of the
    size of one parameter's, so the root mean square of the gradient is the scale.
    """
    found = torch.autograd.grad(loss(), parameters, allow_unused=True)
    gradients = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]
    scale = torch.cat([gradient.flatten() for gradient in gradients]).square().mean().sqrt()
    generator = torch.Generator().manual_seed(seed)
    worst = 0.0
    for direction in _directions(gradients, generator):
        expected = _slope(loss, parameters, direction)
        slope = sum(float((g * d).sum()) for g, d in zip(gradients, direction, strict=True))
        worst = max(worst, abs(slope - expected) / float(scale))
    return worst


def relative_error(values: Tensor, reference: Tensor) -> float:
    """Largest absolute difference over the root mean square of the reference."""
    return float((values - reference).abs().max() / reference.square().mean().sqrt())


def _directions(gradients: list[Tensor], generator: torch.Generator) -> Iterator[list[Tensor]]:
    for _ in range(4):
        yield _unit([torch.randn(g.shape, generator=generator, dtype=g.dtype) for g in gradients])
    for chosen, gradient in enumerate(gradients):
        random = int(torch.randint(gradient.numel(), (), generator=generator))
        for element in (int(gradient.abs().argmax()), random):
            single = [torch.zeros_like(g) for g in gradients]
            single[chosen].view(-1)[element] = 1.0
            yield single


def _unit(direction: list[Tensor]) -> list[Tensor]:
    norm = torch.cat([part.flatten() for part in direction]).norm()
    return [part / norm for part in direction]


def _slope(loss: Callable[[], Tensor], parameters: Sequence[Tensor], direction: list[Tensor]) -> float:
    start = [parameter.detach().clone() for parameter in parameters]
    total = 0.0
    for factor, weight in STENCIL:
        with torch.no_grad():
            for parameter, origin, part in zip(parameters, start, direction, strict=True):
                parameter.copy_(origin + factor * PARAMETER_STEP * part)
        total += weight * float(loss().detach())
    with torch.no_grad():
        for parameter, origin in zip(parameters, start, strict=True):
            parameter.copy_(origin)
    return total / PARAMETER_STEP


def _forces(term: Term, coords: Tensor, create_graph: bool = False) -> Tensor:
    if isinstance(term, Potential):
        return term.forces(coords, create_graph)
    if not term.conservative:
        return term(coords)
    leaf = coords.clone().requires_grad_()
    return negative_gradient(term.energy(leaf), leaf, create_graph)


def _in_float64(term: Term) -> Term:
    return copy.deepcopy(term).double().eval()
