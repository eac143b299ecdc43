"""What is wrong with somebody's files, or with what is said of them, is told in one sentence that names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mdtraj
import numpy as np
import pytest

from cgexp.errors import InputError
from tests.datasets.trajectory.own import Run, imported, sampled, write_pdb, write_run

pytest.importorskip("openmm")
Settings = dict[str, Any]


def lines_of(settings: Settings) -> list[str]:
    return Path(settings["topology"]).read_text().splitlines()


def write_lines(settings: Settings, lines: list[str]) -> None:
    Path(settings["topology"]).write_text("\n".join(lines) + "\n")


def changed(settings: Settings, change: Callable[[str], str | None]) -> None:
    """Change or leave out lines of the topology that hold atoms."""
    lines = [change(line) if line.startswith(("ATOM", "HETATM")) else line for line in lines_of(settings)]
    write_lines(settings, [line for line in lines if line is not None])


def connected(settings: Settings, run: Run) -> None:
    """State all bonds in the topology."""
    bonds = [f"CONECT{a.index + 1:5d}{b.index + 1:5d}" for a, b in run.topology.bonds]
    write_lines(settings, [*(line for line in lines_of(settings) if line != "END"), *bonds, "END"])


def replace_forces(settings: Settings, forces: np.ndarray) -> None:
    np.save(settings["forces"], forces)


def no_hydrogens(settings: Settings, run: Run) -> None:
    heavy = run.topology.select("not element H")
    part = Run(run.positions[:, heavy], run.forces[:, heavy], run.topology.subset(heavy))
    write_run(Path(settings["topology"]).parent, part)


def not_a_number(settings: Settings, run: Run, key: str) -> None:
    values = {"positions": run.positions.copy(), "forces": run.forces.copy()}
    values[key][7, 3] = np.nan
    as_arrays(settings, Run(values["positions"], values["forces"], run.topology))


def as_arrays(settings: Settings, run: Run, **more: Any) -> None:
    """Positions as an .npy file in nm."""
    path = Path(settings["topology"]).parent / "positions.npy"
    np.save(path, run.positions)
    np.save(settings["forces"], run.forces)
    settings |= {"trajectory": str(path), "length_unit": "nm", "save_ps": 0.1} | more


def as_xtc(settings: Settings, run: Run, times: np.ndarray | None = None, box: float | None = None) -> None:
    trajectory = mdtraj.Trajectory(run.positions, run.topology, times)
    if box is not None:
        trajectory.unitcell_vectors = np.broadcast_to(box * np.eye(3), (run.n_frames, 3, 3))
    trajectory.save_xtc(settings["trajectory"])


def shuffled(settings: Settings, run: Run) -> None:
    order = np.random.default_rng(0).permutation(run.positions.shape[1])
    as_xtc(settings, Run(run.positions[:, order], run.forces, run.topology), 0.1 * np.arange(run.n_frames))


def cut_by_a_box(settings: Settings, run: Run) -> None:
    wrapped = run.positions.copy()
    wrapped[20:, 10:] += 2.0
    as_xtc(settings, Run(wrapped, run.forces, run.topology), 0.1 * np.arange(run.n_frames))


def two_chains(settings: Settings, run: Run) -> None:
    both = run.topology.copy().join(run.topology)
    write_pdb(Path(settings["topology"]), both, np.concatenate([run.positions[0], run.positions[0] + 3.0]))


def of_water(settings: Settings, run: Run) -> None:
    changed(settings, lambda line: line[:17] + "HOH" + line[20:])


def mirrored(settings: Settings, run: Run) -> None:
    as_xtc(settings, Run(-run.positions, run.forces, run.topology), 0.1 * np.arange(run.n_frames))


def restarted(settings: Settings, run: Run) -> None:
    times = 0.1 * np.arange(run.n_frames)
    times[200:] -= 10.0
    as_xtc(settings, run, times)


def table(settings: Settings, text: str) -> None:
    path = Path(settings["topology"]).parent / "beads.txt"
    path.write_text(text)
    settings |= {"mapping": "table", "bead_table": str(path)}


def pairs(settings: Settings, text: str) -> None:
    path = Path(settings["topology"]).parent / "rigid.txt"
    path.write_text(text)
    settings |= {"constraints": "file", "rigid_bonds": str(path)}


def short(settings: Settings, run: Run, n: int) -> None:
    write_run(Path(settings["topology"]).parent, Run(run.positions[:n], run.forces[:n], run.topology))


def damaged(settings: Settings, run: Run) -> None:
    path = Path(settings["trajectory"])
    path.write_bytes(path.read_bytes()[:1000])


def stated(**more: Any) -> Callable[[Settings, Run], None]:
    def state(settings: Settings, run: Run) -> None:
        settings |= more

    return state


MISTAKES: dict[str, tuple[Callable[[Settings, Run], None], str]] = {
    "force unit": (stated(force_unit="kcal/mol/A"), "set dataset.force_unit=kJ/mol/nm if the file is in kJ/mol/nm"),
    "temperature": (stated(temperature=500.0), r"set the true temperature if the frames were sampled at \d+ ± \d+ K"),
    "gradients": (lambda s, r: replace_forces(s, -r.forces), "give forces, not gradients"),
    "forces of other frames": (
        lambda s, r: replace_forces(s, np.roll(r.forces, 50, axis=0)),
        "give forces and coords of the same frames",
    ),
    "no force unit": (stated(force_unit=None), "does not say what unit its forces have: state dataset.force_unit"),
    "a force out of proportion": (
        lambda s, r: replace_forces(s, np.where(np.arange(400)[:, None, None] == 17, 1e5, 1) * r.forces),
        "a force of frame 17 is .*, where those of others are up to about",
    ),
    "no forces": (stated(forces=None), "holds no forces, which force matching needs"),
    "missing file": (stated(trajectory="none.xtc"), "none.xtc does not exist: give the file of your data"),
    "damaged file": (damaged, r"run.xtc (cannot be read|has 400|has \d+ frames)"),
    "fewer forces": (lambda s, r: replace_forces(s, r.forces[:-1]), "has 400 frames and its forces 399"),
    "forces of other atoms": (lambda s, r: replace_forces(s, r.forces[:, :9]), r"shape \[400, 9, 3\]: expected"),
    "position is no number": (lambda s, r: not_a_number(s, r, "positions"), "a position in frame 7 of .* is no finite"),
    "force is no number": (lambda s, r: not_a_number(s, r, "forces"), "a force in frame 7 of .* is no finite number"),
    "length unit": (lambda s, r: as_arrays(s, r, length_unit="A"), "state dataset.length_unit=nm if they are in nm"),
    "no length unit": (lambda s, r: as_arrays(s, r, length_unit=None), "does not say what unit its positions have"),
    "length unit of a format": (stated(length_unit="A"), "are in nm by its format: leave length_unit out"),
    "no time": (lambda s, r: as_arrays(s, r, save_ps=None), "does not say how far apart in time its frames are"),
    "other time": (stated(save_ps=1.0), "are 0.1 ps apart by its times: leave save_ps out"),
    "restarted": (restarted, "goes back in time at frame 200, from time 19.9 to 10"),
    "order of atoms": (shuffled, "its atoms have another order than the topology's"),
    "cut by a box": (cut_by_a_box, "in frame 20, expected a bond .* a periodic box cuts the molecule"),
    "mirror image": (mirrored, "ALA 2 is a D-amino acid: expected L-amino acids"),
    "two chains": (two_chains, "has 2 molecules .* several chains, and ligands, are not modelled yet"),
    "water alone": (of_water, "has no atoms but water and ions"),
    "not stated as rigid": (stated(constraints="none"), "takes the bond of CH3 of ACE 1 and H1 of ACE 1 for flexible"),
    "stated as rigid": (stated(constraints="allbonds"), "for rigid, but its length varies by 0.0"),
    "no bond is listed": (lambda s, r: pairs(s, "0 9\n"), "which are not bonded in the topology"),
    "list without constraints": (stated(rigid_bonds="rigid.txt"), "dataset.constraints=file and dataset.rigid_bonds"),
    "biased map": (stated(force_map="slice"), "is biased: it takes CH3 of ACE 1 and H1 of ACE 1 with"),
    "too few to see constraints": (lambda s, r: short(s, r, 5), "5 frames do not tell which bonds were rigid"),
    "too few for the map": (
        lambda s, r: (short(s, r, 12), s.update(mapping="name CA CB", force_map="optimal")),
        "has 8 weights a bead to fit and got 12 frames",
    ),
    "no hydrogens": (no_hydrogens, "the topology has no hydrogens: forces on them are part of those on the beads"),
    "one bead": (stated(mapping="calpha"), "mapping=calpha gives one bead, since the only amino acid is ALA 2"),
    "unknown mapping": (stated(mapping="calfa"), "mapping=calfa is not known: expected one of calpha"),
    "no selection": (stated(mapping="name ("), "is no selection that mdtraj understands"),
    "empty selection": (stated(mapping="name XX"), "mapping='name XX' selects no atoms"),
    "native of a molecule": (stated(native="a.pdb"), "native=a.pdb is for mapping=calpha or backbone5"),
    "no residue": (
        lambda s, r: (changed(s, lambda line: line.replace("ALA", "MSE")), connected(s, r), s.update(mapping="com")),
        "residue MSE 2 is none of the 20 amino acids",
    ),
    "missing atom": (
        lambda s, r: changed(s, lambda line: None if " CB " in line else line),
        "residue ALA 2 lacks CB: expected all atoms that were simulated",
    ),
    "atom twice": (lambda s, r: changed(s, lambda line: line.replace(" CB ", " CA ")), "atom CA of ALA 2 is there"),
    "line of a table": (lambda s, r: table(s, "0 0\nx 1\n"), "beads.txt, line 2: 'x 1' is not an atom"),
    "atom of a table": (lambda s, r: table(s, "0 0\n99 1\n"), "line 2: atom 99 is not one of those modelled"),
    "beads of a table": (lambda s, r: table(s, "0 0\n4 2\n"), r"has beads \[0, 2\]: expected all numbers from 0 on"),
    "no table": (stated(mapping="table"), "mapping=table and bead_table=<file> belong together"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_a_sentence(mistake: str, tmp_path: Path) -> None:
    make, expected = MISTAKES[mistake]
    settings = write_run(tmp_path, sampled())
    make(settings, sampled())
    with pytest.raises(InputError, match=expected) as raised:
        imported(**settings)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500
