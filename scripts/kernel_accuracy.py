"""How far the kernels are from the reference: energies, forces, loss, gradients, and whole trainings.

Run from the root of a checkout: ``python scripts/kernel_accuracy.py [--quick] [--json FILE]``; ten minutes on two CPU
threads. A CGSchNet of the papers' size on frames of chignolin_sample, at its initial weights and after a training.
Errors are in float64 at the default knots; those of bfloat16 gradients, in float32, are against float32. Then three
seeds are trained with each kernel: the validation curves should differ by much less than those of two seeds.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer

from cgexp.build import Template
from cgexp.datasets.packaged import load_packaged
from cgexp.energy import EnergyTerm
from cgexp.frames import Frames
from cgexp.kernels.choose import make_kernel
from cgexp.kernels.fused_cgnet import FusedCGnet
from cgexp.kernels.fused_cgschnet import FusedCGSchNet
from cgexp.kernels.kernel import Kernel
from cgexp.kernels.native_library import native_library
from cgexp.kernels.table import TableKernel
from cgexp.models.cgnet import CGnet
from cgexp.models.cgschnet import CGSchNet
from cgexp.store import write_json
from cgexp.systems.base import system_of
from cgexp.training.fit import Training
from cgexp.training.losses import Loss, MeanSquaredError
from cgexp.training.trainer import fit

N_TEST = 256  # frames on which errors are measured
SEEDS = (0, 1, 2)
MEASURES = ("energies", "loss", "forces", "gradient", "worst_parameter")  # norm of the difference over the norm
HAS_BFLOAT16 = bool(native_library("cgschnet").has_bf16())
CURVES = (("reference", "full"), ("fused", "full"), *([("fused", "bfloat16")] if HAS_BFLOAT16 else []))
OPTIMIZER = Template({"_target_": "torch.optim.Adam", "lr": 1e-3, "fused": True}, Optimizer)


def network_for(frames: Frames, seed: int, small: bool, kind: str = "CGSchNet") -> EnergyTerm:
    """A fitted network at its initial weights."""
    torch.manual_seed(seed)
    network: EnergyTerm
    if kind == "CGnet":
        network = CGnet(frames.n_beads, width=64 if small else 250)
    else:
        size = 32 if small else 128
        network = CGSchNet(frames.n_beads, n_blocks=3, n_features=size, n_filters=size, n_rbf=64)
    network.fit(frames, system_of(frames))
    return network


def train(
    network: EnergyTerm, frames: Frames, epochs: int, kernel: str, gradient_precision: str, seed: int = 0
) -> list[float]:
    """Validation loss after each epoch."""
    settings = Training(max_epochs=epochs, batch_size=512, gradient_precision=gradient_precision)  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        fit(
            network, frames, np.zeros(frames.coords.shape), settings, Loss({"force": MeanSquaredError()}), OPTIMIZER,
            None, Path(folder), seed, kernel,
        )  # fmt: skip
        rows = (Path(folder) / "history.csv").read_text().splitlines()
    column = rows[0].split(",").index("loss_validation")
    return [float(row.split(",")[column]) for row in rows[1:]]


def errors(
    network: EnergyTerm, frames: Frames, kernel: str, dtype: torch.dtype, bf16: bool = False
) -> dict[str, float]:
    """Of one kernel, against the reference; with bf16 against the same kernel without."""
    network = copy.deepcopy(network).to(dtype)
    assert frames.forces is not None
    coords, labels = (torch.tensor(values[:N_TEST], dtype=dtype) for values in (frames.coords, frames.forces))
    reference = make_kernel("fused" if bf16 else "reference", network, coords)
    expected = _step(reference, coords, labels)
    found = _step(make_kernel(kernel, network, coords, bf16), coords, labels)
    result = {name: _norm(found[name] - expected[name]) / _norm(expected[name]) for name in ("loss", "forces")}
    result["energies"] = _norm(found["energies"] - expected["energies"]) / _norm(expected["energies"])
    gradient, exact = (torch.cat([g.flatten() for g in step["gradients"].values()]) for step in (found, expected))
    result["gradient"] = _norm(gradient - exact) / _norm(exact)
    pairs = [(found["gradients"][name], g) for name, g in expected["gradients"].items()]
    result["worst_parameter"] = max(_norm(g - e) / max(_norm(e), 1e-12) for g, e in pairs)
    return result


def _step(kernel: Kernel, coords: Tensor, labels: Tensor) -> dict[str, Any]:
    kernel.network.zero_grad()
    loss, forces = kernel.squared_error(coords, labels, torch.full_like(labels, 1.0 / labels.numel()))
    loss.backward()
    network = kernel.network
    if isinstance(kernel, FusedCGSchNet | FusedCGnet):
        energies = kernel.evaluator()(coords)[0]
    else:
        energies = (kernel.energy if isinstance(kernel, TableKernel) else network.energy)(coords).detach()
    gradients = {name: p.grad.clone() for name, p in kernel.network.named_parameters() if p.grad is not None}
    return {"energies": energies - energies.mean(), "loss": loss.detach(), "forces": forces, "gradients": gradients}


def _norm(value: Tensor) -> float:
    return float(value.norm())


def measure_errors(frames: Frames, quick: bool) -> list[dict[str, Any]]:
    """Rows of errors for both networks, before and after a training."""
    rows = []
    for kind, exact in (("CGSchNet", ("compiled", "table", "fused")), ("CGnet", ("compiled", "fused"))):
        network = network_for(frames, 0, quick, kind)
        for state in ("initial", "trained"):
            if state == "trained":
                train(network, frames, 2 if quick else 5, "fused", "full")
            for kernel in exact:
                rows.append({"network": kind, "state": state, "kernel": kernel, "type": "float64"})
                rows[-1] |= errors(network, frames, kernel, torch.float64)
            if HAS_BFLOAT16:
                rows.append({"network": kind, "state": state, "kernel": "fused", "type": "bfloat16 gradients"})
                rows[-1] |= errors(network, frames, "fused", torch.float32, bf16=True)
            for row in [row for row in rows if (row["network"], row["state"]) == (kind, state)]:
                parts = "  ".join(f"{name} {row[name]:.1e}" for name in MEASURES)
                print(f"{row['network']:<9} {row['state']:<8} {row['kernel']:<9} {row['type']:<19} {parts}", flush=True)
    return rows


def measure_curves(frames: Frames, quick: bool) -> dict[str, Any]:
    """Validation curves of each kernel and seed, their spread over seeds, and how far kernels are apart."""
    curves: dict[str, list[list[float]]] = {}
    for kernel, precision in CURVES:
        name = f"{kernel} {precision}"
        curves[name] = []
        for seed in SEEDS:
            network = network_for(frames, seed, quick)
            curves[name].append(train(network, frames, 2 if quick else 6, kernel, precision, seed))
            print(f"{name:<18} seed {seed}: " + " ".join(f"{loss:.3f}" for loss in curves[name][-1]), flush=True)
    values = {name: np.array(found) for name, found in curves.items()}
    base = values["reference full"]
    spread = base.std(axis=0, ddof=1)
    print(f"spread of the seeds, by epoch: {np.round(spread, 4)}")
    apart = {}
    for name in list(values)[1:]:
        apart[name] = np.abs(values[name] - base).max(axis=0)
        mean = values[name].mean(axis=0) - base.mean(axis=0)
        print(f"{name:<18} furthest from the reference's curve of the same seed {np.round(apart[name], 4)}, "
              f"difference of the means {np.round(mean, 4)}")  # fmt: skip
    return {"curves": curves, "seed_spread": spread.tolist(), "apart": {k: v.tolist() for k, v in apart.items()}}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--no-trainings", action="store_true", help="errors only: two minutes")
    parser.add_argument("--quick", action="store_true", help="small networks and few frames: half a minute")
    arguments = parser.parse_args()
    frames = load_packaged("chignolin_sample")
    frames = frames.select(np.arange(0, len(frames), 20 if arguments.quick else 3))
    result: dict[str, Any] = {"errors": measure_errors(frames, arguments.quick)}
    if not arguments.no_trainings:
        result |= measure_curves(frames, arguments.quick)
    if arguments.json:
        write_json(arguments.json, result)


if __name__ == "__main__":
    main()
