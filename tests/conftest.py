from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest

# one thread: reproducible sums, and no slower for networks this small
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["WANDB_MODE"] = "disabled"
# tests change what numbers are computed with, and nothing of that shall be kept
os.environ["CGEXP_NO_CACHE"] = "1"
# a test sees a GPU only if it is asked for, as by `make gpu-check`: CGEXP_TEST_GPU=0 is the first
os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CGEXP_TEST_GPU", "")


@pytest.hookimpl(hookwrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is imported for the tests lives as long as they do: the garbage collector need not look through it."""
    gc.disable()
    yield
    gc.enable()
    gc.freeze()
