"""The multilayer perceptron that every network here is made of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from cgexp.models.activations import activation_module


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
