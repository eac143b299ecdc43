"""The page of the Python interface: public names, each by autodoc from its docstring."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import cgexp

SECTIONS = {
    "A run": ("cgexp.runs.load.Run", "cgexp.models.potential.Potential", "cgexp.simulation.trajectory.Trajectory"),
    "Results in a notebook": ("cgexp.notebook.Model", "cgexp.notebook.Ensemble", "cgexp.notebook.Comparison"),
    "Exported models": (
        "cgexp.interfaces.bundle.Bundle",
        "cgexp.interfaces.ase.BundleCalculator",
        "cgexp.interfaces.ase.beads",
        "cgexp.interfaces.openmm.bead_force",
        "cgexp.interfaces.openmm.bead_system",
        "cgexp.interfaces.openmm.bead_topology",
        "cgexp.interfaces.openmm.start_positions",
        "cgexp.interfaces.torchscript.write_torchscript",
        "cgexp.interfaces.mlcg_weights.write_mlcg_weights",
        "cgexp.interfaces.mlcg_weights.read_mlcg_weights",
        "cgexp.interfaces.lammps.add_beads",
        "cgexp.interfaces.lammps.add_force",
    ),
    "Frames in files": ("cgexp.store.write_frames", "cgexp.store.read_frames"),
}
HEAD = """# Python

What `import cgexp` gives, and what it returns. Names that are not here are not meant to be relied upon.
"""


def write_api(page: Path) -> None:
    """Write the page."""
    names = [f"cgexp.{name}" for name in cgexp.__all__]
    parts = [HEAD, *map(directive, names)]
    for title, members in SECTIONS.items():
        parts += [f"## {title}", *map(directive, members)]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def directive(name: str) -> str:
    """The directive of autodoc for a class or function."""
    module, _, attribute = name.rpartition(".")
    found = getattr(importlib.import_module(module), attribute)
    what = f".. autoclass:: {name}\n   :members:" if inspect.isclass(found) else f".. autofunction:: {name}"
    return "\n".join(["```{eval-rst}", what, "```"])
