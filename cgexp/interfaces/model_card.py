"""MODEL_CARD.md of a bundle: what the model is of, its units, how it was made, and what it must not be used for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CARD = """# {name}

A coarse-grained force field of `{name}`: {n_beads} beads in {n_dims} dimensions, made by `cgexp` {version}.

| | |
|---|---|
| model | `{model}` |
| prior | `{prior}` |
| potential | {potential} |
| temperature | {temperature:g} {temperature_unit} |
| units | energy {energy}, length {length}, force {force}, time {time}, mass {mass} |
| data | {n_frames} frames of `{data_system}`: {source} |
| all-atom force field | {force_field} |
| force map | {force_map} |
| hash of the data | `{content_hash}` |
| run | `{run}`, finished {finished} |

{metrics}
## Use

```python
import cgexp

bundle = cgexp.load_bundle("<this folder>")
energies = bundle.potential.energy(bundle.starts)  # [n], {energy}
forces = bundle.potential.forces(bundle.starts)    # [n, {n_beads}, {n_dims}], {force}
```

## Limits

- The energy is a free energy of the beads at {temperature:g} {temperature_unit}, and at no other temperature.
- Times are of the coarse-grained dynamics, which is faster than the atoms' and no physical time; friction is a choice.
- Away from the configurations of the data only the prior is known to be sensible.
- The beads are in the order, and of the types and masses, that bundle.json lists.
"""
SHOWN = {
    "force_rmse_relative": "relative error of the forces",
    "loss_validation": "validation loss, force²",
    "loss_prior_only": "the same of the prior alone, force²",
    "w1_tica": "W1 to the reference in the plane of the ICs",
    "folded_fraction": "folded fraction",
    "folded_fraction_reference": "folded fraction of the reference",
    "pmf_rmse_simulation": "error of the PMF of a simulation, kT",
}


def model_card(record: Mapping[str, Any], potential: str) -> str:
    """Markdown for people, from the record of a bundle; programs read bundle.json."""
    facts, beads, units = record["facts"], record["beads"], record["units"]
    data, metrics = facts["data"], facts["metrics"]
    rows = [f"| {text} | {metrics[name]:.4g} |" for name, text in SHOWN.items() if name in metrics]
    return CARD.format(
        **{name: beads[name] for name in ("name", "n_beads", "n_dims")},
        **{name: units[name] for name in ("energy", "length", "force", "time", "mass")},
        **{name: data[name] for name in ("n_frames", "source", "force_map", "content_hash")},
        version=facts["code"]["version"],
        model="none" if record["model"] is None else record["model"]["_target_"],
        prior=record["prior"]["_target_"],
        potential=potential.strip("<>").replace("|", ""),
        temperature=record["temperature"],
        temperature_unit="K" if units["name"] == "molecular" else "kT",
        data_system=data["system"],
        force_field=data.get("force_field") or "not stated",
        run=facts["run"],
        finished=facts["finished"],
        metrics="\n".join(["| metric | value |", "|---|---|", *rows, ""]) if rows else "It has not been evaluated.\n",
    )
