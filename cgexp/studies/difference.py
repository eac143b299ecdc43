"""What differs between two runs: settings, data, code, libraries, the machine that made each stage, metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cgexp.config.identity import flat, flat_physics
from cgexp.errors import InputError, shown
from cgexp.report.comparison_tables import text_of
from cgexp.runs.folder import DATA, STAGES
from cgexp.studies.catalogue import Entry

ABSENT = "absent"
# of no matter to a run: where it lies and what a command did with it
OF_THE_COMMAND = ("choices", "overrides", "outputs", "run", "force", "figures", "logger", "sweep", "parts")
HARDWARE = ("machine", "processor", "gpu", "threads")
SUBJECTS = {
    "physics": "settings that the result depends on",
    "execution": "settings of how it is computed",
    "data": "data",
    "code": "code",
    "libraries": "libraries",
    "hardware": "hardware",
    "metrics": "metrics, but for what the runs cost",
}
# metrics of what a run cost, which differ between two runs of the same
COSTS = (
    "train_seconds", "train_frames_per_second", "simulation_replica_steps_per_second", "memory_peak_mb", "oracle_s",
)  # fmt: skip


@dataclass(frozen=True)
class Differing:
    """subject: one of SUBJECTS. name: of what differs, with the stage where it is of one. first, second: as text."""

    subject: str
    name: str
    first: str
    second: str


def differences_of(first: Entry, second: Entry) -> list[Differing]:
    """All in which two runs differ, by subject. Raises InputError if the config or record of one is damaged."""
    for entry in (first, second):
        if entry.state == "damaged":
            raise InputError(f"{entry.path} cannot be compared: {entry.sentence}")
    return [*_settings(first, second), *_data(first, second), *_stages(first, second), *_metrics(first, second)]


def _settings(first: Entry, second: Entry) -> Iterator[Differing]:
    physics = [flat_physics(dict(entry.config)) for entry in (first, second)]
    settings = [flat({k: v for k, v in entry.config.items() if k not in OF_THE_COMMAND}) for entry in (first, second)]
    deciding = physics[0].keys() | physics[1].keys()
    yield from _differing("physics", *physics)
    # what has one physics may be written otherwise: 2 and 2.0, or a file of the same content elsewhere
    yield from _differing("execution", *({k: v for k, v in one.items() if k not in deciding} for one in settings))


def _data(first: Entry, second: Entry) -> Iterator[Differing]:
    records = [_record(entry).get(DATA, {}) for entry in (first, second)]
    yield from _differing("data", *({"content": str(one.get("content_hash", ABSENT))[:12]} for one in records))


def _stages(first: Entry, second: Entry) -> Iterator[Differing]:
    """Of each stage, since a run may go on with other code or elsewhere; what several stages share is told once."""
    stages = [_record(entry).get("stages", {}) for entry in (first, second)]
    told: set[tuple[str, str, str, str]] = set()
    for stage in STAGES:
        a, b = (found.get(stage) for found in stages)
        if a is None or b is None:
            if (a is None) != (b is None):
                yield Differing("code", f"stage {stage}", *("done" if one is not None else ABSENT for one in (a, b)))
            continue
        for one in _of_stage(a, b):
            key = (one.subject, one.name, one.first, one.second)
            if key not in told:
                told.add(key)
                yield Differing(one.subject, f"{one.name} ({stage})", one.first, one.second)


def _metrics(first: Entry, second: Entry) -> Iterator[Differing]:
    """With all digits, and by how much."""
    for name in dict.fromkeys((*first.metrics, *second.metrics)):
        a, b = first.metrics.get(name), second.metrics.get(name)
        if name not in COSTS and a != b and not (a != a and b != b):  # NaN is not equal to itself
            by = "" if a is None or b is None else f" ({b - a:+.3g})"
            yield Differing("metrics", f"{name}{by}", *(ABSENT if value is None else repr(value) for value in (a, b)))


def _of_stage(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Differing]:
    yield from _differing("code", *(_code(one.get("code") or {}) for one in (a, b)))
    libraries = ({**(one.get("libraries") or {}), "python": one.get("python")} for one in (a, b))
    yield from _differing("libraries", *libraries)
    yield from _differing("hardware", *({key: one.get(key) for key in HARDWARE} for one in (a, b)))
    yield from _differing("execution", *({"kernel": one.get("kernel")} for one in (a, b)))


def _code(code: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "version": code.get("version"),
        "commit": None if code.get("commit") is None else str(code["commit"])[:10],
        "changed files": code.get("dirty"),
    }


def _differing(subject: str, first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[Differing]:
    for key in dict.fromkeys((*first, *second)):
        a, b = first.get(key, ABSENT), second.get(key, ABSENT)
        if a != b:
            yield Differing(subject, key, shown(text_of(a), 80), shown(text_of(b), 80))


def _record(entry: Entry) -> dict[str, Any]:
    return entry.folder.read_provenance() if entry.folder.provenance.is_file() else {}
