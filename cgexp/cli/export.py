"""cgexp export: a run's simulation for molecular viewers, or its model for other programs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from cgexp.errors import InputError, did_you_mean, require_once

OF_TRAJECTORIES = ("format", "every", "replicas")
KEYS = ("run", "as", *OF_TRAJECTORIES, "to")
TRAJECTORY, BUNDLE = "trajectory", "bundle"
KINDS = (TRAJECTORY, BUNDLE, "ase", "openmm", "lammps", "torchscript", "mlcg")
FORMATS = ("xtc", "dcd")


def main(command: argparse.Namespace) -> int:
    """Export, print what was written, and return the exit code."""
    given = _read(command.words)
    if "run" not in given:
        raise InputError("export needs run=<folder>: give the folder that `cgexp run` printed")
    kind = given.get("as", TRAJECTORY)
    if kind not in KINDS:
        raise InputError(f"as={kind} is not valid{did_you_mean(kind, KINDS)}: expected one of {', '.join(KINDS)}")
    return _trajectory(given) if kind == TRAJECTORY else _model(given, kind)


def _model(given: dict[str, str], kind: str) -> int:
    """Export the trained potential as a bundle, with a script for a program or without."""
    other = [key for key in OF_TRAJECTORIES if key in given]
    if other:
        raise InputError(f"{other[0]}={given[other[0]]} is of trajectories: leave it out with as={kind}")
    to = Path(given["to"]) if "to" in given else Path(given["run"]) / kind
    from cgexp.runs.bundle import export_bundle

    bundle = export_bundle(Path(given["run"]), to, None if kind == BUNDLE else kind)
    print(f"{to}: {bundle!r}")
    print(f"load it with cgexp.load_bundle('{to}'), without the run and its data")
    if kind == "mlcg":
        print(f"in mlcg, with {to} on PYTHONPATH: from mlcg_schnet import load; network = load()")
    elif kind != BUNDLE:
        print(f"simulate it with python {to / f'simulate_{kind}.py'} [n_steps]")
    return 0


def _trajectory(given: dict[str, str]) -> int:
    form = given.get("format", FORMATS[0])
    if form not in FORMATS:
        raise InputError(f"format={form} is not valid: expected {' or '.join(FORMATS)}")
    every = _whole("every", given.get("every", "1"), 1)
    replicas = [_whole("replicas", part, 0) for part in given["replicas"].split(",")] if "replicas" in given else None
    to = Path(given["to"]) if "to" in given else Path(given["run"]) / "export"
    from cgexp.runs.export import export

    sidecar = export(Path(given["run"]), to, form, every, replicas)
    written = [entry for entry in sidecar["trajectories"] if entry["file"]]
    print(f"{to}: {sidecar['topology']}, export.json and {len(written)} trajectories")
    if written:
        longest = max(entry["n_frames"] for entry in written)
        between = sidecar["frame_interval_ps"]
        print(f"{written[0]['file']} to {written[-1]['file']}: up to {longest} frames, {between:g} ps apart")
        print(f"load one with mdtraj.load('{to / written[0]['file']}', top='{to / sidecar['topology']}')")
    return 0


def _read(arguments: Sequence[str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if key not in KEYS or not equals:
            raise InputError(
                f"unknown argument '{argument}'{did_you_mean(key, KEYS)}: expected "
                f"{', '.join(f'{known}=<value>' for known in KEYS)}"
            )
        require_once(given, key, argument)
        given[key] = value.strip("[]") if key == "replicas" else value
    return given


def _whole(key: str, text: str, lowest: int) -> int:
    if not text.strip().isdecimal() or int(text) < lowest:
        raise InputError(f"{key}={text} is not valid: expected whole numbers from {lowest} on")
    return int(text)
