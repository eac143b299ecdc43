"""scripts/benchmark.py on sizes that take no time."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cgexp.errors import InputError
from cgexp.geometry import distances, pair_list
from cgexp.kernels.kernel import Kernel
from cgexp.models.cgschnet import CGSchNet
from cgexp.store import read_frames

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

import benchmark  # noqa: E402
import large_data  # noqa: E402
import near_pairs  # noqa: E402
from benchmarks import clock, lightning, limits, peers, report, subject, training  # noqa: E402
from benchmarks.dense import DenseCGSchNet  # noqa: E402
from benchmarks.result import EXTRA, ROW, Result, growth  # noqa: E402
from benchmarks.subject import NETWORK, Settings  # noqa: E402

TINY: dict[str, Any] = {"n_blocks": 2, "n_features": 8, "n_filters": 12, "n_rbf": 6, "cutoff": 30.0}
SETTINGS = Settings(
    kernels=("reference",), beads=(6,), batches=(4, 8), replicas=(3,), cgnet_batches=(4,), threads=1, case_s=0.0,
    min_rounds=1, max_rounds=1, lightning_s=0.0, n_frames=64, network=TINY, report=lambda line: None,
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def no_collection() -> Iterator[None]:
    """Garbage is left between timings: collecting that of a whole suite takes seconds each time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock.gc, "collect", lambda: 0)
        yield


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What the command finds, through JSON and back."""
    result: dict[str, Any] = json.loads(json.dumps(benchmark.measure(SETTINGS), allow_nan=False))
    return result


@pytest.fixture
def network() -> CGSchNet:
    model = subject.make_network("cgschnet", 6, SETTINGS, SETTINGS.data(6))
    assert isinstance(model, CGSchNet)
    return model.double()


def test_dense_baseline_equals_the_package(network: CGSchNet) -> None:
    coords = torch.tensor(SETTINGS.data(6).coords[:5])
    reference = torch.randn(coords.shape, generator=torch.Generator().manual_seed(0), dtype=coords.dtype)
    results = []
    for kernel in (Kernel(network), Kernel(DenseCGSchNet(network))):
        network.zero_grad()
        loss, forces = kernel.squared_error(coords, reference, torch.ones_like(coords))
        loss.backward()
        gradients = [parameter.grad.clone() for parameter in network.parameters() if parameter.grad is not None]
        results.append([loss.detach(), forces, *gradients])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_dense_baseline_has_the_parameters_of_the_package(network: CGSchNet) -> None:
    assert {id(parameter) for parameter in DenseCGSchNet(network).parameters()} == {
        id(parameter) for parameter in network.parameters()
    }


def test_least_work_of_the_case_that_was_published() -> None:
    """9.9 GF: CGSchNet with 3 blocks of 128 features, 10 beads, batch 512."""
    assert limits.schnet_training(10, 512, NETWORK).flop == pytest.approx(9.9e9, rel=0.05)
    features = 45 + 8 + 2 * 7
    assert limits.cgnet_training(features, 250, 5, 512).flop == pytest.approx(1.64e9, rel=0.01)
    assert limits.schnet_simulation(10, 512, NETWORK).flop < limits.schnet_training(10, 512, NETWORK).flop / 2


def test_limit_is_the_slower_of_arithmetic_and_memory() -> None:
    rates = limits.Rates(flop=10.0, bytes=2.0)
    assert rates.seconds(limits.Work(flop=100.0, bytes=4.0)) == 10.0
    assert rates.seconds(limits.Work(flop=100.0, bytes=40.0)) == 20.0


@pytest.mark.parametrize("n_beads", [10, 35])
def test_chains_avoid_themselves_and_are_compact(n_beads: int) -> None:
    chains = subject.random_chains(20, n_beads)
    bonds = distances(chains, pair_list(n_beads)[pair_list(n_beads).diff(dim=1)[:, 0] == 1])
    assert chains.shape == (20, n_beads, 3)
    assert float((bonds - 3.8).abs().max()) < 0.4
    assert float(distances(chains, pair_list(n_beads, 2)).min()) > 4.2 - 1e-4
    assert float(distances(chains, pair_list(n_beads)).max()) < 16.0 * (n_beads / 10) ** (1 / 3) + 4.5
    assert torch.equal(chains, subject.random_chains(20, n_beads))


def test_rows_have_the_required_keys(found: dict[str, Any]) -> None:
    assert all(set(row) == {*ROW, *EXTRA} for row in found["rows"])
    cases = {(row["task"], row["n_beads"], row["batch"], row["kernel"]) for row in found["rows"]}
    assert cases == {
        *(("train_cgschnet", 6, batch, kernel) for batch in (4, 8) for kernel in ("dense", "reference")),
        ("train_cgnet", 6, 4, "reference"),
        ("train_cgnet_default", 6, 4, "reference"),
        *(("simulate_cgschnet", 6, 3, kernel) for kernel in ("dense", "reference")),
    }
    for row in found["rows"]:
        assert 0 < row["ms_low"] <= row["ms"] <= row["ms_high"]
        assert row["limit_fraction"] > 0
        assert (row["ratio_to_dense"] is None) == row["task"].startswith("train_cgnet")
        assert row["ratio_to_dense"] == 1.0 or row["kernel"] != "dense"


def test_machine_and_checks_are_told(found: dict[str, Any]) -> None:
    assert found["machine"]["threads"] == 1
    assert {"cpu", "cores", "versions", "date", "code"} <= found["machine"].keys()
    assert all(check["right"] for check in found["checks"])
    assert {check["kernel"] for check in found["checks"]} >= {"dense"}
    assert set(found["peers"]) == set(peers.PEERS)
    assert len(found["first_calls"]) == len(found["rows"])


def test_installed_peers_are_measured_as_they_are_and_flushed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for packages that are not installed here; it is told in which way it is run."""
    seen: list[bool] = []

    def stand_in(coords: torch.Tensor, settings: Settings) -> tuple[torch.nn.Module, peers.Energy]:
        layer = torch.nn.Linear(3, 1)

        def energy(flat: torch.Tensor) -> torch.Tensor:
            seen.append(float(torch.tensor(1e-38) * 1e-3) == 0.0)
            return layer(flat).square().sum()

        return layer, energy

    def broken(coords: torch.Tensor, settings: Settings) -> tuple[torch.nn.Module, peers.Energy]:
        raise TypeError("another version")

    monkeypatch.setattr(peers, "PEERS", {"math": stand_in, "json": broken, "not_there": stand_in})
    settings, result = replace(SETTINGS, batches=(4,)), Result(1, "cpu")
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        training._case("cgschnet", 6, 4, settings, training.Costs(), result)
        torch.set_num_threads(2)
        peers.peer_steps(training.batch_of(settings.data(6), 4, "cpu"), settings, other := Result(2, "cpu"))
    finally:
        torch.set_num_threads(before)
    assert {row["kernel"] for row in result.rows} == {"dense", "reference", "math", "math_flushed"}
    assert result.peers == {
        "math": "measured", "math_flushed": "measured", "json": "failed: TypeError: another version",
        "not_there": "not installed",
    }  # fmt: skip
    assert other.peers["math_flushed"] == "needs --threads 1"
    assert set(seen) == {False, True}
    assert float(torch.tensor(1e-38) * 1e-3) != 0.0
    assert {lead["peer"] for lead in result.leads} == {"math", "math_flushed"}
    assert all(0.0 < lead["times_low"] <= lead["times"] <= lead["times_high"] for lead in result.leads)
    assert "times" in report.summary(result.as_json())


def test_large_data_are_measured_part_by_part(capsys: pytest.CaptureFixture[str]) -> None:
    large_data.main(["--frames", "600"])
    lines = capsys.readouterr().out.splitlines()
    assert [line[:20].strip() for line in lines[1:]] == [
        "load", "fit the prior", "forces of the prior", "first training step",
    ]  # fmt: skip
    assert all(line.endswith("GB") for line in lines[1:])


def test_a_validation_is_measured_beside_the_eager_network(capsys: pytest.CaptureFixture[str]) -> None:
    large_data.main(["--validation", "--frames", "20", "--beads", "5", "--rounds", "1"])
    assert "ms a frame, ratio" in capsys.readouterr().out


def test_frames_are_written_as_trajectories(tmp_path: Path) -> None:
    large_data.main(["--frames", "40", "--beads", "5", "--write", str(tmp_path / "frames.npz")])
    written = read_frames(tmp_path / "frames.npz")
    assert (len(written), written.n_beads, len(set(written.block))) == (40, 5, 10)
    assert written.time_ps is not None
    assert list(written.time_ps[:5]) == [0.0, 10.0, 20.0, 30.0, 0.0]


def test_near_pairs_are_measured_beside_all_and_none() -> None:
    line = near_pairs.measure(6, 2, 5.0, 1)
    assert line.startswith("6 beads, ")
    assert line.count("ratio") == 3


def test_threads_are_put_back(found: dict[str, Any]) -> None:
    before = torch.get_num_threads()
    limits.Product((256, 256, 256), before, "cpu")()
    assert torch.get_num_threads() == before


def test_a_wrong_kernel_is_told_and_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(Kernel):
        def __call__(self, coords: torch.Tensor) -> torch.Tensor:
            return 1.1 * super().__call__(coords)

    monkeypatch.setattr(
        training, "make_kernel", lambda name, network, coords: (Wrong, Kernel)[name == "reference"](network)
    )
    result = Result(1, "cpu")
    settings = Settings(**{**vars(SETTINGS), "kernels": ("wrong",), "batches": (4,)})
    training._case("cgschnet", 6, 4, settings, training.Costs(), result)
    assert [row["kernel"] for row in result.rows] == ["dense"]
    assert [check["kernel"] for check in result.checks if not check["right"]] == ["wrong"]


def test_a_kernel_for_another_network_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, network: object, coords: object) -> Kernel:
        raise InputError("not for this network")

    monkeypatch.setattr(training, "make_kernel", refuse)
    result = Result(1, "cpu")
    training._case("cgnet", 6, 4, SETTINGS, training.Costs(), result)
    assert result.rows == []
    assert [note["note"] for note in result.notes] == ["skipped: not for this network"]


def test_what_would_take_too_long_or_too_much_is_measured_in_part() -> None:
    costs = training.Costs()
    assert costs.part("dense", 10, 4096, SETTINGS) == 4096  # nothing known yet
    costs.note("dense", n_beads=10, part=64, seconds=0.1, megabytes=100.0)
    assert costs.part("dense", 10, 512, SETTINGS) == 512
    assert costs.part("dense", 10, 4096, SETTINGS) == 512  # 1.5 s
    assert costs.part("dense", 20, 4096, SETTINGS) == 128
    costs.note("dense", n_beads=10, part=64, seconds=0.0, megabytes=1000.0)
    assert costs.part("dense", 10, 4096, SETTINGS) == 512  # 8 GB


def test_turns_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "SHORTEST", 0.0)  # else a step that takes no time is repeated
    calls: list[str] = []
    times = clock.interleave({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, "cpu", 0.0, 2, 2)
    assert calls == ["a", "b"] * 3
    assert [len(values) for values in times.values()] == [2, 2]
    assert clock.ratio([2.0, 9.0, 4.0], [1.0, 3.0, 2.0]) == 2.0
    assert clock.spread([3.0, 1.0, 2.0]) == (2.0, 1.5, 2.5)


def test_memory_of_a_step_is_its_peak() -> None:
    memory = clock.Memory("cpu")
    memory.restart()
    if memory.peak() is None:
        pytest.skip("this system does not tell")
    np.ones(25_000_000 // 8)
    assert memory.peak() == pytest.approx(25.0, abs=8.0)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "speed.md"
    path.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    monkeypatch.setattr(benchmark, "PAGE", path)
    return path


def test_docs_table_is_made_from_json(
    found: dict[str, Any], page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, drawn = tmp_path / "speed.json", tmp_path / "speed.png"
    source.write_text(json.dumps(found))
    assert benchmark.main(["--docs", "--from", str(source), "--figure", str(drawn)]) == 0
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    for row in found["rows"]:
        assert f"| {row['n_beads']} | {row['batch']} | {row['kernel']} | " in text
    assert "torchmdnet" in text
    assert drawn.stat().st_size > 1000
    assert "train_cgnet_default" in capsys.readouterr().out
    once = page.read_text()
    benchmark.main(["--docs", "--from", str(source)])
    assert page.read_text() == once


def test_docs_page_has_its_place() -> None:
    text = (ROOT / "docs" / "speed.md").read_text()
    assert text.index(report.BEGIN) < text.index(report.END)


def test_a_page_without_markers_is_refused(page: Path, tmp_path: Path, found: dict[str, Any]) -> None:
    page.write_text("no place")
    with pytest.raises(InputError, match="has no place for the table"):
        report.write_docs(page, found)


def test_bfloat16_is_asked_of_the_kernel(monkeypatch: pytest.MonkeyPatch, network: CGSchNet) -> None:
    asked: list[tuple[str, bool]] = []

    def make(name: str, network: CGSchNet, coords: torch.Tensor, bf16: bool = False) -> Kernel:
        asked.append((name, bf16))
        return Kernel(network)

    monkeypatch.setattr(training, "make_kernel", make)
    training._kernel("fused", network, torch.zeros(1, 6, 3))
    with pytest.raises(InputError, match="no bfloat16"):
        training._kernel("fused_bf16", network, torch.zeros(1, 6, 3))
    assert asked == [("fused", False), ("fused", True)]


def test_an_unknown_kernel_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main(["--kernels", "referense"]) == 2
    assert "did you mean" in capsys.readouterr().err


def test_lightning_is_compared_with_a_bare_loop() -> None:
    result = Result(1, "cpu")
    result.rows = [{"task": "train_cgschnet", "n_beads": 6, "batch": 4, "kernel": "reference", "ms": 1.0}]
    lightning.measure(Settings(**{**vars(SETTINGS), "batches": (4,), "lightning_s": 1e-3}), result)
    numbers = result.lightning
    assert numbers["kernel"] == "reference"
    assert numbers["bare_ms"] > 0
    assert numbers["overhead_ms"] == pytest.approx(np.median(numbers["overhead_ms_each"]))


def test_a_quick_look_is_a_part_of_the_whole() -> None:
    whole = Settings(kernels=("reference",))
    part = benchmark.quick(whole)
    for name in ("beads", "batches", "cgnet_batches", "replicas"):
        assert set(getattr(part, name)) < set(getattr(whole, name))


def test_growth_is_an_exponent() -> None:
    rows = [{"n_beads": n, "ms": 3.0 * n**2} for n in (10, 20, 40)]
    assert growth(rows, "n_beads") == pytest.approx(2.0)
    assert growth(rows[:1], "n_beads") is None
