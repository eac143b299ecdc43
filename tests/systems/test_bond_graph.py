"""BondGraph: a chain as before, a backbone by its bonds; the prior of a backbone keeps its physics and its hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cgexp import geometry
from cgexp.errors import InputError
from cgexp.geometry import dihedrals, distances
from cgexp.priors.dihedral import FourierDihedrals
from cgexp.priors.harmonic import HarmonicAngles, HarmonicBonds
from cgexp.priors.prior import Prior
from cgexp.priors.repulsion import Repulsion
from cgexp.systems.base import system_of
from cgexp.systems.bond_graph import BondGraph
from cgexp.systems.peptide import Peptide
from cgexp.testing.configurations import chain_frames, fit_to
from cgexp.testing.energy_checks import EnergyTermChecks
from tests.analysis.ensembles import peptide_frames
from tests.systems.backbones import backbone_frames


def backbone_prior() -> Prior:
    return Prior(
        {
            "bonds": HarmonicBonds(),
            "angles": HarmonicAngles(),
            "dihedrals": FourierDihedrals(),
            "repulsion": Repulsion(min_separation=4),
        },
        temperature=300.0,
    )


class TestBackbonePrior(EnergyTermChecks):
    def make_term(self):
        prior = backbone_prior()
        fit_to(prior, backbone_frames())
        return prior

    def make_blank(self):
        return backbone_prior()

    def make_coords(self):
        return torch.from_numpy(np.array(backbone_frames(n_frames=4, seed=1).coords))


def atoms_of(sequence: str, index: torch.Tensor) -> list[str]:
    names = [f"{name}{residue}" for residue, name in Peptide(sequence, beads="backbone5").bead_atoms]
    return ["-".join(names[bead] for bead in row) for row in index.tolist()]


@pytest.mark.parametrize("frames", [chain_frames(2), peptide_frames(5, 1)], ids=["any chain", "peptide"])
def test_a_chain_has_the_lists_of_a_chain(frames):
    graph = BondGraph.of(system_of(frames))
    assert torch.equal(graph.bonds(), geometry.bond_list(10))
    assert torch.equal(graph.angles(), geometry.angle_list(10))
    assert torch.equal(graph.dihedrals(), geometry.dihedral_list(10))
    for separation in (1, 3, 9):
        assert torch.equal(graph.pairs(separation), geometry.pair_list(10, separation))


def test_angles_of_a_backbone_are_all_pairs_of_bonds_at_a_bead():
    graph = BondGraph.of(Peptide("AG", "backbone5"))
    angles = ["N0-CA0-CB0", "N0-CA0-C0", "CB0-CA0-C0", "CA0-C0-O0", "CA0-C0-N1", "O0-C0-N1", "C0-N1-CA1"]
    angles += ["N1-CA1-C1", "CA1-C1-O1"]
    assert sorted(atoms_of("AG", graph.angles())) == sorted(angles)


def test_dihedrals_of_a_backbone_are_phi_psi_omega_and_impropers():
    graph = BondGraph.of(Peptide("AGA", "backbone5"))
    torsions = ["N0-CA0-C0-N1", "CA0-C0-N1-CA1", "C0-N1-CA1-C1", "N1-CA1-C1-N2", "CA1-C1-N2-CA2", "C1-N2-CA2-C2"]
    torsions += ["N2-CA2-C2-O2"]  # no further residue turns about the last bond
    impropers = ["N0-CA0-C0-CB0", "N2-CA2-C2-CB2", "CA0-C0-N1-O0", "CA1-C1-N2-O1"]
    assert sorted(atoms_of("AGA", graph.dihedrals())) == sorted(torsions + impropers)


def test_pairs_are_bonds_apart_not_places():
    graph = BondGraph.of(Peptide("AG", "backbone5"))
    pairs = atoms_of("AG", graph.pairs(4))
    assert {"N0-CA1", "CB0-CA1", "O0-C1", "CA0-C1"} <= set(pairs)
    assert not {"CB0-O0", "N0-N1", "O0-CA1"} & set(pairs)  # three bonds


def test_bonds_keep_their_lengths():
    frames = backbone_frames("AGPTY")
    term = HarmonicBonds()
    term.fit(frames, system_of(frames))
    lengths = dict(zip(atoms_of("AGPTY", term.beads), term.center.tolist(), strict=True))
    assert len(lengths) == 23
    assert lengths["CA0-C0"] == pytest.approx(1.52, abs=0.02)
    assert lengths["C0-O0"] == pytest.approx(1.23, abs=0.02)
    assert lengths["C3-N4"] == pytest.approx(1.33, abs=0.02)


def test_a_d_residue_costs_energy():
    """CB reflected in the plane of N, CA and C keeps bonds and angles; the improper dihedral tells."""
    frames = backbone_frames("AAA", n_frames=300)
    term = FourierDihedrals()
    term.fit(frames, system_of(frames))
    coords = torch.from_numpy(np.array(frames.coords))
    n, ca, cb, c = (Peptide("AAA", beads="backbone5").bead_atoms.index((1, name)) for name in ("N", "CA", "CB", "C"))
    normal = torch.nn.functional.normalize(
        torch.linalg.cross(coords[:, n] - coords[:, ca], coords[:, c] - coords[:, ca]), dim=-1
    )
    height = ((coords[:, cb] - coords[:, ca]) * normal).sum(-1, keepdim=True)
    assert (height > 0).all()
    mirrored = coords.clone()
    mirrored[:, cb] -= 2.0 * height * normal
    assert ((term.energy(mirrored) - term.energy(coords)) > 2.0 * frames.kT).all()


def test_the_convention_of_the_sign_is_kept():
    frames = backbone_frames("AAA", n_frames=50)
    atoms = Peptide("AAA", beads="backbone5").bead_atoms
    improper = torch.tensor([[atoms.index((1, name)) for name in ("N", "CA", "C", "CB")]])
    assert improper.tolist()[0] in BondGraph.of(system_of(frames)).dihedrals().tolist()
    values = dihedrals(torch.from_numpy(np.array(frames.coords)), improper)
    assert np.degrees(values.mean().item()) == pytest.approx(-122.6, abs=2.0)  # of an L-residue


def test_beads_that_the_named_system_does_not_have_are_refused():
    with pytest.raises(InputError, match="have 14 beads in 3 dimensions but system 'peptide-AGA' has 3 in 3: give"):
        backbone_prior().fit(backbone_frames("AGA", n_frames=20), Peptide("AGA"))


def test_a_separation_beyond_the_molecule_is_refused():
    with pytest.raises(InputError, match="no two beads of 'peptide-AG-backbone5' are 7 bonds apart"):
        fit_to(Repulsion(min_separation=7), backbone_frames("AG", n_frames=20))


def test_repelling_pairs_are_not_bonded():
    frames = backbone_frames("AGPTY")
    term = Repulsion()
    term.fit(frames, system_of(frames))
    r = distances(torch.from_numpy(np.array(frames.coords)), term.beads)
    assert r.min() > 2.0
    assert len(term.beads) < len(geometry.pair_list(frames.n_beads, 3))
