"""A model of Chignolin that nobody has trained: a small network with random weights and a fitted prior."""

from __future__ import annotations

import runpy
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from cgexp.build import build
from cgexp.config.compose import compose
from cgexp.datasets.packaged import load_packaged
from cgexp.energy import EnergyTerm
from cgexp.interfaces.bundle import Bundle
from cgexp.models.potential import Potential
from cgexp.simulation.replicas import make_starts
from cgexp.systems.base import System, system_of

FACTS: dict[str, Any] = {
    "data": {"system": "of", "n_frames": 1, "source": "a test", "force_map": "none", "content_hash": "0"},
    "run": "test/1",
    "finished": None,
    "code": {"version": "0"},
    "metrics": {},
}
SMALL = {"n_beads": 10, "n_features": 16, "n_filters": 16, "n_rbf": 12, "n_blocks": 2, "cutoff": 20.0}


@lru_cache(maxsize=None)
def make_bundle(model: bool = True) -> Bundle:
    """The peptide's bundle, in float64; without ``model``, of the prior alone."""
    config = compose(["experiment=chignolin_first", "simulation.n_replicas=8", "simulation.n_steps=120"])
    frames = load_packaged("chignolin_mini")
    system = system_of(frames)
    spec = {**config["model"], **SMALL} if model else None
    torch.manual_seed(0)
    network = None if spec is None else build(spec, EnergyTerm)
    prior = build(config["prior"], EnergyTerm)
    for term in (network, prior):
        if term is not None:
            term.fit(frames, system)
    return Bundle(
        potential=Potential(network, prior).double().eval(),
        model=spec,
        prior=config["prior"],
        system=system,
        temperature=frames.temperature,
        starts=make_starts("data", frames, system, 20, 0).numpy(),
        simulation=config["simulation"],
        tica=None,
        facts=FACTS,
    )


def of_another(system: System, **changed: Any) -> Bundle:
    """A bundle without energy of another system."""
    from dataclasses import replace

    prior = {"_target_": "cgexp.priors.prior.Prior", "terms": {}, "temperature": 1.0}
    return replace(
        make_bundle(), potential=Potential(None, build(prior, EnergyTerm)), model=None, prior=prior, system=system,
        starts=torch.zeros(1, system.n_beads, system.n_dims).numpy(), simulation=None, **changed,
    )  # fmt: skip


def run_ready(script: Path, *words: str) -> int:
    """Run a ready script as a program with words on its command line; return its exit code."""
    with patch.object(sys, "argv", [str(script), *words]):
        try:
            runpy.run_path(str(script), run_name="__main__")
        except SystemExit as end:
            return int(end.code or 0)
    return 0
