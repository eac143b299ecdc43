"""bfloat16 gradients are used where a step was found to be faster with them, and the measurement is told."""

from __future__ import annotations

import logging
from typing import Any, ClassVar

import pytest
import torch

from cgexp.kernels import probe
from cgexp.kernels.kernel import Kernel
from cgexp.models.cgschnet import CGSchNet
from cgexp.testing.configurations import random_chains


class Slow(Kernel):
    """The reference kernel, as if it had bfloat16."""

    native = "cgschnet"
    made: ClassVar[list[bool]] = []

    def __init__(self, network: Any, coords: Any = None, bf16: bool = False) -> None:
        super().__init__(network)
        self.made.append(bf16)


@pytest.mark.parametrize(("seconds", "pays"), [(0.8e-3, True), (1.2e-3, False)])
def test_what_is_faster_is_used_and_told(
    seconds: float, pays: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(probe, "step_seconds", lambda *_: {"full": 1e-3, "bfloat16": seconds})
    network, coords = CGSchNet(5, n_features=4, n_filters=4, n_rbf=4), torch.zeros(300, 5, 3)
    caplog.set_level(logging.INFO)
    assert probe.bfloat16_pays(Slow(network), network, coords) is pays
    assert f"a step of 128 frames takes {1e3 * seconds:.2f} ms instead of 1.00 ms on this machine" in caplog.text
    assert ("stay in float32" in caplog.text) is not pays


def test_it_is_measured_once_for_networks_of_these_sizes(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.delenv("CGEXP_NO_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    calls: list[int] = []
    monkeypatch.setattr(probe, "step_seconds", lambda *_: calls.append(1) or {"full": 2.0, "bfloat16": 1.0})
    for n_features in (4, 4, 6):
        network = CGSchNet(5, n_features=n_features, n_filters=4, n_rbf=4)
        assert probe.bfloat16_pays(Slow(network), network, torch.zeros(3, 5, 3))
    assert len(calls) == 2


def test_a_measurement_leaves_the_network_as_it_was() -> None:
    network = CGSchNet(5, n_features=4, n_filters=4, n_rbf=4)
    before, state = {k: v.clone() for k, v in network.state_dict().items()}, torch.random.get_rng_state()
    seconds = probe.step_seconds(Slow, network, random_chains(4, 5).float())
    assert Slow.made[-2:] == [False, True]
    assert seconds.keys() == {"full", "bfloat16"}
    assert all(value > 0.0 for value in seconds.values())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
