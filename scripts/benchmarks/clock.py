"""Time and memory of steps, taken in turns so that whatever else the machine does slows all of them down."""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

Step = Callable[[], object]
SHORTEST = 0.1  # s; a shorter step is repeated within its turn: the threads of the step before it spin for a while


def synchronize(device: str) -> None:
    """Wait for a GPU, whose work is only queued."""
    if device != "cpu":
        torch.cuda.synchronize()


def seconds_of(step: Step, device: str, repeats: int = 1) -> float:
    """Wall time of one step."""
    synchronize(device)
    begun = time.perf_counter()
    for _ in range(repeats):
        step()
    synchronize(device)
    return (time.perf_counter() - begun) / repeats


def interleave(
    steps: Mapping[str, Step], device: str, total_s: float, min_rounds: int, max_rounds: int
) -> dict[str, list[float]]:
    """Seconds a step in each round A B C A B C ..., after one that warms up and tells how many rounds fit."""
    repeats = {name: max(1, round(SHORTEST / max(seconds_of(step, device), 1e-6))) for name, step in steps.items()}
    begun, rounds = time.perf_counter(), 0
    found: dict[str, list[float]] = {name: [] for name in steps}
    while rounds < min_rounds or (rounds < max_rounds and time.perf_counter() - begun < total_s):
        for name, step in steps.items():
            found[name].append(seconds_of(step, device, repeats[name]))
        rounds += 1
    return found


def spread(values: list[float]) -> tuple[float, float, float]:
    """Median, lower and upper quartile."""
    low, median, high = np.percentile(values, (25, 50, 75))
    return float(median), float(low), float(high)


def ratio(baseline: list[float] | None, values: list[float]) -> float | None:
    """Median over rounds of how much faster than the baseline of the same round."""
    return None if baseline is None else float(np.median(np.divide(baseline, values)))


class Memory:
    """Peak memory above what was resident when this was made, MB; None where the system does not tell.

    On Linux the peak is VmHWM, reset through /proc/self/clear_refs; on a GPU what torch's allocator counts. Workspaces
    that a kernel keeps between its steps count; compiled code, a few MB, does too.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        self._settle()
        self.before = self._resident()

    def restart(self) -> None:
        """Forget the peak so far."""
        self._settle()
        if self.device != "cpu":
            torch.cuda.reset_peak_memory_stats()
            return
        if not reset_highest():
            self.before = None

    def peak(self) -> float | None:
        if self.device != "cpu":
            return (torch.cuda.max_memory_allocated() - (self.before or 0.0)) / 1e6
        highest = highest_resident()
        return None if self.before is None or highest is None else max(0.0, highest - self.before) / 1e6

    def _resident(self) -> float | None:
        return float(torch.cuda.memory_allocated()) if self.device != "cpu" else _status("VmRSS")

    def _settle(self) -> None:
        """Give freed memory back to the system."""
        gc.collect()
        if self.device != "cpu":
            torch.cuda.empty_cache()
            return
        try:
            ctypes.CDLL(None).malloc_trim(0)
        except (AttributeError, OSError, TypeError):  # another C library
            return


def reset_highest() -> bool:
    """Forget the peak of the resident memory so far; False where the system cannot."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def highest_resident() -> float | None:
    """Peak of the resident memory of this process, bytes; None where the system does not tell."""
    return _status("VmHWM")


def _status(name: str) -> float | None:
    """Bytes of an entry of /proc/self/status."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((1024.0 * float(line.split()[1]) for line in lines if line.startswith(f"{name}:")), None)
