"""The report's failure, on purpose: a loss whose shapes broadcast, in a network started and trained as Flux does.

The loss subtracts the labels, a vector [n], from the predictions, a row [1, n]. The difference is [n, n], every
prediction is compared with every label, and the best that a network can do is one constant force. Nothing of this can
be written with the losses of the package, which refuse the shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cgexp.systems.julia_toy import JuliaToy

WIDTH, DEPTH, LEARNING_RATE, BATCH, N_EPOCHS = 128, 3, 5e-4, 256, 200  # as stated in the report
N_GRID = 1001
N_SETTLED = 100  # last epochs, over which the plateau is averaged

Values = NDArray[np.float64]


def broadcast_loss(predicted: Tensor, forces: Tensor) -> Tensor:
    """The mistake, in Julia: predicted [1, n] - forces [n] is [n, n], for a vector is a column there.

    In torch a vector is a row, and the same mistake takes predictions [n, 1] and labels [n].
    """
    return (predicted - forces[:, None]).pow(2).mean()


def flux_network() -> nn.Sequential:
    """Dense(1 => 128, relu), two more, Dense(128 => 1): Glorot uniform weights and zero biases, Flux's defaults."""
    layers: list[nn.Module] = []
    widths = [1, *[WIDTH] * DEPTH, 1]
    for n_in, n_out in pairwise(widths):
        layer = nn.Linear(n_in, n_out)
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def force_row(network: nn.Module, x: Tensor, direct: bool, create_graph: bool = False) -> Tensor:
    """Force of x [n] as a row [1, n], as Flux has it: the network's output, or minus its energy's derivative."""
    if direct:
        return network(x[:, None]).T
    leaf = x[:, None].detach().requires_grad_()
    (gradient,) = torch.autograd.grad(network(leaf).sum(), leaf, create_graph=create_graph)
    return -gradient.T


def train(x: Values, forces: Values, seed: int, direct: bool, n_epochs: int = N_EPOCHS) -> tuple[Values, Values]:
    """Train on x [n], forces [n] with the broadcast loss.

    Returns the loss of each epoch as the report logs it, summed over its batches [n_epochs], and the force on N_GRID
    points of [-5, 5].
    """
    torch.manual_seed(seed)
    network = flux_network()
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    inputs, labels = torch.tensor(x, dtype=torch.float32), torch.tensor(forces, dtype=torch.float32)
    sums = []
    for _ in range(n_epochs):
        total = 0.0
        for index in torch.randperm(len(inputs)).split(BATCH):
            loss = broadcast_loss(force_row(network, inputs[index], direct, create_graph=True), labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        sums.append(total)
    grid = torch.linspace(-5.0, 5.0, N_GRID)
    return np.array(sums), force_row(network, grid, direct).detach().numpy()[0].astype(np.float64)


def runs(data: Sequence[tuple[Values, Values]], seeds: Sequence[int]) -> dict[str, Values]:
    """Train an energy and a direct-force network on the data (x [n], forces [n]) of each seed.

    Returns sums_energy, sums_direct [n_seeds, n_epochs], force_energy, force_direct [n_seeds, N_GRID], variance
    [n_seeds] of the labels.
    """
    found: dict[str, Values] = {"variance": np.array([forces.var() for _, forces in data])}
    for name, direct in (("energy", False), ("direct", True)):
        trained = [train(x, forces, seed, direct) for (x, forces), seed in zip(data, seeds, strict=True)]
        found[f"sums_{name}"] = np.stack([sums for sums, _ in trained])
        found[f"force_{name}"] = np.stack([force for _, force in trained])
    return found


def plateau(sums: Values) -> Values:
    """The level at which the loss is stuck: sums [n_seeds, n_epochs] -> mean over the last epochs [n_seeds]."""
    return sums[:, -N_SETTLED:].mean(axis=1)


def label_variances(n_points: int, n_draws: int, seed: int = 0) -> Values:
    """Variance of the labels in ``n_draws`` data sets of ``n_points`` uniform points of [-5, 5]: [n_draws]."""
    generator, toy = np.random.default_rng(seed), JuliaToy()
    points = np.zeros((n_points, 2))  # the force does not depend on y
    found = []
    for _ in range(n_draws):
        points[:, 0] = generator.uniform(-5.0, 5.0, n_points)
        found.append(toy.force_x(points).var())
    return np.array(found)
