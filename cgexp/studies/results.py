"""Results of a study, as an experiment's figure code gets them: runs by arm; and report.html that shows them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cgexp.active.round import Round
from cgexp.active.rounds import rounds_of
from cgexp.analysis.structures import Structures
from cgexp.errors import InputError, did_you_mean
from cgexp.report.html_study import RunOfStudy, StudyContent, study_page
from cgexp.runs.load import Run
from cgexp.runs.provenance import code_version
from cgexp.store import read_arrays, write_arrays, write_bytes
from cgexp.studies.study import Arm, Study
from cgexp.studies.tables import Elsewhere, KeptRun

Arrays = Mapping[str, NDArray[Any]]
# name -> figure, or what draws it: where it needs the folder of a run that is on another machine, it is left out
Drawn = Mapping[str, Figure | Callable[[], Figure]]


@dataclass(frozen=True)
class Results:
    """study: what was run. by_arm: arm -> its runs, seed after seed. work: folder of what ``cached`` keeps."""

    study: Study
    by_arm: Mapping[str, Sequence[Run]]
    work: Path

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the study's first arm."""
        return self.study.arms[0].seeds

    def arm(self, name: str) -> Arm:
        """An arm by its name; InputError if the study has no such arm."""
        found = {arm.name: arm for arm in self.study.arms}
        if name not in found:
            raise InputError(f"{self.study.folder} has no arm '{name}'{did_you_mean(name, found)}")
        return found[name]

    def runs(self, arm: str) -> Sequence[Run]:
        """The runs of an arm. Raises InputError if the folder of one is not here (KeptRun)."""
        runs = self.by_arm[self.arm(arm).name]
        for run in runs:
            if isinstance(run, KeptRun):
                raise Elsewhere(
                    f"the results of {self.study.name} need the folder of {arm}, seed {run.config['seed']}, which is "
                    "on another machine: leave out --resume"
                )
        return runs

    def runs_here(self, arm: str) -> list[Run]:
        """Those runs of an arm whose folders are on this machine."""
        return [run for run in self.by_arm[self.arm(arm).name] if not isinstance(run, KeptRun)]

    def rounds(self, arm: str) -> list[Sequence[Round]]:
        """The rounds of every run of an arm of active learning."""
        return [
            run.rounds if isinstance(run, KeptRun) else rounds_of(run.folder.path)
            for run in self.by_arm[self.arm(arm).name]
        ]

    def variants(self, arm: str) -> dict[str, Sequence[Run]]:
        """The runs of each variant of an arm: name of the variant -> runs, in the order of study.yaml."""
        prefix = f"{arm}/"
        return {name.removeprefix(prefix): runs for name, runs in self.by_arm.items() if name.startswith(prefix)}

    def values(self, arm: str, metric: str) -> NDArray[np.float64]:
        """A metric of every run of an arm: [n_runs]. Raises InputError if a run has no such metric."""
        runs = self.by_arm[self.arm(arm).name]
        for run in runs:
            if metric not in run.metrics:
                raise InputError(f"{run.folder.path} has no metric '{metric}'{did_you_mean(metric, run.metrics)}")
        return np.array([run.metrics[metric] for run in runs])

    def numbers(self) -> dict[str, list[float]]:
        """Every metric that all runs of an arm have, as ``<arm>.<metric>`` -> values of its runs."""
        return {
            f"{name}.{metric}": [run.metrics[metric] for run in runs]
            for name, runs in self.by_arm.items()
            for metric in (runs[0].metrics if runs else ())
            if all(metric in run.metrics for run in runs)
        }

    def cached(self, name: str, make: Callable[[], Arrays], *modules: ModuleType) -> dict[str, NDArray[Any]]:
        """What ``make`` returns, computed once: kept in a file until a run or the source of ``modules`` changes.

        Without modules: until any Python file of the experiment changes. Name all modules that ``make`` depends on.
        """
        digest = hashlib.sha256()
        sources = [Path(str(module.__file__)) for module in modules] or sorted(
            path for folder in self.study.folders for path in folder.glob("*.py")
        )
        for path in sources:
            digest.update(path.read_bytes())
        for arm, runs in self.by_arm.items():
            digest.update(arm.encode())
            for run in runs:
                digest.update(json.dumps(run.metrics, sort_keys=True).encode())  # others after every training
        path = self.work / f"{name}-{digest.hexdigest()[:10]}.npz"
        if not path.is_file():
            arrays = {key: np.asarray(value) for key, value in make().items()}
            for old in self.work.glob(f"{name}-??????????.npz"):
                old.unlink()
            write_arrays(path, arrays)
        return read_arrays(path)[0]


REPORT, STRUCTURES = "report.html", "structures.npz"
IMAGE = re.compile(r"!\[([^\]]+)\]\(figures/([^)/]+)\.png\)")


def write_study_page(
    results: Results,
    rows: Sequence[tuple[str, Mapping[str, Sequence[float]]]],
    numbers: Mapping[str, Sequence[float]],
    figures: Iterable[str],
    place: Path,
    changed: Sequence[str] = (),
) -> Path:
    """Write report.html of an experiment into ``place``, whose figures/ holds its PNG files; return its path.

    rows: of the table, label of an arm -> its numbers. numbers: all of them. changed: overrides beyond the study.
    """
    study, path = results.study, place / REPORT
    name, *part = study.name.split("/")
    some = next(run for runs in results.by_arm.values() for run in runs)
    labels = {arm.name: label for arm, (label, _) in zip(study.arms, rows, strict=True)}
    content = StudyContent(
        title=study.title,
        command=shlex.join(["cgexp", "reproduce", name, *(f"part={one}" for one in part), *changed]),
        columns=study.columns,
        units=some.config["dataset"]["units"],
        arms=rows,
        runs=[_row(labels[arm.name], run, place) for arm in study.arms for run in results.by_arm.get(arm.name, ())],
        expected=study.expected,
        numbers=numbers,
        code=code_version(),
        figures={name: place / "figures" / f"{name}.png" for name in figures},
        captions=captions(study.folder / "README.md"),
    )
    write_bytes(path, study_page(content))
    return path


def captions(readme: Path) -> dict[str, str]:
    """What the README of an experiment says that its figures show: name -> text of the image."""
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    return {name: caption for caption, name in IMAGE.findall(text)}


def _row(label: str, run: Run, place: Path) -> RunOfStudy:
    folder = run.folder.path
    report, structures = folder / REPORT, folder / STRUCTURES
    return RunOfStudy(
        arm=label,
        seed=run.config["seed"],
        run_id=folder.name,
        metrics=run.metrics,
        link=Path(os.path.relpath(report, place)).as_posix() if report.is_file() else None,
        structures=Structures.from_arrays(*read_arrays(structures)) if structures.is_file() else None,
    )
