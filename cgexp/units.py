"""Unit systems and physical constants. No other module holds a constant."""

from __future__ import annotations

from dataclasses import dataclass

from cgexp.errors import InputError, did_you_mean

KCAL_IN_KJ = 4.184  # kJ per kcal (thermochemical, exact)
NM_IN_ANGSTROM = 10.0
EV_IN_KCAL_MOL = 23.0605478306  # kcal/mol in one eV (CODATA 2018)
BOLTZMANN = 0.0019872042586  # kcal/mol/K (CODATA 2018: 8.314462618 J/mol/K)
AKMA_TIME_IN_PS = 0.04888821  # Å sqrt(amu mol/kcal), the time of CHARMM and of DCD files
KJ_MOL_NM_IN_KCAL_MOL_ANGSTROM = 1.0 / (KCAL_IN_KJ * NM_IN_ANGSTROM)  # kcal/mol/A per kJ/mol/nm


@dataclass(frozen=True)
class UnitSystem:
    """Names of the units, the Boltzmann constant, and force/mass expressed as an acceleration.

    ``acceleration`` converts (energy/length)/mass into length/time^2: with kcal/mol, A, amu and ps it is 418.4.
    """

    name: str
    length: str
    energy: str
    force: str
    time: str
    mass: str
    temperature: str
    boltzmann: float
    acceleration: float

    def kT(self, temperature: float) -> float:
        """Thermal energy in this system's energy unit."""
        return self.boltzmann * temperature


MOLECULAR = UnitSystem(
    "molecular", "Å", "kcal/mol", "kcal/mol/Å", "ps", "amu", "K", BOLTZMANN, KCAL_IN_KJ * 100.0
)  # fmt: skip
REDUCED = UnitSystem("reduced", "length", "kT", "kT/length", "time", "mass", "kT", 1.0, 1.0)
UNIT_SYSTEMS = {system.name: system for system in (MOLECULAR, REDUCED)}

LENGTHS = {"A": 1.0, "nm": NM_IN_ANGSTROM}  # Å in one of it, of the units that files may have


def force_factors(temperature: float) -> dict[str, float]:
    """Unit of force that a file may have -> kcal/mol/Å in one of it; kT at ``temperature`` (K)."""
    energies = {"kcal/mol": 1.0, "kJ/mol": 1.0 / KCAL_IN_KJ, "kT": MOLECULAR.kT(temperature)}
    return {
        f"{energy}/{length}": value / size for energy, value in energies.items() for length, size in LENGTHS.items()
    }


def unit_system(name: str) -> UnitSystem:
    """Return the unit system called ``name`` ('molecular' or 'reduced')."""
    if name not in UNIT_SYSTEMS:
        raise InputError(
            f"unknown units '{name}'{did_you_mean(name, UNIT_SYSTEMS)}: expected one of {', '.join(UNIT_SYSTEMS)}"
        )
    return UNIT_SYSTEMS[name]
