"""Run ids: a hash of what determines the physics of a run, and of nothing else: parts mark their own fields."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cgexp.build import TARGET
from cgexp.config.compose import Config
from cgexp.parts.ranges import Mark
from cgexp.parts.signatures import read_signature

PHYSICS = ("seed", "dataset", "prior", "model", "loss", "optimizer", "scheduler", "trainer", "simulation", "analysis")
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
    return digest({group: _physics(config[group], "evaluate") for group in _groups(config)})


def experiment_name(config: Config) -> str:
    """The option of the group experiment as one name, or 'run': runs lie in a folder of that name."""
    return str(config["choices"].get("experiment", "run")).replace("/", "-")


def data_id(config: Config) -> str:
    """Ten hexadecimal digits that name the data set made by this recipe."""
    return stage_id(config, "data")


def teacher_id(config: Config) -> str:
    """Ten hexadecimal digits that name the ensemble of the teacher whose frames the data set holds."""
    node = _physics(config["dataset"], "evaluate")
    signature = read_signature(config["dataset"][TARGET])
    chosen = () if signature is None else signature.marked(Mark.CHOICE)
    return digest({key: value for key, value in node.items() if key not in chosen})


def stage_id(config: Config, stage: str) -> str:
    """The hash of the part of the config that the stage's result depends on."""
    return digest({group: _physics(config[group], stage) for group in STAGES[stage]})


def digest(content: Any) -> str:
    """Ten hexadecimal digits of the SHA-256 of JSON content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]


def differences(first: Config, second: Config, stage: str) -> list[str]:
    """Dotted keys in which two configs differ as far as ``stage`` depends on them."""
    found: list[str] = []
    for group in STAGES[stage]:
        found += _differing(_physics(first[group], stage), _physics(second[group], stage), group)
    return found


def flat_physics(config: Config) -> dict[str, Any]:
    """What determines the physics of a run, as dotted key -> value: text, number, None, or a list as JSON text."""
    return flat({group: _physics(config[group], "evaluate") for group in _groups(config)})


def flat(node: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested mappings as dotted key -> value; a list is JSON text, an empty mapping ``{}``."""
    found: dict[str, Any] = {}
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = json.dumps(value) if isinstance(value, list | Mapping) else value
    return found


def _groups(config: Config) -> tuple[str, ...]:
    return (*PHYSICS, *(ACTIVE if config.get("active") is not None else ()))


def _physics(node: Any, stage: str, inside: bool = False) -> Any:
    """The part of a config node that its own marks say the result of ``stage`` depends on.

    inside: whether the node is an argument of a group's part, where what a run's evaluation alone would need may be
    needed to make it (a teacher's burn_in).
    """
    if isinstance(node, (list, tuple)):
        return [_physics(value, stage, True) for value in node]
    if not isinstance(node, Mapping):
        return float(node) if isinstance(node, int) and not isinstance(node, bool) else node  # 2 and 2.0 are one
    signature = read_signature(str(node[TARGET])) if TARGET in node else None
    if signature is None:
        return {key: _physics(value, stage, True) for key, value in node.items()}
    kept = {}
    for key, value in node.items():
        marks = signature.marks(key)
        is_default = key in signature.defaults and value == signature.defaults[key]
        if Mark.EXECUTION in marks or (Mark.EVALUATION in marks and stage != "evaluate" and not inside):
            continue
        if Mark.LATER in marks and is_default and not inside:
            continue
        if value is not None and Mark.RUN in marks:
            value = [_run_name(run) for run in value] if isinstance(value, list) else _run_name(value)
        elif value is not None and Mark.CONTENT in marks:
            value = [_content(str(file)) for file in value] if isinstance(value, list) else _content(str(value))
        kept[key] = _physics(value, stage, True)
    return kept


def _run_name(folder: Any) -> str:
    return Path(os.path.abspath(str(folder))).name


def _content(path: str) -> str:
    """SHA-256 of a file, or of the potential in a run's folder; while there is none, the name of the place."""
    file = Path(path) / "potential.npz" if Path(path).is_dir() else Path(path)
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else Path(os.path.abspath(path)).name


def _differing(first: Any, second: Any, place: str) -> list[str]:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        keys = sorted(first.keys() | second.keys())
        return [d for key in keys for d in _differing(first.get(key), second.get(key), f"{place}.{key}")]
    return [] if first == second else [place]
