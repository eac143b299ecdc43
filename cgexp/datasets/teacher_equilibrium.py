"""The ensemble of a teacher: two independent simulations of it, whose distance says how well it is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cgexp.analysis.equilibrium import Equilibrium
from cgexp.analysis.tica import Tica
from cgexp.datasets.teacher_data import TeacherData
from cgexp.datasets.teacher_run import check_time_step, load_teacher, production_frames, simulate_teacher
from cgexp.errors import InputError
from cgexp.frames import Frames, concatenate
from cgexp.store import read_arrays, read_frames, read_record, write_arrays, write_frames, write_record
from cgexp.systems.base import System
from cgexp.systems.metric import superposed_rmsd

FRAMES, TICA, CARD = "frames.npz", "tica.npz", "card.json"  # the card is written last and names the content of both
SEEDS = (1, 2)  # of the two runs; not the data set's, so that data sets of several seeds share one ensemble


def make_equilibrium(recipe: TeacherData, folder: Path) -> Equilibrium:
    """The ensemble of the recipe's teacher, in ``folder``: read if it is there, else made and kept.

    One run starts from the half of the starting frames that is nearest to the native structure (without one: to the
    first frame), the other from the other half: what either has not forgotten of its starts counts in their distance.
    The TICA is fitted once, on the continuous replicas of both. A making that was killed goes on where it was. Raises
    InputError if the teacher is of another system, or what is in ``folder`` is damaged.
    """
    if (folder / CARD).is_file():
        return read_equilibrium(recipe.name, folder)
    potential = load_teacher(recipe.path, recipe.system, recipe.temperature, "dataset")
    simulation = replace(
        recipe.simulation, n_replicas=recipe.reference_replicas, n_steps=recipe.reference_steps, starts="data",
        tempering=None,  # TICA needs replicas that are one walker in time
    )  # fmt: skip
    check_time_step(potential, recipe.system, simulation)
    parts = []
    for run, starts in enumerate(two_halves(recipe.system, recipe.starting_frames())):
        trajectory = simulate_teacher(
            potential, recipe.system, simulation, starts, folder / "work" / f"run_{run}", SEEDS[run],
            f"teacher's ensemble, run {run + 1} of 2",
        )  # fmt: skip
        parts.append(
            production_frames(
                trajectory, simulation.burn_in, recipe.system, recipe.temperature, recipe.source, recipe.force_map
            )
        )
    frames = concatenate(parts)
    frames = frames.with_labels(weights=np.ones(len(frames), dtype=np.float32))
    write_equilibrium(folder, frames, _tica(recipe, frames), [len(np.unique(part.block)) for part in parts])
    return read_equilibrium(recipe.name, folder)


def write_equilibrium(folder: Path, frames: Frames, tica: Tica, n_blocks: list[int]) -> None:
    """Keep an ensemble. n_blocks: of each run, whose blocks follow one another in the frames."""
    write_frames(folder / FRAMES, frames)
    digest = write_arrays(folder / TICA, *tica.to_arrays())
    firsts = np.cumsum([0, *n_blocks[:-1]]).tolist()
    write_record(
        folder / CARD,
        {
            **frames.metadata,
            "content_hash": frames.content_hash,
            "tica_sha256": digest,
            "n_frames": len(frames),
            "runs": [{"first_block": first, "n_blocks": n} for first, n in zip(firsts, n_blocks, strict=True)],
        },
    )


def read_equilibrium(name: str, folder: Path) -> Equilibrium:
    """An ensemble that ``write_equilibrium`` kept, as ``name``; InputError if its files are not what its card says."""
    card = read_record(folder / CARD)
    frames, (arrays, meta) = read_frames(folder / FRAMES), read_arrays(folder / TICA)
    if frames.content_hash != card["content_hash"] or meta["data_hash"] != card["content_hash"]:
        raise InputError(f"{folder} does not hold the ensemble that its card describes: delete the folder")
    return Equilibrium.of_runs(name, frames, Tica.from_arrays(arrays, meta), card["runs"])


def two_halves(system: System, frames: Frames) -> Iterator[Frames]:
    """The half of the frames that is nearest to the native structure, or to the first frame, and the other half."""
    order = np.argsort(_distances(system, frames), kind="stable")
    for half in np.array_split(order, 2):
        yield frames.select(np.sort(half))


def _distances(system: System, frames: Frames) -> Any:
    if system.native_structure is not None:
        return superposed_rmsd(frames.coords[:, system.trace], system.native()[None])[:, 0]
    return system.distance(frames.coords, frames.coords[:1])[:, 0]


def _tica(recipe: TeacherData, frames: Frames) -> Tica:
    beads = recipe.system.trace
    return Tica.fit(frames, recipe.reference_lag_ps, beads=beads if 0 < len(beads) < recipe.n_beads else None)
