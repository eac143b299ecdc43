"""The HDF5 layout of mlcg's data sets: frames written for its loader, and read from such files.

A file holds groups <set>/<molecule> with the arrays cg_coords and cg_delta_forces [n_frames, n_beads, 3] and the
attributes cg_embeds [n_beads] and N_frames; Å and kcal/mol/Å. Delta forces are what a prior leaves of the forces. The
embedding of a bead is its type counted from 1: of C-alpha and backbone beads the same numbers as mlcg's. The total
forces and the facts of the frames stand beside them under names that mlcg does not read: a round trip loses nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.atom_order import reading
from cgexp.errors import InputError, did_you_mean
from cgexp.frames import PER_FRAME, Frames
from cgexp.systems.base import System

COORDS, DELTA, EMBEDS, N_FRAMES = "cg_coords", "cg_delta_forces", "cg_embeds", "N_frames"
TOTAL, FACTS = "cgexp_forces", "cgexp_frames"  # ours


def write_mlcg(
    path: Path, frames: Frames, prior_forces: NDArray[np.floating] | None = None, data_set: str = "cgexp"
) -> None:
    """Write frames of a molecule in Å and kcal/mol/Å.

    prior_forces: those of the prior with which mlcg will train, like the coords; None: no prior is taken off, so that
    delta forces are the forces. data_set: name of the set in the file. Raises InputError for frames without forces or
    in other units, for a file that exists, and without h5py.
    """
    if frames.forces is None or frames.units != "molecular":
        raise InputError(f"the frames of '{frames.system}' have no forces in kcal/mol/Å: mlcg's layout needs them")
    prior = np.zeros_like(frames.forces) if prior_forces is None else np.asarray(prior_forces)
    if prior.shape != frames.forces.shape:
        raise InputError(
            f"prior_forces have shape {list(prior.shape)}: expected that of the forces, {list(frames.forces.shape)}"
        )
    if Path(path).exists():
        raise InputError(f"{path} exists: remove it, or choose another name")
    with _h5py().File(path, "w") as file:
        group = file.create_group(f"{data_set}/{frames.system}")
        group[COORDS] = frames.coords.astype(np.float32)
        group[DELTA] = (frames.forces - prior).astype(np.float32)
        group[TOTAL] = frames.forces
        group.attrs[EMBEDS] = frames.bead_types + 1
        group.attrs[N_FRAMES] = len(frames)
        group.attrs[FACTS] = json.dumps({**frames.metadata, "system_spec": frames.system_spec})
        for name in PER_FRAME:
            if (values := getattr(frames, name)) is not None:
                group[name] = values


def read_mlcg(path: Path, molecule: str | None = None, **facts: Any) -> Frames:
    """Frames of one molecule of a file; None: the only one there is.

    facts: of Frames, for files that this package did not write: system=<a System>, temperature (K), source, and
    delta=True to take delta forces for forces, which is right where the prior is none. Raises InputError for a file of
    another layout, an unknown molecule, and for facts that are missing.
    """
    path, h5py = Path(path), _h5py()
    with reading(path, lambda: h5py.File(path), "give a file in mlcg's layout") as file:
        groups = {
            f"{data_set}/{name}": group
            for data_set, members in file.items()
            if isinstance(members, h5py.Group)
            for name, group in members.items()
            if isinstance(group, h5py.Group) and COORDS in group and DELTA in group
        }
        chosen = next(iter(groups), None) if molecule is None and len(groups) == 1 else molecule
        if chosen not in groups:
            raise InputError(
                f"{path} has {f'no molecule {molecule}' if molecule else f'{len(groups)} molecules'}"
                f"{did_you_mean(molecule or '', groups)}: expected one of {', '.join(groups) or '(none)'}"
            )
        return _frames(groups[chosen], f"{path}: {chosen}", facts)


def _frames(group: Any, place: str, facts: dict[str, Any]) -> Frames:
    types = np.asarray(group.attrs[EMBEDS], dtype=np.int64) - 1
    if FACTS in group.attrs:
        known = json.loads(group.attrs[FACTS])
        labels = {name: group[name][()] for name in PER_FRAME if name in group}
        return Frames(coords=group[COORDS][()], forces=group[TOTAL][()], bead_types=types, **labels, **known)
    system, delta = facts.pop("system", None), facts.pop("delta", False)
    if not isinstance(system, System) or "temperature" not in facts or not delta:
        raise InputError(
            f"{place} holds delta forces, and neither their system nor a temperature: give system=, temperature= and "
            "delta=True, and train with prior=none or the prior that was taken off"
        )
    coords = group[COORDS][()]
    known = {"source": place, "notes": "delta forces: a prior was taken off", "force_map": "delta"} | facts
    return Frames(
        coords=coords,
        forces=group[DELTA][()],
        bead_types=types,
        block=np.arange(len(coords)) * 10 // max(len(coords), 1),
        units="molecular",
        system=system.name,
        system_spec=system.spec,
        **known,
    )


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise InputError("h5py is not installed: mlcg's layout needs it; run pip install h5py") from error
    return h5py
