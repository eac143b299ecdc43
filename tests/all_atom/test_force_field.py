"""Force fields as a choice: ff14SBonlysc is the documented one, the surface term can be left out, names are kept."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from cgexp.all_atom import force_field
from cgexp.all_atom.backmapping.quality import torsions
from cgexp.all_atom.engine import energy_and_forces, make_context
from cgexp.all_atom.force_field import DEFAULT, ForceField, make_system
from cgexp.all_atom.modules import import_openmm
from cgexp.all_atom.structure import AllAtom, Torsions, build_peptide
from cgexp.errors import InputError
from cgexp.frames import Frames, concatenate, force_field_of

pytest.importorskip("openmm")

SEQUENCE = "YDPEGTA"  # C-beta atoms of all four types that have the torsion, a proline and a glycine
BETAS = {"protein-CT", "protein-C8", "protein-2C", "protein-3C"}


@lru_cache(maxsize=None)
def peptide(phi: float, psi: float) -> AllAtom:
    n = len(SEQUENCE) - 1
    return build_peptide(SEQUENCE, Torsions((phi,) * n, (psi,) * n))


def energy(built: AllAtom, force_field: ForceField) -> float:
    """kcal/mol."""
    context = make_context(make_system(built.topology, force_field, constrained=False), 300.0, 1, platform="Reference")
    return energy_and_forces(context, built.positions)[0]


def propers(text: str) -> dict[tuple[str, ...], dict[str, str]]:
    terms = [term.attrib for term in ElementTree.fromstring(text).iter("Proper")]
    return {tuple(term.get(f"type{i}", term.get(f"class{i}", "")) for i in range(1, 5)): term for term in terms}


def terms_of(term: dict[str, str]) -> dict[int, float]:
    """Period -> kJ/mol."""
    numbers = [name.removeprefix("periodicity") for name in term if name.startswith("periodicity")]
    return {int(term[f"periodicity{number}"]): float(term[f"k{number}"]) for number in numbers}


def data_file(name: str) -> str:
    return (Path(import_openmm().app.__file__).parent / "data" / name).read_text()


def test_onlysc_differs_from_ff14sb_in_four_torsions_and_nothing_else() -> None:
    ours, theirs = force_field.onlysc_xml().read(), data_file("amber14/protein.ff14SB.xml")
    old, new = propers(theirs), propers(ours)
    assert list(old) == list(new)
    changed = [atoms for atoms in old if old[atoms] != new[atoms]]
    assert {atoms[0] for atoms in changed} == BETAS
    assert len(changed) == 4
    assert all(atoms[1:] == ("protein-CX", "protein-N", "protein-C") for atoms in changed)
    strip = lambda text: [  # noqa: E731
        (node.tag, sorted(node.attrib.items())) for node in ElementTree.fromstring(text).iter() if node.tag != "Proper"
    ]
    assert strip(ours) == strip(theirs)


def test_onlysc_has_the_backbone_of_ff99sb() -> None:
    (expected,) = (
        terms_of(term) for atoms, term in propers(data_file("amber99sb.xml")).items() if atoms == ("CT", "CT", "N", "C")
    )
    assert expected == pytest.approx({1: 2.0 * 4.184, 2: 2.0 * 4.184, 3: 0.4 * 4.184, 4: 0.0})  # frcmod.ff99SB
    for atoms, term in propers(force_field.onlysc_xml().read()).items():
        if atoms[0] in BETAS and atoms[1:] == ("protein-CX", "protein-N", "protein-C"):
            assert terms_of(term) == pytest.approx(expected)


@pytest.mark.parametrize(("phi", "psi"), [(-60.0, -45.0), (-120.0, 140.0), (60.0, 30.0)])
def test_energies_differ_by_that_torsion(phi: float, psi: float) -> None:
    built = peptide(phi, psi)
    where = {atom: index for index, atom in enumerate(built.atoms)}
    quads = [
        [where[residue - 1, "C"], where[residue, "N"], where[residue, "CA"], where[residue, "CB"]]
        for residue, letter in enumerate(SEQUENCE)
        if residue and letter not in "G"
    ]
    angles = torsions(built.positions, np.array(quads))
    expected = (0.2 * (1.0 + np.cos(2.0 * angles)) - 0.4 * (1.0 + np.cos(3.0 * angles))).sum()
    found = energy(built, ForceField("ff14SBonlysc", "obc2")) - energy(built, ForceField("ff14SB", "obc2"))
    assert found == pytest.approx(expected, abs=1e-4)
    assert abs(expected) > 0.1


@pytest.mark.parametrize("text", ["<ForceField/>", None])
def test_another_ff14sb_is_refused(text: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = data_file("amber14/protein.ff14SB.xml")
    file = tmp_path / "data" / "amber14" / "protein.ff14SB.xml"
    file.parent.mkdir(parents=True)
    file.write_text(known.replace("7.5312", "7.6") if text is None else text)
    fake = SimpleNamespace(app=SimpleNamespace(__file__=str(tmp_path / "__init__.py")))
    monkeypatch.setattr(force_field, "import_openmm", lambda: fake)
    with pytest.raises(InputError, match=r"expected (four|7\.5312).*choose force_field=ff14SB"):
        force_field.onlysc_xml()


@pytest.mark.parametrize("solvent", ["gbn2", "obc2"])
def test_the_surface_term_is_ace_or_none(solvent: Any) -> None:
    """ACE (Schaefer et al. 1998): sum over atoms of 4 pi gamma (r + 1.4 Å)^2 (r / B)^6, positive, a few kcal/mol."""
    built = peptide(-60.0, -45.0)
    with_term, without = (energy(built, ForceField("ff14SBonlysc", solvent, term)) for term in ("ace", "none"))
    assert 3.0 < with_term - without < 20.0


def test_gbn2_takes_mbondi3_radii() -> None:
    mm, _, _ = import_openmm()
    built = peptide(-60.0, -45.0)
    system = make_system(built.topology, DEFAULT)
    (force,) = (each for each in system.getForces() if isinstance(each, mm.CustomGBForce))
    names = [force.getPerParticleParameterName(i) for i in range(force.getNumPerParticleParameters())]
    radius = {
        atom: force.getParticleParameters(index)[names.index("or")] + 0.0195141  # the offset of GBn2, nm
        for index, atom in enumerate(built.atoms)
    }
    assert radius[1, "OD1"] == pytest.approx(0.14, abs=1e-6)  # mbondi3: a carboxylate, 1.4 Å
    assert radius[0, "O"] == pytest.approx(0.15, abs=1e-6)  # another oxygen
    assert radius[2, "N"] == pytest.approx(0.155, abs=1e-6)


def test_names_are_for_cards() -> None:
    assert DEFAULT.name == "ff14SBonlysc + GBn2 + ACE"
    assert ForceField("ff14SB", "obc2", "none").name == "ff14SB + OBC2 (no surface term)"
    assert ForceField("ff14SB", "tip3p", "none").name == "ff14SB + TIP3P"


@pytest.mark.parametrize(
    "choice", [DEFAULT, ForceField("ff14SB", "obc2", "none"), ForceField("ff14SB", "tip3p", "none")]
)
def test_a_name_says_which_it_is(choice: ForceField) -> None:
    assert ForceField.named(choice.name) == choice


def test_older_names_are_known_and_unknown_ones_refused() -> None:
    assert ForceField.named("ff14SB + OBC2") == ForceField("ff14SB", "obc2", "ace")
    with pytest.raises(InputError, match=r"force field 'CHARMM22\*' cannot be simulated here"):
        ForceField.named("CHARMM22*")


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (("ff14SBonlysc", "tip3p", "ace"), "explicit water has no surface term; set surface_term=none"),
        (("ff14SBonly", "gbn2", "ace"), "did you mean 'ff14SBonlysc'"),
        (("ff14SB", "gbn3", "ace"), "did you mean 'gbn2'"),
        (("ff14SB", "gbn2", "no"), "surface_term=no is not known"),
    ],
)
def test_what_does_not_exist_is_refused(choice: tuple[Any, Any, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        ForceField(*choice)


def frames(source: str, force_field: str = "") -> Frames:
    return Frames(
        coords=np.zeros((2, 3, 3)),
        bead_types=np.zeros(3, dtype=int),
        block=np.zeros(2, dtype=int),
        units="molecular",
        temperature=300.0,
        system="peptide-AGA",
        source=source,
        force_field=force_field,
    )


def test_older_frames_say_their_force_field_in_their_source() -> None:
    assert force_field_of(frames("OpenMM, ff14SB + OBC2")) == "ff14SB + OBC2 + ACE"
    assert force_field_of(frames("OpenMM, ff14SB + OBC2, replica exchange")) == "ff14SB + OBC2 + ACE"
    assert force_field_of(frames("openmm_mean_force oracle: OpenMM, ff14SB + OBC2")) == "ff14SB + OBC2 + ACE"
    assert force_field_of(frames("elsewhere")) == ""
    assert force_field_of(frames("a paper", "CHARMM22* + TIP3P")) == "CHARMM22* + TIP3P"


def test_frames_of_two_force_fields_do_not_join() -> None:
    with pytest.raises(InputError, match="force fields differ: 'A' and 'B'"):
        concatenate([frames("", "A"), frames("", "B")])
    assert concatenate([frames("", "A"), frames("", "A")]).force_field == "A"
    assert "force_field" not in frames("").metadata, "content hashes of older frames hold"
