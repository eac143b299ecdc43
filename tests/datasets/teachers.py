"""Teachers to test with: stored potentials, and a finished run's folder as far as data are made from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import yaml

from cgexp.build import build
from cgexp.config.compose import Config, compose
from cgexp.frames import Frames
from cgexp.models.potential import Potential, save_potential
from cgexp.priors.prior import Prior
from cgexp.store import write_json
from cgexp.systems.base import system_of


def well(force_constant: float = 2.0) -> dict[str, Any]:
    """The spec of a prior that is a harmonic well at 0."""
    wall = {
        "_target_": "cgexp.priors.wall.HarmonicWall",
        "force_constant": force_constant,
        "lower": 0.0,
        "upper": 0.0,
    }
    return {"_target_": "cgexp.priors.prior.Prior", "terms": {"well": wall}, "temperature": 1.0}


def prior_only(folder: Path, spec: dict[str, Any], frames: Frames) -> Path:
    """A folder with a potential that is a prior fitted to frames."""
    prior = build(spec, Prior)
    prior.fit(frames, system_of(frames))
    save_potential(folder / "potential.npz", Potential(None, prior.to(torch.float64)), None, spec)
    return folder


def as_run(folder: Path, frames: Frames) -> Path:
    """Write into ``folder`` what a run says of the data it was trained on, which are those of chignolin_mini."""
    config = compose(["experiment=chignolin_first"])
    (folder / "config.yaml").write_text(yaml.safe_dump({"dataset": config["dataset"]}))
    write_json(folder / "provenance.json", {"data": {"path": None, "content_hash": frames.content_hash}, "stages": {}})
    return folder


def teacher_config(path: Path, *overrides: str, option: str = "teacher") -> Config:
    """The composed config of a student of the teacher in ``path``, with a small simulation."""
    experiment = "chignolin_first" if option == "teacher" else "toy_cgnet"
    small = ["dataset.simulation.n_replicas=12", "dataset.simulation.n_steps=200", "dataset.simulation.save_every=10"]
    small += ["dataset.reference_replicas=12", "dataset.reference_steps=400", "dataset.reference_lag_ps=0.2"]
    return compose([f"experiment={experiment}", f"dataset={option}", f"dataset.path={path}", *small, *overrides])
