"""Run ids: a hash of what determines the physics of a run, and of nothing else."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cgexp.config.compose import Config

PHYSICS = ("seed", "dataset", "prior", "model", "loss", "optimizer", "scheduler", "trainer", "simulation", "analysis")
# how a stage is executed or checked, not what it computes
EXECUTION = {
    "trainer": ("accelerator", "matmul_precision"),
    "optimizer": ("fused", "foreach"),
    "dataset": ("n_parallel", "platform", "stiffness", "lightest_mass", "allow_biased_force_map"),
    "simulation": ("chunk_frames",),
    "oracle": ("n_parallel", "platform"),
    "active": ("timeout_s",),
}
RUNS = {"trainer": ("start_from",)}  # folders of other runs
# class -> its arguments that name a potential (or a file), whose content counts: a retrained teacher gives other labels
TEACHERS = {
    "cgexp.reference.teacher_data.TeacherData": ("path", "starts"),
    "cgexp.reference.oracles.teacher.TeacherOracle": ("path",),
}
# keys that came later, with the value that does what was done before them: with it a run keeps the id it had
ADDED: dict[str, dict[str, Any]] = {"simulation": {"starts": "data", "tempering": None}, "trainer": {"noise": 0.0}}
ONLY_EVALUATED = {
    "simulation": ("burn_in",),
    "dataset": ("reference_replicas", "reference_steps", "reference_lag_ps"),
}
# which of a teacher's frames a data set takes: the teacher's ensemble is the same
CHOICE_OF_FRAMES = ("name", "basin", "x_range", "force_noise", "force_map", "n_frames", "seed")
ACTIVE = ("active", "acquisition", "oracle")  # part of a run only where there is active learning
# what each stage depends on, in the order of the stages
STAGES = {
    "data": ("dataset",),
    "prior": ("dataset", "prior"),
    "train": ("seed", "dataset", "prior", "model", "loss", "optimizer", "scheduler", "trainer"),
    "simulate": ("seed", "dataset", "prior", "model", "loss", "optimizer", "scheduler", "trainer", "simulation"),
    "evaluate": PHYSICS,
}


def run_id(config: Config) -> str:
    """Ten hexadecimal digits that name the run of this config."""
    groups = (*STAGES["evaluate"], *(ACTIVE if config.get("active") is not None else ()))
    return digest({group: _physics(group, config[group], "evaluate") for group in groups})


def data_id(config: Config) -> str:
    """Ten hexadecimal digits that name the data set made by this recipe."""
    return stage_id(config, "data")


def teacher_id(config: Config) -> str:
    """Ten hexadecimal digits that name the ensemble of the teacher whose frames the data set holds."""
    node = _physics("dataset", config["dataset"], "evaluate")
    return digest({key: value for key, value in node.items() if key not in CHOICE_OF_FRAMES})


def stage_id(config: Config, stage: str) -> str:
    """The hash of the part of the config that the stage's result depends on."""
    return digest({group: _physics(group, config[group], stage) for group in STAGES[stage]})


def digest(content: Any) -> str:
    """Ten hexadecimal digits of the SHA-256 of JSON content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]


def differences(first: Config, second: Config, stage: str) -> list[str]:
    """Dotted keys in which two configs differ as far as ``stage`` depends on them."""
    found: list[str] = []
    for group in STAGES[stage]:
        found += _differing(_physics(group, first[group], stage), _physics(group, second[group], stage), group)
    return found


def _physics(group: str, node: Any, stage: str) -> Any:
    if isinstance(node, Mapping):
        left_out = EXECUTION.get(group, ()) + (() if stage == "evaluate" else ONLY_EVALUATED.get(group, ()))
        added = ADDED.get(group, {})
        kept = {
            key: _numbers(value)
            for key, value in node.items()
            if key not in left_out and not (key in added and value == added[key])
        }
        for key in RUNS.get(group, ()):
            if kept.get(key) is not None:
                # a run's folder is named after its physics, wherever it lies
                kept[key] = Path(os.path.abspath(str(kept[key]))).name
        for key in TEACHERS.get(str(node.get("_target_")), ()):
            if kept.get(key) is not None:
                kept[key] = _content(str(kept[key]))
        return kept
    return _numbers(node)


def _content(path: str) -> str:
    """SHA-256 of a file, or of the potential in a run's folder; while there is none, the name of the place."""
    file = Path(path) / "potential.npz" if Path(path).is_dir() else Path(path)
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else Path(os.path.abspath(path)).name


def _numbers(node: Any) -> Any:
    """2 and 2.0 are the same setting."""
    if isinstance(node, Mapping):
        return {key: _numbers(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [_numbers(value) for value in node]
    return float(node) if isinstance(node, int) and not isinstance(node, bool) else node


def _differing(first: Any, second: Any, place: str) -> list[str]:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        keys = sorted(first.keys() | second.keys())
        return [d for key in keys for d in _differing(first.get(key), second.get(key), f"{place}.{key}")]
    return [] if first == second else [place]
