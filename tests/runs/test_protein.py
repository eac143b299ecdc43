"""A protein of 160 residues goes the whole way, within the memory of a laptop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cgexp.analysis.tica import MOST_FEATURES
from cgexp.config.checks import check
from cgexp.config.compose import compose
from cgexp.frames import Frames
from cgexp.runs.pipeline import run
from cgexp.store import read_arrays, read_record, write_frames
from cgexp.systems.peptide import Peptide
from tests.runs.small import quiet

N_BEADS, N_FRAMES, N_WALKERS = 160, 400, 10
WOBBLE, KT = 0.15, 0.596  # Å; kcal/mol at 300 K


def helices() -> Frames:
    """A helix that swells slowly, each bead in a well of its own, with the forces of the wells; a block a walker."""
    rng = np.random.default_rng(0)
    i, per_walker = np.arange(N_BEADS), N_FRAMES // N_WALKERS
    helix = np.stack([2.3 * np.cos(1.7 * i), 2.3 * np.sin(1.7 * i), 1.5 * i], axis=-1)
    slow = np.cumsum(rng.normal(size=(N_WALKERS, per_walker)), axis=1).reshape(-1, 1, 1)
    shift = WOBBLE * rng.normal(size=(N_FRAMES, N_BEADS, 3))
    system = Peptide("A" * N_BEADS)
    return Frames(
        coords=(helix * (1.0 + 0.005 * slow * np.array([0.0, 0.0, 1.0])) + shift).astype(np.float32),
        forces=(-KT / WOBBLE**2 * shift).astype(np.float32),
        bead_types=system.bead_types,
        units="molecular",
        temperature=300.0,
        system=system.name,
        system_spec=system.spec,
        source="synthetic",
        force_map="basic",
        block=np.repeat(np.arange(N_WALKERS), per_walker),
        time_ps=np.tile(0.5 * np.arange(per_walker), N_WALKERS),
    )


@pytest.mark.slow  # 15 CPU s
def test_a_protein_trains_is_simulated_and_analysed(tmp_path: Path) -> None:
    write_frames(tmp_path / "helices.npz", helices())
    small = ["trainer.max_epochs=1", "trainer.batch_size=32", "model.cutoff=12", "simulation.n_replicas=4"]
    small += ["simulation.n_steps=500", "simulation.save_every=20", "analysis.n_bootstrap=2", "logger=csv"]
    config = compose(
        ["experiment=own_peptide", f"dataset.path={tmp_path / 'helices.npz'}", f"outputs={tmp_path}", *small]
    )
    check(config)
    folder = run(config, say=quiet)
    metrics = read_record(folder.metrics)
    assert metrics["loss_validation"] < metrics["loss_zero_force"]
    assert metrics["replicas_failed"] == 0
    assert {"w1_tica", "w1_dihedral", "w1_rg", "contact_rmse"} <= metrics.keys()
    assert metrics["memory_peak_mb"] < 4000.0
    arrays, _ = read_arrays(folder.definition("tica"))
    assert len(arrays["pairs"]) <= MOST_FEATURES
    assert (folder.figures / "contacts.png").is_file()
    assert folder.report.is_file()
