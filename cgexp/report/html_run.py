"""report.html of a run: in words, in numbers, in figures, in space, and where it comes from."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cgexp.analysis.curves import Notes
from cgexp.analysis.structures import Structures
from cgexp.analysis.tiles import Landscape
from cgexp.frames import Frames
from cgexp.report.findings import in_words
from cgexp.report.html import Cell, Table, pictures, render
from cgexp.report.html_landscape import landscape_view
from cgexp.report.html_summary import RunFacts, key_table, metrics_table, summary, warnings
from cgexp.report.html_viewer import of_run

NOT_REPEATED = ("outputs=", "force=", "run=", "figures=", "logger", "launcher", "executor")


@dataclass(frozen=True)
class RunContent:
    """What the page of a run is made from.

    experiment, run_id: its name. facts: what it was made of. config: resolved, with choices and overrides. provenance:
    as in provenance.json. code: version and commit of what evaluates it now. notes: the remarks of the analysis.
    figures: name -> PNG file. structures: of a peptide. landscape: where its ensembles have been in the plane of the
    ICs, shown if there are structures. n_frames_prior: frames that the prior was fitted on, if others than the run's;
    else None.
    """

    experiment: str
    run_id: str
    facts: RunFacts
    config: Mapping[str, Any]
    metrics: Mapping[str, float]
    frames: Frames
    provenance: Mapping[str, Any]
    code: Mapping[str, Any]
    notes: Notes | None = None
    figures: Mapping[str, Path] = field(default_factory=dict)
    structures: Structures | None = None
    landscape: Landscape | None = None
    n_frames_prior: int | None = None


def run_page(run: RunContent) -> bytes:
    """The page, whole; the same bytes for the same content."""
    units = run.frames.units
    in_space = run.structures is not None
    return render(
        "run.html",
        title=f"{run.experiment} {run.run_id}",
        experiment=run.experiment,
        run_id=run.run_id,
        sentences=[
            *in_words(run.metrics, units, run.structures),
            *summary(run.facts, run.metrics, run.frames, run.notes, run.n_frames_prior),
        ],
        warnings=warnings(run.facts, run.metrics, run.notes, run.provenance["data"].get("force_map", "")),
        key=key_table(run.metrics, units),
        metrics=metrics_table(run.metrics, units),
        pictures=pictures(run.figures, linked=True),
        viewer=None if run.structures is None else of_run(run.structures),
        landscape=landscape_view(run.landscape) if in_space and run.landscape is not None else None,
        command=command(run.config["overrides"]),
        stages=_stages(run.provenance, run.code),
        facts=_facts(run),
        config=yaml.safe_dump(dict(run.config), sort_keys=False, allow_unicode=True),
        code=run.code,
    )


def command(overrides: Sequence[str]) -> str:
    """The command that makes the run again, without what concerns the place and the manner alone."""
    repeated = [override for override in overrides if not override.lstrip("+").startswith(NOT_REPEATED)]
    return shlex.join(["cgexp", "run", *repeated])


def _stages(provenance: Mapping[str, Any], code: Mapping[str, Any]) -> Table:
    """Which code made each stage, and when it finished; the last one is being made."""
    rows = []
    for name in ("prior", "train", "simulate", "evaluate"):
        found: Mapping[str, Any] = provenance["stages"].get(name, {}) if name != "evaluate" else {"code": code}
        if found:
            made_by = found["code"]
            commit = made_by["commit"] or "not recorded"
            changed = {None: "not recorded", False: "as committed", True: "with changes"}[made_by["dirty"]]
            rows.append(
                [
                    Cell(name),
                    Cell(made_by["version"]),
                    Cell(commit[:10], kind="code"),
                    Cell(changed, kind="bad" if made_by["dirty"] else ""),
                    Cell(found.get("finished", "with this page")),
                ]
            )
    return Table("stages", "What made each stage", ("stage", "cgexp", "commit", "files", "finished"), rows)


def _facts(run: RunContent) -> Table:
    facts = {
        "data set": run.facts.data,
        "SHA-256 of the data": run.provenance["data"]["content_hash"],
        "force map of the data": run.provenance["data"].get("force_map"),
        "system": run.frames.system,
        "run id (hash of the physics config)": run.run_id,
        "taken from run": run.provenance.get("parent"),
    }
    trained = run.provenance["stages"].get("train", {})
    facts |= {name: trained.get(name) for name in ("kernel", "processor", "gpu", "threads", "python")}
    facts |= trained.get("libraries", {})
    rows = [[Cell(name), Cell(str(value), kind="code")] for name, value in facts.items() if value is not None]
    return Table("facts", "Data, machine and libraries of the training", ("what", "which"), rows)
