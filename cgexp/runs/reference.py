"""The equilibrium ensemble that a run's analysis compares with."""

from __future__ import annotations

from typing import Any

from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.reference.equilibrium import find_equilibria, load_equilibrium

AUTO = "auto"


def equilibrium_of(analysis: Any, frames: Frames) -> dict[str, Any]:
    """What ``analysis.evaluate`` takes beside the run: ``equilibrium``, or nothing for the frames of the data set.

    ``analysis.reference`` names a shipped ensemble; 'auto': the one of the frames' system and temperature, if any.
    Raises InputError if the one it names is none, or of another system or temperature than ``frames``.
    """
    name = getattr(analysis, "reference", None)
    if name == AUTO:
        found = find_equilibria(system=frames.system, temperature_K=frames.temperature)
        name = found[0] if found else None
    if name is None:
        return {}
    equilibrium = load_equilibrium(name)
    for fact in ("system", "temperature"):
        of_reference, of_data = getattr(equilibrium.frames, fact), getattr(frames, fact)
        if of_reference != of_data:
            raise InputError(
                f"analysis.reference={name} is of {fact} {of_reference}, but the data set of {of_data}: "
                f"set it to {AUTO} or null"
            )
    return {"equilibrium": equilibrium}
