"""OpenMM, imported when used: the only place that does; elsewhere its names are in annotations alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from cgexp.errors import InputError

if TYPE_CHECKING:
    import openmm as openmm  # for annotations elsewhere


class OpenMM(NamedTuple):
    """The modules of OpenMM: openmm, openmm.app, openmm.unit."""

    mm: Any
    app: Any
    unit: Any


def import_openmm() -> OpenMM:
    """Import OpenMM, or raise InputError saying how to install it."""
    try:
        import openmm
        from openmm import app, unit
    except ImportError as error:
        raise InputError('OpenMM is not installed: all-atom forces need it; run pip install "cgexp[openmm]"') from error
    return OpenMM(openmm, app, unit)
