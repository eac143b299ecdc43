"""The network beside this script in mlcg: from mlcg_schnet import load; model = load(). kcal/mol and Å.

Bead types are those of mlcg's HDF5 layout, from 1: ``ARGUMENTS["atom_types"]``. The prior is not in it.
"""

import json
from pathlib import Path

import torch
from mlcg.nn.cutoff import CosineCutoff, IdentityCutoff
from mlcg.nn.radial_basis.exp_normal import ExpNormalBasis
from mlcg.nn.radial_basis.gaussian import GaussianBasis
from mlcg.nn.schnet import StandardSchNet
from safetensors.torch import load_file

FOLDER = Path(__file__).parent
ARGUMENTS = json.loads((FOLDER / "mlcg_schnet.json").read_text())
ACTIVATIONS = {
    "tanh": torch.nn.Tanh(), "silu": torch.nn.SiLU(), "softplus": torch.nn.Softplus(), "gelu": torch.nn.GELU(),
    "relu": torch.nn.ReLU(),
}  # fmt: skip
SAME = ("output_hidden_layer_widths", "hidden_channels", "embedding_size", "num_filters", "num_interactions")


def load() -> StandardSchNet:
    """The network with its weights, in the precision that it was saved in."""
    cutoff = CosineCutoff(0.0, ARGUMENTS["cutoff"])
    expnorm = ARGUMENTS["rbf"] == "expnorm"
    of_basis = cutoff if expnorm else IdentityCutoff(0.0, ARGUMENTS["cutoff"])
    basis = (ExpNormalBasis if expnorm else GaussianBasis)(
        of_basis, ARGUMENTS["num_rbf"], trainable=ARGUMENTS["trainable_rbf"]
    )
    state = load_file(FOLDER / "mlcg_schnet.safetensors")
    model = StandardSchNet(
        basis, cutoff, activation=ACTIVATIONS[ARGUMENTS["activation"]], **{name: ARGUMENTS[name] for name in SAME}
    )
    model.to(state["embedding_layer.weight"].dtype).load_state_dict(state)
    return model.eval()
