"""Folders of runs that never ran: a config, metrics and a history, sealed as those of a run are."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cgexp.config.compose import Config, compose
from cgexp.runs.folder import RunFolder
from cgexp.store import file_hash, write_bytes, write_json, write_record


@lru_cache(maxsize=1)
def _text() -> str:
    return yaml.safe_dump(compose(["experiment=toy_cgnet"]), sort_keys=False)


def config_with(seed: int = 0, **changes: Any) -> Config:
    """The config of experiment=toy_cgnet with other values: ``group__key=value``."""
    config: Config = yaml.load(_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    config["seed"] = seed
    for name, value in changes.items():
        *above, key = name.split("__")
        node = config
        for part in above:
            node = node[part]
        node[key] = value
    overrides = [f"{name.replace('__', '.')}={value}" for name, value in changes.items()]
    config["overrides"] = ["experiment=toy_cgnet", f"seed={seed}", *overrides]
    return config


def put(
    outputs: Path,
    name: str,
    config: Config,
    metrics: Mapping[str, float] | None = None,
    epochs: int = 0,
    failure: str = "",
) -> RunFolder:
    """Write a run: done with ``metrics``, failed with ``failure``, else unfinished; ``epochs`` of a made-up history."""
    folder = RunFolder(outputs / config["choices"]["experiment"] / name)
    folder.write_config(config)
    stages: dict[str, Any] = {}
    if epochs:
        end = 0.1 if metrics is None else metrics.get("loss_validation", 0.1)
        loss = end + np.exp(-np.arange(epochs) / 8.0) + 0.01 * config["seed"] * np.sin(np.arange(epochs))
        rows = "".join(f"{epoch},{value:.6f},{value:.6f}\n" for epoch, value in enumerate(loss))
        write_bytes(folder.history, f"epoch,loss_train_running,loss_validation\n{rows}".encode(), durable=False)
    if metrics is not None:
        write_json(folder.metrics, dict(metrics))
        stages = {"train": {}, "evaluate": {"files": {"metrics.json": file_hash(folder.metrics)}}}
    if failure:
        write_record(folder.failed, {"sentence": failure, "stage": "train", "time": "2026-01-01T00:00:00+00:00"})
    write_record(folder.provenance, {"data": {"content_hash": "0" * 64, "path": None}, "stages": stages})
    return folder
