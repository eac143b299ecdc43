"""scripts/gpu_check.py: one JSON, with a GPU and without."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import gpu_check  # noqa: E402
from benchmarks import gpu  # noqa: E402
from benchmarks.subject import Settings  # noqa: E402

TINY = Settings(
    ("table",), beads=(6,), batches=(8,), case_s=0.0, min_rounds=1, max_rounds=1, n_frames=16,
    network={"n_blocks": 1, "n_features": 8, "n_filters": 8, "n_rbf": 6, "cutoff": 30.0},
)  # fmt: skip
REPORT = """<testsuites><testsuite>
<testcase classname="tests.a" name="test_one[x]" time="0.5" />
<testcase classname="tests.a" name="test_one[y]" time="1" />
<testcase classname="tests.a" name="test_two[x]"><failure message="m" /></testcase>
<testcase classname="tests.a" name="test_two[y]" />
<testcase classname="tests.b" name="test_three"><skipped message="no GPU was found: and so on" /></testcase>
<testcase classname="tests.b" name="test_four"><skipped message="no compiler" /></testcase>
</testsuite></testsuites>"""


def test_cases_of_a_report(tmp_path: Path) -> None:
    (tmp_path / "tests.xml").write_text(REPORT)
    assert gpu_check.cases_of(tmp_path / "tests.xml") == [
        {"check": "tests.a.test_one", "status": "ok", "seconds": 1.5},
        {"check": "tests.a.test_two", "status": "failed", "seconds": 0.0},
        {"check": "tests.b.test_three", "status": "skipped: no GPU", "seconds": 0.0},
        {"check": "tests.b.test_four", "status": "skipped: no compiler", "seconds": 0.0},
    ]
    assert gpu_check.cases_of(tmp_path / "none.xml")[0]["status"] == "failed: pytest did not run"


def test_without_a_gpu_figures_are_owed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [{"check": name, "status": gpu_check.OK, "seconds": 1.0} for name in "ab"]
    checks[1]["status"] = gpu_check.NO_GPU
    found = gpu_check.report(TINY, lambda: checks)
    assert found["gpu"] is None
    assert found["owed"] == ["b", *(target.name for target in gpu.TARGETS)]
    assert {figure["status"] for figure in found["figures"]} == {"skipped: no GPU"}
    assert {"device", "versions", "date"} <= found["machine"].keys()
    monkeypatch.setattr(gpu_check, "report", lambda: found)
    assert gpu_check.main(["--json", str(tmp_path / "found.json")]) == 0
    assert json.loads((tmp_path / "found.json").read_text())["owed"] == found["owed"]
    checks[0]["status"] = "failed"
    assert gpu_check.main(["--json", str(tmp_path / "found.json")]) == 1


def test_figures_are_measured_by_the_same_code_on_a_cpu() -> None:
    def target(measure: Any, at_least: float) -> gpu.Target:
        return gpu.Target("name", "what", at_least, "unit", measure)

    def refuse(settings: Settings) -> float:
        raise RuntimeError("CUDA out of memory\nand more")

    assert gpu.training_gain(TINY, 8) > 0.0
    rate = gpu.step_rate(replace(TINY, case_s=0.02), 6, 4)
    assert rate > 0.0
    found = gpu_check.measured(target(lambda settings: 3.0, 3.0), TINY, True)
    assert (found["found"], found["status"]) == (3.0, "ok")
    assert gpu_check.measured(target(lambda settings: 3.0, 4.0), TINY, True)["status"] == "failed"
    assert gpu_check.measured(target(refuse, 1.0), TINY, True)["status"] == "failed: RuntimeError: CUDA out of memory"
