"""rerun: a finished run made again from its recorded config, data included, and its numbers compared digit by digit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cgexp.config.checks import check
from cgexp.config.compose import Config
from cgexp.errors import InputError
from cgexp.runs.active import run_active
from cgexp.runs.folder import RunFolder, folder_of, require_no_links
from cgexp.runs.pipeline import run
from cgexp.runs.verify import verify
from cgexp.simulation.trajectory import Trajectory
from cgexp.store import read_arrays
from cgexp.studies.difference import COSTS


@dataclass(frozen=True)
class Changed:
    """A number, or the largest change of an array, that is not the same to the last digit. first, second: None: absent.

    name: a metric, or ``training: <column>``, ``weights: <array>``, ``trajectory``.
    """

    name: str
    first: Any
    second: Any
    size: float | None


def rerun(path: Path, outputs: Path) -> Path:
    """Make the run in ``path`` again below ``outputs`` and return its folder; one that was interrupted goes on.

    Raises InputError if ``path`` holds no finished run, or one of which a file is not as it was written, which could
    not be compared; or if ``outputs`` holds it finished already.
    """
    folder = RunFolder(path)
    recorded = folder.read_config()
    require_no_links(folder.path)
    if not folder.metrics.is_file() or not folder.done("evaluate"):
        raise InputError(f"{path} is not finished: finish it with `cgexp run run={path}`")
    for _ in verify(path):
        pass
    config = repeated(recorded, outputs)
    check(config)
    again = folder_of(config)
    if again.path.resolve() == folder.path.resolve() or again.metrics.is_file():
        raise InputError(f"{again.path} is there already: give another folder with to=DIR, or remove it")
    return (run_active(config) if config["active"] is not None else run(config)).path


def repeated(recorded: Config, outputs: Path) -> Config:
    """The recorded config for the fresh folder, without a tracker."""
    logger = {**recorded["logger"], "enabled": False}
    return {**recorded, "outputs": str(outputs), "run": None, "force": False, "logger": logger}


def changed_numbers(first: Path, second: Path) -> list[Changed]:
    """What is not equal to the last digit: metrics, the training's epochs, weights, trajectory; costs do not count.

    NaN equals NaN.
    """
    one, other = (_numbers(RunFolder(path)) for path in (first, second))
    return [
        change for name in dict.fromkeys([*one, *other]) if (change := _changed(name, one.get(name), other.get(name)))
    ]


def _numbers(folder: RunFolder) -> dict[str, Any]:
    numbers: dict[str, Any] = {name: value for name, value in folder.read_metrics().items() if name not in COSTS}
    if folder.history.is_file():
        history = folder.read_history()
        numbers |= {f"training: {name}": column for name, column in history.items() if name != "seconds"}
    if folder.potential.is_file():
        numbers |= {f"weights: {name}": array for name, array in read_arrays(folder.potential)[0].items()}
    if folder.trajectory.is_dir():
        numbers["trajectory"] = Trajectory.load(folder.trajectory).coords
    return numbers


def _changed(name: str, first: Any, second: Any) -> Changed | None:
    if first is None or second is None or np.shape(first) != np.shape(second):
        return Changed(name, _shape(first), _shape(second), None)
    values = [np.asarray(value) for value in (first, second)]
    is_number = values[0].dtype.kind == "f"
    if np.array_equal(values[0], values[1], equal_nan=is_number):
        return None
    size = float(np.nanmax(np.abs(values[1].astype(np.float64) - values[0].astype(np.float64))))
    return (
        Changed(name, first, second, size)
        if np.ndim(first) == 0
        else Changed(name, _shape(first), _shape(second), size)
    )


def _shape(value: Any) -> tuple[int, ...] | None:
    return None if value is None else np.shape(value)
