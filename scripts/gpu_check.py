"""All GPU checks and benchmarks: ``make gpu-check``. Without a GPU, the tests of the same logic on the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
TWINS = (
    "tests/training/test_graphed_step.py",
    "tests/simulation/test_graphed.py",
    "tests/simulation/test_kernels.py",
    "tests/kernels",
    "tests/gpu",
)
FIGURES = Path("outputs") / "benchmark_gpu.json"


def call(*arguments: str, **environment: str) -> int:
    """Run Python in the checkout; its exit code."""
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=os.environ | environment, check=False).returncode


def main() -> int:
    if not torch.cuda.is_available():
        code = call("-m", "pytest", "-m", "not slow", *TWINS)
        tested = "was tested on the CPU" if code == 0 else "failed its tests on the CPU"
        print(f"No GPU was found: the logic {tested}, and the GPU figures are owed.")
        return code
    code = call("-m", "pytest", "-m", "gpu", "tests/gpu", CGEXP_TEST_GPU=os.environ.get("CUDA_VISIBLE_DEVICES", "0"))
    (ROOT / FIGURES.parent).mkdir(exist_ok=True)
    return code or call("scripts/benchmark.py", "--device", "cuda", "--json", str(FIGURES))


if __name__ == "__main__":
    sys.exit(main())
