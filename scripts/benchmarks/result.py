"""The numbers of a benchmark: rows, notes, checks, limits, and the machine they were found on."""

from __future__ import annotations

import os
import platform
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.clock import ratio, spread
from benchmarks.limits import Rates, Work
from cgexp.runs.provenance import code_version

ROW = ("task", "n_beads", "batch", "kernel", "ms", "ratio_to_dense", "memory_mb", "limit_fraction")
EXTRA = ("ms_low", "ms_high", "peak_fraction")
LIBRARIES = ("torch", "numpy", "pytorch-lightning", "mlcg", "torchmd-net", "schnetpack")


@dataclass
class Samples:
    """Seconds of a step in each round, and the peak memory of one in MB (None: the system does not tell)."""

    seconds: list[float]
    megabytes: float | None


@dataclass
class Result:
    """Everything found so far. Lists hold dicts with the task, n_beads, batch and kernel they belong to."""

    threads: int
    device: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    first_calls: list[dict[str, Any]] = field(default_factory=list)
    limits: list[dict[str, Any]] = field(default_factory=list)
    lightning: dict[str, Any] = field(default_factory=dict)
    peers: dict[str, str] = field(default_factory=dict)
    leads: list[dict[str, Any]] = field(default_factory=list)

    def note(self, place: Mapping[str, Any], text: str) -> None:
        self.notes.append({**place, "note": text})

    def add(
        self, task: str, n_beads: int, batch: int, samples: Mapping[str, Samples], baseline: str, work: Work,
        rates: Rates,
    ) -> None:  # fmt: skip
        """Rows of one case. The ratio is null where there is no dense baseline."""
        place = {"task": task, "n_beads": n_beads, "batch": batch}
        limit = rates.seconds(work)
        dense = samples[baseline].seconds if baseline in samples else None
        for kernel, sample in samples.items():
            median, low, high = (1e3 * value for value in spread(sample.seconds))
            peak = None if rates.peak is None else 1e3 * work.flop / rates.peak / median
            numbers = (median, ratio(dense, sample.seconds), sample.megabytes, 1e3 * limit / median, low, high, peak)
            self.rows.append({**place, "kernel": kernel, **dict(zip(ROW[4:] + EXTRA, numbers, strict=True))})
        self.limits.append(
            {
                **place,
                "gflop": work.flop / 1e9,
                "gflop_per_s": rates.flop / 1e9,
                "peak_gflop_per_s": None if rates.peak is None else rates.peak / 1e9,
                "gb_per_s": rates.bytes / 1e9,
                "limit_ms": 1e3 * limit,
            }
        )

    def add_leads(self, place: Mapping[str, Any], samples: Mapping[str, Samples], peers: Collection[str]) -> None:
        """How many times faster the fastest of our kernels is than each peer, round by round: median and quartiles."""
        own = [name for name in samples if name not in peers]
        for peer in peers:
            fastest = min(own, key=lambda name: spread(samples[name].seconds)[0])
            median, low, high = spread(list(np.divide(samples[peer].seconds, samples[fastest].seconds)))
            lead = {"peer": peer, "kernel": fastest, "times": median, "times_low": low, "times_high": high}
            self.leads.append({**place, **lead})

    def find(self, task: str, n_beads: int, batch: int) -> dict[str, dict[str, Any]]:
        """The rows of one case by kernel."""
        place = (task, n_beads, batch)
        return {row["kernel"]: row for row in self.rows if (row["task"], row["n_beads"], row["batch"]) == place}

    def as_json(self) -> dict[str, Any]:
        """All of it, with the machine, as JSON; numbers that are not known are null."""
        return {
            "machine": machine(self.threads, self.device),
            "rows": self.rows,
            "notes": self.notes,
            "checks": self.checks,
            "first_calls": self.first_calls,
            "limits": self.limits,
            "lightning": self.lightning,
            "peers": self.peers,
            "leads": self.leads,
        }


def machine(threads: int, device: str) -> dict[str, Any]:
    """Kind of machine, threads, versions, date, and how busy it was."""
    load = os.getloadavg()[1] if hasattr(os, "getloadavg") else None
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": threads,
        "device": torch.cuda.get_device_name() if device != "cpu" else "cpu",
        "vector_instructions": torch.backends.cpu.get_cpu_capability(),
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
        "load_5min": load,
        "system": platform.platform(),
        "code": code_version(),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in LIBRARIES}},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def growth(rows: list[dict[str, Any]], along: str) -> float | None:
    """Exponent p of ms ~ x^p over rows, x being their ``n_beads`` or ``batch``; None for fewer than two."""
    points = sorted({(row[along], row["ms"]) for row in rows})
    if len(points) < 2:
        return None
    x, y = np.log(np.array(points, dtype=float)).T
    return float(np.polyfit(x, y, 1)[0])
