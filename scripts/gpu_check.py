"""All GPU checks and figures in one JSON file, in less than ten minutes: ``make gpu-check``.

Without a GPU what can be checked is: the same code on the CPU, and steps of training and simulation on a device without
numbers (tests/gpu/numberless.py). The rest is marked ``skipped: no GPU`` and listed as owed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree

import torch
from benchmarks.gpu import TARGETS, Target
from benchmarks.result import machine
from benchmarks.subject import Settings

from cgexp.store import write_json

ROOT = Path(__file__).resolve().parents[1]
TESTS = (
    "tests/gpu",
    "tests/training/test_graphed_step.py",
    "tests/simulation/test_graphed.py",
    "tests/simulation/test_kernels.py",
    "tests/kernels",
)
TESTS_S = 300.0  # at most
OK, FAILED, NO_GPU = "ok", "failed", "skipped: no GPU"
FIGURES = Settings(("table",), beads=(10,), batches=(4096,), device="cuda", case_s=10.0)


def run_tests() -> list[dict[str, Any]]:
    """Run the tests; name, status and seconds of each, the cases of one test together."""
    environment = os.environ | ({"CGEXP_TEST_GPU": os.environ.get("CUDA_VISIBLE_DEVICES", "0")} if has_gpu() else {})
    with TemporaryDirectory() as folder:
        report = Path(folder) / "tests.xml"
        words = ["-m", "pytest", "-m", "not slow", f"--junitxml={report}", *TESTS]
        try:
            subprocess.run([sys.executable, *words], cwd=ROOT, env=environment, check=False, timeout=TESTS_S)
        except subprocess.TimeoutExpired:
            return [{"check": "tests", "status": f"{FAILED}: not done after {TESTS_S:g} s", "seconds": TESTS_S}]
        return cases_of(report)


def cases_of(report: Path) -> list[dict[str, Any]]:
    """The tests of a report of pytest's (junit), in its order."""
    if not report.is_file():
        return [{"check": "tests", "status": f"{FAILED}: pytest did not run", "seconds": 0.0}]
    found: dict[str, dict[str, Any]] = {}
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname')}.{str(case.get('name')).partition('[')[0]}"
        entry = found.setdefault(name, {"check": name, "status": status_of(case), "seconds": 0.0})
        entry["status"] = min(entry["status"], status_of(case), key=lambda one: (one != FAILED, one != OK))
        entry["seconds"] = round(entry["seconds"] + float(case.get("time") or 0.0), 3)
    return list(found.values())


def status_of(case: ElementTree.Element) -> str:
    """What became of a case of a test."""
    kinds = {child.tag: str(child.get("message")) for child in case}
    if "failure" in kinds or "error" in kinds:
        return FAILED
    if "skipped" not in kinds:
        return OK
    return NO_GPU if "no GPU" in kinds["skipped"] else f"skipped: {kinds['skipped']}"


def measured(target: Target, settings: Settings, possible: bool) -> dict[str, Any]:
    """The number of a target beside what it is to be."""
    told: dict[str, Any] = {"figure": target.name, "what": target.what, "unit": target.unit}
    told |= {"target": target.at_least, "found": None, "seconds": 0.0, "status": NO_GPU}
    if not possible:
        return told
    begun = time.perf_counter()
    try:
        found = target.measure(settings)
        told |= {"found": found, "status": OK if found >= target.at_least else FAILED}
    except Exception as error:  # memory that is too small, a driver: the other figures are still to be had
        told["status"] = f"{FAILED}: {type(error).__name__}: {str(error).splitlines()[0]}"
    return told | {"seconds": round(time.perf_counter() - begun, 3)}


def has_gpu() -> bool:
    """Whether torch sees one."""
    return torch.cuda.is_available()


def report(settings: Settings = FIGURES, tests: Callable[[], list[dict[str, Any]]] = run_tests) -> dict[str, Any]:
    """All checks and figures, and the names of those that a GPU is owed for."""
    begun, possible = time.perf_counter(), has_gpu()
    checks = tests()
    figures = [measured(target, settings, possible) for target in TARGETS]
    owed = [entry.get("check") or entry["figure"] for entry in (*checks, *figures) if entry["status"] == NO_GPU]
    return {
        "machine": machine(torch.get_num_threads(), settings.device if possible else "cpu"),
        "gpu": torch.cuda.get_device_name() if possible else None,
        "seconds": round(time.perf_counter() - begun, 3),
        "checks": checks,
        "figures": figures,
        "owed": owed,
    }


def main(words: list[str] | None = None) -> int:
    """Check, measure and write; 1 if a check has failed or a figure is below its target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, default=ROOT / "outputs" / "gpu_check.json", metavar="FILE")
    path = parser.parse_args(words).json
    found = report()
    write_json(path, found)
    failed = [entry for entry in (*found["checks"], *found["figures"]) if entry["status"].startswith(FAILED)]
    for entry in failed:
        print(f"{entry.get('check') or entry['figure']}: {entry['status']}")
    for figure in found["figures"]:
        number = "owed" if figure["found"] is None else f"{figure['found']:.4g}"
        print(f"{figure['what']}: {number} (target {figure['target']:,.0f} {figure['unit']})")
    print(f"{len(found['checks'])} checks, {len(failed)} failed, {len(found['owed'])} owed for want of a GPU: {path}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
