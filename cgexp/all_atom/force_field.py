"""ForceField: which force field, solvent and surface term a peptide is simulated in; the openmm.System it gives.

OpenMM works in nm, kJ/mol and ps here.

ff14SBonlysc has the side chains of ff14SB with the backbone of ff99SB, made from OpenMM's file of ff14SB. The two
differ in the torsion phi' = C-N-CX-CB alone. ff14SB has 1.8 kcal/mol for period 2 and 0.8 for period 3, ff99SB
has 2.0 and 0.4 (Hornak et al. 2006, doi:10.1002/prot.21123; Amber's frcmod.ff99SB and frcmod.ff99SB14).
"""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from functools import lru_cache
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from cgexp.all_atom.modules import import_openmm
from cgexp.errors import InputError, did_you_mean
from cgexp.frames import current_name
from cgexp.units import KCAL_IN_KJ

if TYPE_CHECKING:
    import openmm.app

Protein = Literal["ff14SBonlysc", "ff14SB"]
Solvent = Literal["gbn2", "obc2", "tip3p"]
SurfaceTerm = Literal["ace", "none"]
NAMES = {"gbn2": "GBn2", "obc2": "OBC2", "tip3p": "TIP3P"}  # of the solvents
CHOICES: dict[str, tuple[str, ...]] = {
    "force_field": ("ff14SBonlysc", "ff14SB"),
    "solvent": tuple(NAMES),
    "surface_term": ("ace", "none"),
}
FF14SB = "amber14/protein.ff14SB.xml"
SOLVENT_FILES = {"gbn2": "implicit/gbn2.xml", "obc2": "implicit/obc2.xml", "tip3p": "amber14/tip3p.xml"}
HYDROGEN_MASS = 4.0  # amu, taken from the bonded heavy atom: allows a 4 fs step
SOLUTE_DIELECTRIC, SOLVENT_DIELECTRIC = 1.0, 78.5
BORN_OFFSET = 0.009  # nm, which the file's parameter `or` has subtracted from the radius
CUTOFF = 0.9  # nm, of the direct space of PME and of Lennard-Jones (with the dispersion correction)


@dataclass(frozen=True)
class ForceField:
    """What the atoms of a peptide are simulated in.

    protein: 'ff14SB' (Maier et al. 2015, doi:10.1021/acs.jctc.5b00255), or 'ff14SBonlysc', without its correction of
    the backbone, which was fitted in TIP3P: the one meant for implicit solvent. solvent: 'gbn2' (Nguyen et al. 2013,
    doi:10.1021/ct3010485, with mbondi3 radii), 'obc2' (Onufriev et al. 2004, doi:10.1002/prot.20033), both without
    cutoff, or 'tip3p' (explicit: PME). surface_term: of implicit solvent, 'ace' (Schaefer et al. 1998) or 'none'.
    Raises InputError for another choice, and for TIP3P with a surface term.
    """

    protein: Protein = "ff14SBonlysc"
    solvent: Solvent = "gbn2"
    surface_term: SurfaceTerm = "ace"

    def __post_init__(self) -> None:
        given = {"force_field": self.protein, "solvent": self.solvent, "surface_term": self.surface_term}
        for key, value in given.items():
            if value not in CHOICES[key]:
                expected = ", ".join(CHOICES[key])
                raise InputError(f"{key}={value} is not known{did_you_mean(value, CHOICES[key])}: expected {expected}")
        if self.explicit and self.surface_term != "none":
            raise InputError(
                f"solvent=tip3p with surface_term={self.surface_term}: explicit water has no surface term; set "
                "surface_term=none"
            )

    @classmethod
    def named(cls, name: str) -> ForceField:
        """The force field of this ``name``. Raises InputError if it is the name of none."""
        known = [cls("ff14SBonlysc", "tip3p", "none"), cls("ff14SB", "tip3p", "none")] + [
            cls(protein, solvent, term)
            for protein in ("ff14SBonlysc", "ff14SB")
            for solvent in ("gbn2", "obc2")
            for term in ("ace", "none")
        ]
        for force_field in known:
            if force_field.name == current_name(name):
                return force_field
        raise InputError(
            f"force field '{name}' cannot be simulated here: expected one of {', '.join(each.name for each in known)}"
        )

    @property
    def name(self) -> str:
        """For cards and metadata, such as 'ff14SBonlysc + GBn2 + ACE'."""
        surface = "" if self.explicit else " + ACE" if self.surface_term == "ace" else " (no surface term)"
        return f"{self.protein} + {NAMES[self.solvent]}{surface}"

    def check_platform(self, platform: str, group: str) -> None:
        """Raise InputError if a platform cannot compute it. group: of the configuration, for the sentence."""
        if platform == "native" and self.explicit:
            raise InputError(
                f"{group}.platform=native computes implicit solvent only, and {group}.solvent={self.solvent}: set "
                f"{group}.platform=auto, CPU, CUDA or OpenCL"
            )

    @property
    def explicit(self) -> bool:
        """Whether the solvent is made of molecules, in a periodic box."""
        return self.solvent == "tip3p"

    @property
    def implicit(self) -> ForceField:
        """This force field, or in place of explicit water implicit solvent: for structures before they have water."""
        return replace(self, solvent="gbn2", surface_term="ace") if self.explicit else self


DEFAULT = ForceField()


def make_system(
    topology: openmm.app.Topology,
    force_field: ForceField = DEFAULT,
    *,
    constrained: bool = True,
    native_gbsa: bool = True,
) -> openmm.System:
    """Return the openmm.System of a topology, with 4 amu hydrogens on the solute.

    A topology in TIP3P is one from ``solvate``; its water is rigid. constrained: bonds to hydrogen are rigid (HBonds).
    native_gbsa: OBC2 by the compiled GBSAOBCForce in place of the custom force of the force-field file; the same model,
    four times faster.
    """
    _, app, unit = import_openmm()
    options: dict[str, Any] = {"nonbondedMethod": app.NoCutoff, "sasaMethod": None}
    if force_field.explicit:
        options = {"nonbondedMethod": app.PME, "nonbondedCutoff": CUTOFF, "rigidWater": True}
    elif force_field.surface_term == "ace":
        options["sasaMethod"] = "ACE"
    system = _files(force_field.protein, force_field.solvent).createSystem(
        topology,
        constraints=app.HBonds if constrained else None,
        hydrogenMass=HYDROGEN_MASS * unit.amu,
        removeCMMotion=False,
        **options,
    )
    if native_gbsa and force_field.solvent == "obc2":
        _use_native_gbsa(system, force_field.surface_term)
    return system


def constraint_pairs(system: openmm.System) -> NDArray[np.int64]:
    """Atom indices of the constrained bonds of an openmm.System, [n_constraints, 2]."""
    pairs = [system.getConstraintParameters(index)[:2] for index in range(system.getNumConstraints())]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


@lru_cache(maxsize=None)
def _files(protein: Protein, solvent: Solvent) -> Any:
    """openmm.app.ForceField."""
    _, app, _ = import_openmm()
    return app.ForceField(FF14SB if protein == "ff14SB" else onlysc_xml(), SOLVENT_FILES[solvent])


def _use_native_gbsa(system: openmm.System, surface_term: SurfaceTerm) -> None:
    """Replace the CustomGBForce of implicit/obc2.xml by the compiled GBSAOBCForce, in place."""
    mm, _, _ = import_openmm()
    (index,) = (i for i, force in enumerate(system.getForces()) if isinstance(force, mm.CustomGBForce))
    custom = system.getForce(index)
    names = [custom.getPerParticleParameterName(i) for i in range(custom.getNumPerParticleParameters())]
    native = mm.GBSAOBCForce()  # its surface term is ACE, of the same 2.25936 kJ/mol/nm^2 as the file's
    native.setNonbondedMethod(mm.GBSAOBCForce.NoCutoff)
    native.setSoluteDielectric(SOLUTE_DIELECTRIC)
    native.setSolventDielectric(SOLVENT_DIELECTRIC)
    if surface_term == "none":
        native.setSurfaceAreaEnergy(0.0)
    for particle in range(custom.getNumParticles()):
        values = dict(zip(names, custom.getParticleParameters(particle), strict=True))
        reduced_radius = values["or"]
        native.addParticle(values["charge"], reduced_radius + BORN_OFFSET, values["sr"] / reduced_radius)
    system.removeForce(index)
    system.addForce(native)


CB_TYPES = ("protein-CT", "protein-C8", "protein-2C", "protein-3C")
PHI_PRIME = ("protein-CX", "protein-N", "protein-C")
# period -> (barrier of ff14SB, of ff99SB), kcal/mol
BARRIERS = {1: (2.0, 2.0), 2: (1.8, 2.0), 3: (0.8, 0.4), 4: (0.0, 0.0)}


def onlysc_xml() -> io.StringIO:
    """A file for openmm.app.ForceField. Raises InputError if OpenMM's ff14SB is not the one that is known."""
    path = Path(import_openmm().app.__file__).parent / "data" / "amber14" / "protein.ff14SB.xml"
    root = ElementTree.parse(path).getroot()
    found = [term for term in root.iter("Proper") if _atoms(term)[0] in CB_TYPES and _atoms(term)[1:] == PHI_PRIME]
    if sorted(_atoms(term)[0] for term in found) != sorted(CB_TYPES):
        raise InputError(
            f"{path} has {len(found)} torsions C-N-CX-CB: expected four, of which ff14SBonlysc is made; install the "
            "OpenMM of constraints.txt, or choose force_field=ff14SB"
        )
    for term in found:
        _to_ff99sb(term, path)
    return io.StringIO(ElementTree.tostring(root, encoding="unicode"))


def _atoms(term: ElementTree.Element) -> tuple[str, ...]:
    return tuple(term.get(f"type{i}") or term.get(f"class{i}") or "" for i in range(1, 5))


def _to_ff99sb(term: ElementTree.Element, path: Path) -> None:
    """Change the barriers of one torsion, in place."""
    number = 1
    while (period := term.get(f"periodicity{number}")) is not None:
        old, new = BARRIERS[int(period)]
        stated = float(term.get(f"k{number}", "nan"))
        if not isclose(stated, old * KCAL_IN_KJ, rel_tol=1e-6, abs_tol=1e-9):
            raise InputError(
                f"{path} has {stated} kJ/mol for period {period} of C-N-CX-CB: expected {old * KCAL_IN_KJ:.6g}, that "
                "of ff14SB; install the OpenMM of constraints.txt, or choose force_field=ff14SB"
            )
        term.set(f"k{number}", repr(new * KCAL_IN_KJ))
        number += 1
