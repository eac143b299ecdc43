"""The shipped model and prior configs: every key is an argument, of the right type, and the object is made."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cgexp.build import build, problems
from cgexp.energy import EnergyTerm

CONF = Path(__file__).parents[2] / "conf"
FILES = sorted([*(CONF / "model").glob("*.yaml"), *(CONF / "prior").glob("*.yaml")])


def read(path: Path) -> dict:
    """The spec as Hydra would resolve it for a data set of ten beads at 300 K."""
    text = path.read_text(encoding="utf-8")
    return yaml.safe_load(text.replace("${dataset.n_beads}", "10").replace("${dataset.temperature}", "300.0"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}={path.stem}")
def test_config_builds(path):
    spec = read(path)
    assert list(problems(spec)) == []
    assert isinstance(build(spec), EnergyTerm)
    if path.parent.name == "model":
        assert {"n_beads", "n_dims", "activation"} <= spec.keys()


def test_a_wrong_activation_is_named_before_anything_is_made():
    spec = {**read(CONF / "model" / "cgschnet.yaml"), "activation": "tan"}
    (problem,) = problems(spec)
    assert "activation=tan is not valid: expected one of tanh, silu, softplus, gelu, relu" in problem
