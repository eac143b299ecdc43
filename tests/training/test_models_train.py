"""Every model through the training checks."""

from __future__ import annotations

import torch

from cgexp.energy import EnergyTerm
from cgexp.frames import Frames
from cgexp.models.cgnet import CGnet
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.direct_force import DirectForce
from cgexp.models.toy_mlp import ToyMLP
from cgexp.testing.configurations import chain_frames, toy_frames
from cgexp.testing.training_checks import TrainingChecks


class OnToy(TrainingChecks):
    def make_frames(self) -> Frames:
        return toy_frames(200)


class OnChain(TrainingChecks):
    def make_frames(self) -> Frames:
        return chain_frames(80, 5)


class TestToyMLP(OnToy):
    def make_network(self) -> EnergyTerm:
        torch.manual_seed(0)
        return ToyMLP(1, 1, width=16, n_fourier=4)


class TestDirectForce(OnToy):
    def make_network(self) -> EnergyTerm:
        torch.manual_seed(0)
        return DirectForce(1, 1, width=16)


class TestCGnet(OnChain):
    def make_network(self) -> EnergyTerm:
        torch.manual_seed(0)
        return CGnet(5, width=8, depth=1, lipschitz=4.0)


class TestCGSchNet(OnChain):
    def make_network(self) -> EnergyTerm:
        torch.manual_seed(0)
        return CGSchNet(5, n_features=8, n_filters=8, n_rbf=6, n_blocks=1)
