from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cgexp.datasets.recipe import Recipe
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.systems.base import system_of
from cgexp.systems.cgnet_toy import CGnetToy

FACTS = {
    "name": "given", "n_beads": 1, "n_dims": 1, "units": "reduced", "temperature": 1.0, "force_map": "x_component",
}  # fmt: skip


@dataclass(kw_only=True)
class Given(Recipe):
    """A recipe of frames at rest."""

    frames_temperature: float = 1.0

    def make(self, folder: Path) -> Frames:
        return frames(temperature=self.frames_temperature)


def frames(**changed: Any) -> Frames:
    facts = {
        "coords": np.zeros((5, 1, 1)), "bead_types": np.zeros(1, dtype=np.int64), "block": np.arange(5),
        "units": "reduced", "temperature": 1.0, "system": "toy_cgnet", "source": "test", "force_map": "x_component",
    }  # fmt: skip
    return Frames(**{**facts, **changed})


def recipe(**changed: Any) -> Given:
    return Given(**{"system": CGnetToy(), **FACTS, **changed})


def test_frames_that_agree_are_returned(tmp_path: Path) -> None:
    made = recipe(n_frames=5).make(tmp_path)
    checked = recipe(n_frames=5).check(made)
    assert checked.content_hash == made.content_hash
    assert system_of(checked).name == "toy_cgnet"
    assert recipe().check(checked) is checked


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("n_beads", {"coords": np.zeros((5, 2, 1)), "bead_types": np.zeros(2, dtype=np.int64)}),
        ("n_dims", {"coords": np.zeros((5, 1, 3))}),
        ("units", {"units": "molecular"}),
        ("temperature", {"temperature": 2.0}),
        ("force_map", {"force_map": "slice"}),
        ("system", {"system": "toy_julia"}),
        ("bead_types", {"bead_types": np.ones(1, dtype=np.int64)}),
        ("n_frames", {"coords": np.zeros((4, 1, 1)), "block": np.arange(4)}),
    ],
)
def test_frames_that_differ_are_refused_by_the_name_of_the_field(field: str, changed: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=field):
        recipe(n_frames=5).check(frames(**changed))


@pytest.mark.parametrize(("field", "value"), [("n_beads", 3), ("n_dims", 2), ("units", "molecular")])
def test_facts_that_contradict_the_system_are_refused(field: str, value: object) -> None:
    with pytest.raises(InputError, match=rf"set dataset\.{field}="):
        recipe(**{field: value})
