"""What the report of convergence counts: events, extrapolation, and that it is drawn from any two runs."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from cgexp.cards import packaged_names

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "experiments" / "chignolin_reference"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("chignolin_convergence", FOLDER / "convergence.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def path(*stays: tuple[float, int]) -> np.ndarray:
    return np.concatenate([np.full(n, value) for value, n in stays])


def test_events_are_long_visits_with_hysteresis(script: ModuleType) -> None:
    frame_ps = 10.0
    walkers = [
        path((1.0, 20), (6.0, 20), (1.0, 20), (3.0, 5), (1.0, 15), (6.0, 20)),  # melts, folds for 400 ps, melts
        path((6.0, 40), (1.0, 5), (6.0, 55)),  # 50 ps are too short
        path((6.0, 20), (1.9, 5), (3.5, 25), (6.0, 50)),  # long, but misfolded
        path((6.0, 70), (1.0, 30)),  # still folded at the end
    ]
    found = script.visits(np.array(walkers).T, frame_ps)
    assert (found["folding"], found["unfolding"], found["brief"]) == (2, 2, 2)
    assert found["folded_ns"] == pytest.approx(0.01 * (20 + 40 + 30))
    assert found["folded_ns"] + found["unfolded_ns"] == pytest.approx(4.0)


def test_needed_lengths_follow_the_two_scalings(script: ModuleType) -> None:
    wanted = script.TARGETS["relative error of the folded fraction"]
    found = script.needed({"folding": 4.0, "unfolding": 4.0}, 100.0, 0.5, 0.1, 0.1)
    assert found["relative_error_now"] == pytest.approx(np.sqrt(0.5))
    best, least, most = found["aggregate_ns_by_events"]
    assert best == pytest.approx(100.0 * 0.5 / wanted**2)
    assert least < best < most
    best, least, most = found["aggregate_ns_by_w1"]
    assert best == pytest.approx(100.0 * (0.5**2 - 0.1**2) / (script.TARGETS["w1_tica_resolution"] ** 2 - 0.1**2))
    assert least < best < most
    none = script.needed({"folding": 0.0, "unfolding": 2.0}, 100.0, 0.5, 0.1, 10.0)
    assert none["relative_error_now"] is None
    assert none["aggregate_ns_by_events"] == none["aggregate_ns_by_w1"] == [None, None, None]


@pytest.mark.skipif("chignolin_reference" not in packaged_names(), reason="the set is not made yet")
def test_the_kept_numbers_are_of_both_runs_and_of_the_shipped_burn_in(script: ModuleType) -> None:
    numbers = json.loads((FOLDER / "convergence.json").read_text(encoding="utf-8"))
    card = script.load_card("chignolin_reference")
    assert numbers["burn_in_ns"] == pytest.approx(card["burn_in_ps"] / 1000.0)
    for run in card["runs"]:
        kept = numbers["runs"][run["start"]]
        assert kept["aggregate_ns"] == pytest.approx(run["aggregate_ns"], abs=1e-3), "run convergence.py again"
        assert kept["acceptance"] == run["acceptance"]
        assert kept["folded_fraction"]["mean"] == pytest.approx(run["folded_fraction"], abs=0.02)
    assert numbers["w1_floor"] < numbers["w1_by_length"][-1]["w1"] + numbers["w1_by_length"][-1]["w1_sem"]
    assert (FOLDER / "convergence.png").is_file()
