"""Joined: a data set made of several of one system, as instantaneous forces and a few precise mean forces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cgexp.datasets.recipe import Recipe
from cgexp.errors import InputError, did_you_mean
from cgexp.executor.workers import Workers
from cgexp.frames import Frames, join, were_selected

SAME = ("n_beads", "n_dims", "units", "temperature")  # facts of a recipe that all parts share


@dataclass(kw_only=True)
class Joined(Recipe):
    """The frames of several data sets of one system at one temperature, one set after another.

    parts: name -> recipe. chosen: names of parts whose configurations somebody chose, as those of mean forces; the
    others are samples of the ensemble. Force matching is a regression of labels on configurations: a label's mean is
    the mean force wherever its configuration comes from, and whatever unbiased force map it is of, so that all frames
    are trained on. What takes frames for a sample of exp(-U/kT) takes only those that are one: the prior's fit, what is
    held out for validation (the same frames as without the chosen ones, so that ``loss_validation``, the mean squared
    error whatever is trained on, compares), the reference, the TICA, starts of simulations.

    ``force_sem`` is kept; where a part has none it is not known, and loss=inverse_variance estimates it for the frames
    of that part alone (training/noise.py). Blocks stay apart. Weights are relative to the mean of their part, 1 in a
    part without; times are 0 in a chosen part without; other labels that not all parts have are left out, but forces,
    which all must have or none. n_frames: of the samples together; dataset.parts.<name>.n_frames is of one part. The
    force map that is stated is that of the first sample.
    """

    parts: dict[str, Recipe]
    chosen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.chosen:
            if name not in self.parts:
                raise InputError(
                    f"dataset.chosen names '{name}', which is no part{did_you_mean(name, self.parts)}: expected some "
                    f"of {', '.join(self.parts)}"
                )
        if not set(self.parts) - set(self.chosen):
            raise InputError(
                "all parts of the data set are in dataset.chosen, so that no frame is a sample of the ensemble, which "
                "a prior is fitted to: add a part that is one"
            )
        for name, part in self.parts.items():
            self._require_same(name, part)

    @property
    def all_atom_force_field(self) -> str:
        return next((part.all_atom_force_field for part in self.parts.values() if part.all_atom_force_field), "")

    @property
    def is_kept(self) -> bool:
        return any(part.is_kept for part in self.parts.values())

    @property
    def place(self) -> str:
        return "; ".join(f"{name}: {part.place}" for name, part in self.parts.items())

    def facts(self) -> dict[str, object]:
        """The sets that the parts are."""
        return {f"part {name}": f"{part.called}{self._remark(name)}" for name, part in self.parts.items()}

    def require(self) -> None:
        """Every part has what it reads."""
        for part in self.parts.values():
            part.require()

    def preview(self) -> Frames | None:
        """Where every part has frames at once."""
        made = {name: part.preview() for name, part in self.parts.items()}
        found = {name: frames for name, frames in made.items() if frames is not None}
        return self._joined(found) if len(found) == len(made) else None

    def make(self, folder: Path) -> Frames:
        """Make every part, in a folder of its own, and join them. Raises InputError if they do not belong together."""
        return self._made(lambda part, place: part.make(place), folder)

    def make_on(self, folder: Path, workers: Workers | None) -> Frames:
        return self._made(lambda part, place: part.make_on(place, workers), folder)

    def _made(self, make: Callable[[Recipe, Path], Frames], folder: Path) -> Frames:
        return self._joined({name: part.check(make(part, folder / name)) for name, part in self.parts.items()})

    def _require_same(self, name: str, part: Recipe) -> None:
        """Raise InputError if a part is of another system, or at another temperature, than the data set."""
        stated: dict[str, Any] = {"system": self.system.name, **{fact: getattr(self, fact) for fact in SAME}}
        found: dict[str, Any] = {"system": part.system.name, **{fact: getattr(part, fact) for fact in SAME}}
        for fact, value in stated.items():
            if found[fact] != value:
                raise InputError(
                    f"part '{name}' of data set '{self.name}' has {fact}={found[fact]} but the data set has {value}: "
                    "parts must be of one system at one temperature"
                )

    def _remark(self, name: str) -> str:
        return ", chosen: no sample of the ensemble" if name in self.chosen else ""

    def _joined(self, made: dict[str, Frames]) -> Frames:
        for name, frames in made.items():
            if name not in self.chosen and were_selected(frames):
                raise InputError(
                    f"frames of part '{name}' were selected, as its labels say, and are no sample of the ensemble: "
                    f"name it in dataset.chosen=[{','.join([*self.chosen, name])}]"
                )
        order = sorted(made, key=lambda name: name in self.chosen)  # samples first; otherwise as they stand
        labelled = [self._labelled(name, made) for name in order]
        kept = set.intersection(*(set(frames.arrays) for frames in labelled)) | {"forces", "force_sem"}
        first = made[order[0]]
        frames = join(
            [
                frames.with_labels(force_map=first.force_map, **dict.fromkeys(frames.arrays.keys() - kept))
                for frames in labelled
            ]
        )
        notes = "; ".join(
            f"{len(made[name])} frames of '{name}'{self._remark(name)}: {made[name].notes}" for name in order
        )
        sources = "; ".join(dict.fromkeys(made[name].source for name in order))
        return self.check(self.thin(frames.with_labels(notes=notes, source=sources)))

    def _labelled(self, name: str, made: dict[str, Frames]) -> Frames:
        """A part with the labels that others have and that follow for its own frames."""
        frames = made[name]
        labels: dict[str, Any] = {"parent": None, "round": None}
        if self.chosen:
            labels["chosen"] = np.full(len(frames), name in self.chosen)
        if any(part.weights is not None for part in made.values()):
            given = np.ones(len(frames)) if frames.weights is None else frames.weights
            labels["weights"] = given / given.mean()
        if frames.time_ps is None and name in self.chosen and any(part.time_ps is not None for part in made.values()):
            labels["time_ps"] = np.zeros(len(frames), dtype=np.float32)
        return frames.with_labels(**labels)
