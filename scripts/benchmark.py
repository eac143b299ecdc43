"""Speed of training and simulation: every kernel against the dense eager baseline and the limit of the machine.

Run from the root of a checkout: ``python scripts/benchmark.py [--quick] [--json FILE] [--figure FILE.png] [--docs]``;
about ten minutes on two cores, one with --quick. Kernels are timed in turns (A B A B ...) in one process; medians and
quartiles over the rounds. docs/speed.md says what is measured and how to read it; --docs writes its table, with
``--from FILE`` from an earlier --json and without measuring again.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from benchmarks import lightning, report, simulation, training
from benchmarks.result import Result
from benchmarks.subject import Settings

from cgexp.errors import InputError, did_you_mean
from cgexp.kernels.choose import KERNELS
from cgexp.store import read_json, write_json

PAGE = Path(__file__).resolve().parents[1] / "docs" / "speed.md"
CHOOSES = ("auto",)  # a name that stands for another kernel
HAVE_BF16 = ("fused",)  # kernels that may round the parameter gradients' factors to bfloat16


def measure(settings: Settings) -> dict[str, Any]:
    """All that ``settings`` ask for, as JSON."""
    if settings.device != "cpu" and not torch.cuda.is_available():
        raise InputError("--device cuda but no GPU was found: leave the option out")
    before = torch.get_num_threads()
    torch.set_num_threads(settings.threads)
    result = Result(settings.threads, settings.device)
    try:
        if "compiled" in settings.kernels:  # its imports are no working memory, and are paid once
            torch.compile(torch.sin)(torch.ones(8, device=settings.device))
        training.measure(settings, result)
        simulation.measure(settings, result)
        lightning.measure(settings, result)
    finally:
        torch.set_num_threads(before)
    return result.as_json()


def quick(settings: Settings) -> Settings:
    """A first look: one case of training, without CGnet (each case costs a compilation), and less of the rest."""
    return replace(
        settings, beads=(10,), batches=(512,), cgnet_batches=(), replicas=(1, 100), case_s=2.0, max_rounds=5,
        lightning_s=1.0,
    )  # fmt: skip


def _settings(arguments: argparse.Namespace) -> Settings:
    known = [name for name in KERNELS if name not in CHOOSES]
    known += [f"{name}{training.BF16}" for name in known if name in HAVE_BF16]
    kernels = tuple(arguments.kernels.split(",")) if arguments.kernels else tuple(known)
    for name in kernels:
        if name not in known:
            raise InputError(f"unknown kernel '{name}'{did_you_mean(name, known)}: expected some of {','.join(known)}")
    memory = 8000.0 if arguments.device == "cpu" else 40000.0  # MB
    settings = Settings(kernels, device=arguments.device, threads=arguments.threads, memory_limit_mb=memory)
    return quick(settings) if arguments.quick else settings


def main(words: list[str] | None = None) -> int:
    """Measure, print and write; 1 if a kernel was found to be wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="CGSchNet with 10 beads at batch 512, 1 and 100 replicas, few rounds"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="file for the numbers")
    parser.add_argument("--figure", type=Path, metavar="FILE.png", help="file for the figure")
    parser.add_argument("--docs", action="store_true", help="write the table of docs/speed.md")
    parser.add_argument("--from", type=Path, dest="source", metavar="FILE", help="an earlier --json: measure nothing")
    parser.add_argument("--kernels", metavar="A,B", help="kernels to measure; all")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads; 2")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where networks and data live; cpu")
    arguments = parser.parse_args(words)
    try:
        found = read_json(arguments.source) if arguments.source else measure(_settings(arguments))
        if arguments.json:
            write_json(arguments.json, found)
        if arguments.figure:
            report.figure(found).savefig(arguments.figure, dpi=150)
        if arguments.docs:
            report.write_docs(PAGE, found)
    except InputError as error:
        print(f"benchmark: {error}", file=sys.stderr)
        return 2
    print(report.summary(found))
    return 0 if all(check["right"] for check in found["checks"]) else 1


if __name__ == "__main__":
    sys.exit(main())
