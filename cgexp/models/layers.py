"""What networks are made of: activation functions by name, the perceptron, control of spectral norms."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils import parametrize

from cgexp.errors import InputError, did_you_mean

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "gelu": nn.GELU,
    "relu": nn.ReLU,
}
NOT_SMOOTH = ("relu",)


def activation_module(name: str) -> nn.Module:
    """Return a new module for the activation called ``name``; raises InputError for an unknown one."""
    if name not in ACTIVATIONS:
        raise InputError(
            f"unknown activation '{name}'{did_you_mean(name, ACTIVATIONS)}: expected one of {', '.join(ACTIVATIONS)}"
        )
    return ACTIVATIONS[name]()


def warn_if_not_smooth(name: str) -> None:
    """Warn where an *energy* network is given an activation whose derivative jumps; a force network may have it."""
    if name in NOT_SMOOTH:
        warnings.warn(
            f"activation '{name}' in an energy model makes the force, its derivative, piecewise constant and the "
            "second derivative zero, so that force matching cannot shape it; use tanh, silu, softplus or gelu",
            UserWarning,
            stacklevel=3,
        )


def hidden_layers(widths: Sequence[int], activation: str) -> nn.Sequential:
    """Linear layers of the given widths, the input's first, each followed by the activation."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), activation_module(activation)]
    return nn.Sequential(*layers)


def mlp(widths: Sequence[int], activation: str, last_bias: bool = True) -> nn.Sequential:
    """Linear layers of the given widths, input and output included, with the activation between them.

    ``last_bias=False`` where the output is an energy: forces do not see its constant.
    """
    return hidden_layers(widths[:-1], activation).append(nn.Linear(widths[-2], widths[-1], bias=last_bias))


def with_plain_weights(module: nn.Module) -> nn.Module:
    """The module itself, linear layers of parametrised weights replaced in place by plain ones of the same values.

    For use, no longer for training: forces then do not compute the weights at every call, and it can be pickled.
    """
    for parent in list(module.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, nn.Linear) and parametrize.is_parametrized(layer):
                setattr(parent, name, _plain(layer))
    return module


@torch.no_grad()
def _plain(layer: nn.Linear) -> nn.Linear:
    weight = layer.weight
    plain = nn.Linear(layer.in_features, layer.out_features, layer.bias is not None).to(weight)
    plain.weight.copy_(weight)
    if layer.bias is not None:
        plain.bias.copy_(layer.bias)
    return plain.train(layer.training)


class SpectralBound(nn.Module):
    """Parametrisation W -> W min(1, bound / sigma(W)), sigma being the largest singular value.

    sigma = u W v, with the singular vectors u and v found by power iteration: 20 steps at first and one after every
    backward pass. Between them u and v are constants, so a pass changes no state (a compiled or functional one may
    not), sigma is linear in W, and derivatives of every order are exact.
    """

    left: Tensor
    right: Tensor

    def __init__(self, weight: Tensor, bound: float) -> None:
        super().__init__()
        self.bound = bound
        generator = torch.Generator().manual_seed(0)  # any start serves: the iteration forgets it
        start = torch.randn(weight.shape[0], generator=generator, dtype=torch.float64).to(weight.dtype)
        self.register_buffer("left", normalize(start, dim=0))
        self.register_buffer("right", weight.new_zeros(weight.shape[1]))
        self.iterate(weight, n_steps=20)

    @torch.no_grad()
    def iterate(self, weight: Tensor, n_steps: int = 1) -> None:
        """Bring the singular vectors closer to those of ``weight`` [n_out, n_in]."""
        for _ in range(n_steps):
            self.right.copy_(normalize(weight.mT @ self.left, dim=0))
            self.left.copy_(normalize(weight @ self.right, dim=0))

    def forward(self, weight: Tensor) -> Tensor:
        # Copies, because a backward pass changes the buffers in place while another may still await its own.
        sigma = self.left.clone() @ weight @ self.right.clone()
        return weight * (self.bound / sigma.clamp(min=self.bound))


def bound_spectral_norm(network: nn.Module, bound: float) -> None:
    """Keep the spectral norm of every linear layer in ``network`` at or below ``bound``, in place.

    The norm is that of the power iteration, which lags behind fast changes; averaged weights may exceed it slightly.
    The power iteration hangs on the weights of this very network: train it, not a deep copy of it.
    """
    for layer in list(network.modules()):
        if isinstance(layer, nn.Linear):
            weight = layer.weight
            spectral = SpectralBound(weight.detach(), bound)
            parametrize.register_parametrization(layer, "weight", spectral)
            weight.register_post_accumulate_grad_hook(spectral.iterate)
