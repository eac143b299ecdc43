"""ff14SBonlysc: the side chains of ff14SB with the backbone of ff99SB, made from OpenMM's file of ff14SB.

The two differ in the torsion phi' = C-N-CX-CB alone. ff14SB has 1.8 kcal/mol for period 2 and 0.8 for period 3, ff99SB
has 2.0 and 0.4 (Hornak et al. 2006, doi:10.1002/prot.21123; Amber's frcmod.ff99SB and frcmod.ff99SB14).
"""

from __future__ import annotations

import io
from math import isclose
from pathlib import Path
from xml.etree import ElementTree

from cgexp.all_atom.modules import import_openmm
from cgexp.errors import InputError
from cgexp.units import KCAL_IN_KJ

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
