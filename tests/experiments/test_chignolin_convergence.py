"""What the report of convergence counts: events, extrapolation, and that it is drawn from any two runs."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from cgexp.cards import packaged_names
from tests.datasets.test_equilibrium import load_script, sampled

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "experiments" / "chignolin_reference"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("chignolin_convergence", FOLDER / "convergence.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))  # as when it is run
        spec.loader.exec_module(module)
    return module


def test_needed_lengths_follow_the_two_scalings(script: ModuleType) -> None:
    wanted = script.TARGETS["relative error of the folded fraction"]
    found = script.needed({"folding": 4.0, "unfolding": 4.0}, 100.0, 0.5, 0.1, 0.1)
    assert found["relative_error_now"] == pytest.approx(np.sqrt(0.5))
    best, least, most = found["aggregate_ns_by_events"]
    assert best == pytest.approx(100.0 * 0.5 / wanted**2)
    assert least < best < most
    best, least, most = found["aggregate_ns_by_w1"]
    assert best == pytest.approx(100.0 * (0.5**2 - 0.1**2) / (script.TARGETS["resolution_relative"] ** 2 - 0.1**2))
    assert least < best < most
    none = script.needed({"folding": 0.0, "unfolding": 2.0}, 100.0, 0.5, 0.1, 10.0)
    assert none["relative_error_now"] is None
    assert none["aggregate_ns_by_events"] == none["aggregate_ns_by_w1"] == [None, None, None]


def test_two_runs_that_were_sampled_are_judged(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    for seed, kind in enumerate(("native", "unfolded")):
        sampled(tmp_path / kind, 400, seed)
    maker = load_script()
    monkeypatch.setattr(maker, "N_SAMPLES", 50)
    card = maker.make(tmp_path, data, 100.0)
    for name, few in (("N_SAMPLES", 50), ("N_BOOTSTRAP", 2), ("N_LENGTHS", 2)):
        monkeypatch.setattr(script, name, few)
    arguments = ["--runs", str(tmp_path), "--data", str(data), "--out", str(out)]
    assert script.main(arguments) == 0
    numbers = json.loads((out / "convergence.json").read_text(encoding="utf-8"))
    assert (numbers["cpu_hours"], numbers["ns_that_counted_cpu_time"]) == (None, 0.0)  # older runs have not counted it
    assert numbers["total_ns"] == pytest.approx(2 * 3 * 1.6)
    for run in card["runs"]:
        kept = numbers["runs"][run["start"]]
        assert kept["folded_fraction"]["mean"] == pytest.approx(run["folded_fraction"], abs=1e-4)
        assert kept["events"]["unfolding"] == 3  # each walker at 200 ps
        assert sum(kept["events"]["by_temperature"]["unfolding"]) == 3
    assert [row["ns_a_replica"] for row in numbers["w1_by_length"]] == pytest.approx([0.75, 1.5])
    last = numbers["w1_by_length"][-1]
    assert last["relative"] == pytest.approx(last["w1"] / numbers["w1_folded_from_others"])
    assert (out / "convergence.png").is_file()


def test_cpu_time_is_scaled_from_the_cycles_that_counted_it(script: ModuleType) -> None:
    def run(cpu_s: list[float], aggregate_ns: float) -> SimpleNamespace:
        return SimpleNamespace(cpu_s=np.array(cpu_s), aggregate_ns=aggregate_ns)

    found = script.cost([run([np.nan, np.nan, 900.0, 900.0], 4.0), run([900.0, 900.0], 2.0)])
    assert found["ns_that_counted_cpu_time"] == pytest.approx(4.0)
    assert found["cpu_hours"] == pytest.approx(1.5)  # 900 s a ns


@pytest.mark.skipif("chignolin_reference" not in packaged_names(), reason="the set is not made yet")
def test_the_kept_numbers_are_of_both_runs_and_of_the_shipped_burn_in(script: ModuleType) -> None:
    numbers = json.loads((FOLDER / "convergence.json").read_text(encoding="utf-8"))
    card = script.load_card("chignolin_reference")
    assert numbers["burn_in_ns"] == pytest.approx(card["burn_in_ps"] / 1000.0)
    for run in card["runs"]:
        kept = numbers["runs"][run["start"]]
        assert kept["aggregate_ns"] == pytest.approx(run["aggregate_ns"], abs=1e-3), "run convergence.py again"
        assert kept["acceptance"] == run["acceptance"]
        assert kept["folded_fraction"]["mean"] == pytest.approx(run["folded_fraction"], abs=1e-4)
    assert numbers["w1_floor"] < numbers["w1_by_length"][-1]["w1"] + numbers["w1_by_length"][-1]["w1_sem"]
    assert (FOLDER / "convergence.png").is_file()
