from __future__ import annotations

import pytest
import torch

from cgexp.config.checks import check
from cgexp.config.compose import compose
from cgexp.errors import InputError
from cgexp.kernels.choose import KERNELS, best_kernel, make_kernel
from cgexp.kernels.evaluator import CHOICES
from cgexp.kernels.fused_cgschnet import FusedCGSchNet
from cgexp.kernels.native_library import NoNativeKernel
from cgexp.kernels.table import TableKernel
from cgexp.models.cgnet import CGnet
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.direct_force import DirectForce
from cgexp.models.toy_mlp import ToyMLP
from cgexp.systems.base import system_of
from cgexp.testing.configurations import chain_frames


def network_and_coords() -> tuple[CGSchNet, torch.Tensor]:
    torch.manual_seed(0)
    frames = chain_frames(40)
    network = CGSchNet(frames.n_beads, n_features=8, n_filters=8, n_rbf=6, n_blocks=1).double()
    network.fit(frames, system_of(frames))
    return network, torch.tensor(frames.coords[:16], dtype=torch.float64)


def test_the_reference_kernel_gives_the_potentials_forces() -> None:
    from cgexp.models.potential import Potential
    from cgexp.priors.prior import Prior

    network, coords = network_and_coords()
    expected = Potential(network, Prior({}, 350.0)).forces(coords)
    torch.testing.assert_close(make_kernel("reference", network)(coords).detach(), expected)


def test_a_direct_force_network_needs_no_gradient() -> None:
    network = DirectForce(1, 1)
    coords = torch.zeros(4, 1, 1)
    assert make_kernel("reference", network)(coords).shape == (4, 1, 1)


def test_an_unknown_kernel_is_named() -> None:
    with pytest.raises(InputError, match="did you mean 'reference'"):
        make_kernel("refrence", network_and_coords()[0])


def test_auto_takes_the_fastest_that_serves_the_network(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    network, coords = network_and_coords()
    assert isinstance(make_kernel("auto", network, coords), FusedCGSchNet)
    assert best_kernel(ToyMLP(1, 1)) == "reference"

    def no_compiler(name: str) -> None:
        raise NoNativeKernel("no C++ compiler was found", "install one")

    monkeypatch.setattr("cgexp.kernels.choose.native_library", no_compiler)
    assert isinstance(make_kernel("auto", network, coords), TableKernel)
    assert "no C++ compiler" in caplog.text


def test_fused_says_whom_it_serves() -> None:
    with pytest.raises(InputError, match="kernel=fused does not serve the model ToyMLP: use kernel=auto"):
        make_kernel("fused", ToyMLP(1, 1))


def test_without_bfloat16_gradients_stay_in_float32(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Old:
        def has_bf16(self) -> int:
            return 0

    monkeypatch.setattr("cgexp.kernels.choose.native_library", lambda name: Old())
    kernel = make_kernel("fused", *network_and_coords(), bf16=True)
    assert isinstance(kernel, FusedCGSchNet)
    assert not kernel.bf16
    assert "stay in float32" in caplog.text


def test_kinks_matter_to_tables_only(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.warns(UserWarning, match="relu"):
        schnet, cgnet = CGSchNet(5, activation="relu"), CGnet(5, activation="relu")
    assert best_kernel(schnet) == "reference"
    assert best_kernel(cgnet) == "fused"
    make_kernel("reference", cgnet, bf16=True)
    assert "bfloat16 is for fused" in caplog.text


def test_a_simulation_knows_every_kernel_that_a_training_knows() -> None:
    assert set(CHOICES) == set(KERNELS)


def test_the_config_takes_every_kernel_and_no_other() -> None:
    for name in KERNELS:
        check(compose(["experiment=chignolin_first", f"kernel={name}"]))
    with pytest.raises(InputError, match=r"kernel=fussed"):
        check(compose(["kernel=fussed"]))
