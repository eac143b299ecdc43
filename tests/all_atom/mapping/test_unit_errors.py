"""What a wrong scale is taken for."""

from __future__ import annotations

import numpy as np
import pytest

from cgexp.all_atom.mapping.unit_errors import unit_error
from cgexp.frames import Frames
from cgexp.units import BOLTZMANN


def chain(distance: float, units: str = "molecular") -> Frames:
    coords = np.zeros((2, 3, 3))
    coords[:, :, 0] = distance * np.arange(3)
    return Frames(
        coords=coords,
        bead_types=np.zeros(3, dtype=np.int64),
        block=np.zeros(2, dtype=np.int64),
        units=units,
        temperature=300.0 if units == "molecular" else 1.0,
        system="chain",
        source="test",
    )


@pytest.mark.parametrize(
    ("distance", "scale", "words"),
    [
        (3.8, 41.5, ["forces look like kJ/mol/nm", "divide them by 41.84"]),
        (3.8, 4.3, ["forces look like kJ/mol/Å", "divide them by 4.184"]),
        (3.8, 9.7, ["forces look like kcal/mol/nm", "divide them by 10"]),
        (3.8, 1.7, ["forces look like kT/Å", "divide them by 1.677"]),
        (3.8, -1.0, ["forces look like gradients in kcal/mol/Å", "divide them by -1"]),
        (3.8, -41.84, ["forces look like gradients in kJ/mol/nm", "divide them by -41.84"]),
        (0.38, 0.1, ["coords look like nm, expected Å: multiply them by 10 ("]),
        (0.38, 4.184, ["coords look like nm", "; forces look like kJ/mol/nm"]),
    ],
)
def test_the_likeliest_mistake_is_named(distance: float, scale: float, words: list[str]) -> None:
    sentence = unit_error(chain(distance), scale, 0.01)
    assert sentence is not None
    assert all(word in sentence for word in words), sentence
    assert f"system 'chain': forces times coords are {scale:.3g} ± 0.01 times" in sentence


@pytest.mark.parametrize("scale", [1.2, 0.5, 0.001, 0.0, 200.0])
def test_a_scale_that_no_unit_explains_is_left_unexplained(scale: float) -> None:
    assert unit_error(chain(3.8), scale, 0.01) is None


def test_a_noisy_scale_is_still_explained() -> None:
    assert "kJ/mol/nm" in str(unit_error(chain(3.8), 33.0, 5.0))


def test_reduced_units_have_no_other_names() -> None:
    assert "forces look like gradients in kT/length" in str(unit_error(chain(0.1, "reduced"), -1.0, 0.01))
    assert unit_error(chain(0.1, "reduced"), 41.84, 0.01) is None


def test_the_unit_of_kt_follows_the_temperature() -> None:
    hot = chain(3.8).with_labels(temperature=400.0)
    assert "kT/Å" in str(unit_error(hot, 1.0 / (400.0 * BOLTZMANN), 0.001))
