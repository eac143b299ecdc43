"""The shipped model and prior configs: every key is an argument, of the right type, and the object is made."""

from __future__ import annotations

from typing import Any

import pytest

from cgexp.build import build, problems
from cgexp.config.compose import compose
from cgexp.config.paths import group_options
from cgexp.energy import EnergyTerm

# model=average is made of runs: tests/runs/test_average.py
OPTIONS = [(group, name) for group in ("model", "prior") for name in group_options(group) if name != "average"]

TERM = "cgexp.energy.EnergyTerm"


def read(group: str, option: str) -> dict[str, Any]:
    """An option as composed for a peptide, or for a toy if it is made for one dimension."""
    for experiment in ("chignolin_first", "toy_cgnet"):
        spec = dict(compose([f"experiment={experiment}", f"{group}={option}"])[group])
        if spec.get("n_dims") != 1:
            break
    return spec


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_config_builds(group: str, option: str) -> None:
    spec = read(group, option)
    assert list(problems(spec, (TERM,))) == []
    assert isinstance(build(spec, EnergyTerm), EnergyTerm)
    if group == "model" and option != "none":
        assert {"n_beads", "n_dims"} <= spec.keys()


def test_a_wrong_activation_is_named_before_anything_is_made() -> None:
    spec = {**read("model", "cgschnet"), "activation": "tan"}
    (problem,) = problems(spec, (TERM,))
    assert "activation=tan is not valid: expected one of tanh, silu, softplus, gelu, relu" in problem
