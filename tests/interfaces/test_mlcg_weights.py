"""Weights in mlcg's layout: its names and shapes, a round trip, and the same energies in mlcg itself where it is."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("safetensors")

from cgexp.build import build
from cgexp.energy import EnergyTerm
from cgexp.errors import InputError
from cgexp.interfaces.bundle import Bundle
from cgexp.interfaces.mlcg_weights import ARGUMENTS, from_mlcg, read_mlcg_weights, to_mlcg, write_mlcg_weights
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.potential import Potential
from cgexp.runs.bundle import READY
from tests.interfaces.models import make_bundle
from tests.optional import needs

# of StandardSchNet(ExpNormalBasis(CosineCutoff(0, 20), 12), ..., [16, 8], 16, 21, 16, 2) of mlcg 0.1.3
BLOCK = {
    "conv.lin1.weight": [16, 16], "conv.lin2.weight": [16, 16], "conv.lin2.bias": [16],
    "conv.filter_network.layers.0.weight": [16, 12], "conv.filter_network.layers.0.bias": [16],
    "conv.filter_network.layers.2.weight": [16, 16], "lin.weight": [16, 16], "lin.bias": [16],
}  # fmt: skip
LAYOUT = {
    "embedding_layer.weight": [21, 16], "rbf_layer.means": [12], "rbf_layer.betas": [12],
    **{f"interaction_blocks.{i}.{name}": shape for i in range(2) for name, shape in BLOCK.items()},
    "output_network.layers.0.weight": [16, 16], "output_network.layers.0.bias": [16],
    "output_network.layers.2.weight": [8, 16], "output_network.layers.2.bias": [8],
    "output_network.layers.4.weight": [1, 8],
}  # fmt: skip


def with_model(**changed: Any) -> Bundle:
    """The bundle with another network, of random weights, in float64."""
    bundle = make_bundle()
    assert bundle.model is not None
    network = build({**bundle.model, **changed}, EnergyTerm)
    assert isinstance(network, CGSchNet)
    network.bead_types.copy_(bundle.potential.network.bead_types)  # type: ignore[union-attr, arg-type]
    return replace(bundle, potential=Potential(network, bundle.potential.prior).double().eval())


def test_names_and_shapes_are_mlcg_s() -> None:
    network = make_bundle().potential.network
    assert isinstance(network, CGSchNet)
    assert {name: list(tensor.shape) for name, tensor in to_mlcg(network).items()} == LAYOUT


@pytest.mark.parametrize("changed", [{}, {"rbf": "gaussian", "activation": "silu"}, {"trainable_rbf": True}])
def test_a_round_trip_gives_the_same_energies(changed: dict[str, Any], tmp_path: Path) -> None:
    bundle = with_model(**changed)
    arguments = write_mlcg_weights(tmp_path, bundle)
    assert arguments["atom_types"] == (bundle.system.bead_types + 1).tolist()
    again = read_mlcg_weights(tmp_path)
    coords = torch.tensor(bundle.starts, dtype=torch.float64)
    assert bundle.potential.network is not None
    torch.testing.assert_close(again.energy(coords), bundle.potential.network.energy(coords), rtol=1e-12, atol=1e-12)


def test_what_is_not_like_ours_gets_a_sentence(tmp_path: Path) -> None:
    arguments = write_mlcg_weights(tmp_path, make_bundle())
    network = make_bundle().potential.network
    assert isinstance(network, CGSchNet)
    state = to_mlcg(network)
    with pytest.raises(InputError, match=r"lack cutoff: give rbf \(expnorm or gaussian\)"):
        from_mlcg(state, {name: value for name, value in arguments.items() if name != "cutoff"})
    with pytest.raises(InputError, match=r"output_network\.layers\.4\.weight is missing; expected the state_dict"):
        from_mlcg({n: t for n, t in state.items() if "layers.4" not in n}, arguments)
    with pytest.raises(InputError, match="do not fit CGSchNet"):
        from_mlcg({**state, "output_network.layers.2.weight": torch.zeros(9, 16)}, arguments)
    with pytest.raises(InputError, match=r"^atom_types reach from 0 to 1: expected 1 to 20"):
        from_mlcg(state, {**arguments, "atom_types": [0, 1]})
    with pytest.raises(InputError, match=r"the network of peptide-YYDPETGTWY is none: train with model=cgschnet"):
        write_mlcg_weights(tmp_path, make_bundle(model=False))
    (tmp_path / "mlcg_schnet.safetensors").unlink()
    with pytest.raises(InputError, match="is missing: it holds the state_dict"):
        read_mlcg_weights(tmp_path)
    (tmp_path / ARGUMENTS).write_text("null")
    with pytest.raises(InputError, match="holds no JSON object: give rbf"):
        read_mlcg_weights(tmp_path)
    (tmp_path / ARGUMENTS).unlink()
    with pytest.raises(InputError, match=f"{ARGUMENTS} is missing"):
        read_mlcg_weights(tmp_path)


@pytest.fixture
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    needs("mlcg.nn.schnet")
    shutil.copyfile(READY / "mlcg_schnet.py", tmp_path / "mlcg_schnet.py")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("mlcg_schnet", None)


@pytest.mark.parametrize("changed", [{}, {"rbf": "gaussian", "activation": "silu"}])
def test_mlcg_computes_the_same(changed: dict[str, Any], ready: Path) -> None:
    from mlcg.data.atomic_data import AtomicData

    bundle = with_model(**changed)
    arguments = write_mlcg_weights(ready, bundle)
    import mlcg_schnet

    model, network = mlcg_schnet.load(), bundle.potential.network
    assert network is not None
    for start in bundle.starts[:3].astype(np.float64):
        coords = torch.tensor(start, requires_grad=True)
        data = AtomicData.from_points(coords, torch.tensor(arguments["atom_types"]))
        data.batch = torch.zeros(len(coords), dtype=torch.int64)
        energy = model(data).out["SchNet"]["energy"]
        (gradient,) = torch.autograd.grad(energy.sum(), coords)
        own = torch.tensor(start[None], requires_grad=True)
        expected = network.energy(own)
        (wanted,) = torch.autograd.grad(expected.sum(), own)
        torch.testing.assert_close(energy, expected, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(gradient, wanted[0], rtol=1e-8, atol=1e-8)
