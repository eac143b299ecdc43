"""Activation functions by name, and why an energy wants a smooth one."""

from __future__ import annotations

import warnings

from torch import nn

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
