"""The multilayer perceptron that every network here is made of."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from cgexp.models.activations import activation_module


def mlp(widths: Sequence[int], activation: str, last_bias: bool = True) -> nn.Sequential:
    """Linear layers of the given widths, input and output included, with the activation between them.

    ``last_bias=False`` where the output is an energy: forces do not see its constant.
    """
    layers: list[nn.Module] = []
    last = len(widths) - 2
    for index, (n_in, n_out) in enumerate(pairwise(widths)):
        layers.append(nn.Linear(n_in, n_out, bias=index < last or last_bias))
        if index < last:
            layers.append(activation_module(activation))
    return nn.Sequential(*layers)
