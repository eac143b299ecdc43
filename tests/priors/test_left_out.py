"""Terms of a prior that a small system has nothing for are left out, in a sentence, and stay out."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from cgexp.build import build
from cgexp.config.compose import compose
from cgexp.frames import Frames
from cgexp.models.potential import Potential, load_potential, save_potential
from cgexp.priors.prior import Prior
from cgexp.systems.peptide import Peptide


@pytest.mark.parametrize(
    ("sequence", "kept"),
    [
        ("AA", ["bonds"]),
        ("AAA", ["bonds", "angles"]),
        ("AAAA", ["bonds", "angles", "dihedrals", "repulsion"]),
    ],
)
def test_a_short_peptide_has_the_terms_that_it_can_have(
    sequence: str, kept: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    system = Peptide(sequence)
    coords = 3.8 * np.arange(system.n_beads)[:, None] * [1.0, 0.0, 0.0] + np.random.default_rng(0).normal(
        scale=0.5, size=(50, system.n_beads, 3)
    )
    frames = Frames(
        coords=coords, bead_types=system.bead_types, block=np.zeros(50, dtype=np.int64), units="molecular",
        temperature=300.0, system=system.name, source="a test",
    )  # fmt: skip
    spec = compose(["experiment=peptide", f"dataset.system.sequence={sequence}"])["prior"]
    prior = build(spec, Prior)
    with caplog.at_level(logging.WARNING):
        prior.fit(frames, system)
    assert [name for name, _ in prior.items()] == kept
    assert len(caplog.messages) == 4 - len(kept)
    save_potential(tmp_path / "potential.npz", Potential(None, prior), None, prior.left(spec))
    prior.save(tmp_path / "prior.json")
    for again in (load_potential(tmp_path / "potential.npz").prior, Prior.load(tmp_path / "prior.json")):
        assert {name for name, _ in again.items()} == set(kept)
