"""Frames of a file larger than memory stay on disk, and are what the file holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cgexp import mapped
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.store import read_frames, write_frames
from cgexp.testing.configurations import chain_frames

# Trains a small network on 200,000 frames of 20 beads, of which coords and forces take 48 MB each, within 200 MB.
SCRIPT = """
import resource, sys
from pathlib import Path
import numpy as np, torch
from torch.optim import Optimizer
from cgexp import mapped
from cgexp.build import Template
from cgexp.frames import Frames
from cgexp.kernels.evaluator import forces_of
from cgexp.models.cgschnet import CGSchNet
from cgexp.models.potential import Potential
from cgexp.priors.harmonic import HarmonicAngles, HarmonicBonds
from cgexp.priors.prior import Prior
from cgexp.priors.repulsion import Repulsion
from cgexp.store import read_frames, write_frames
from cgexp.systems.base import system_of
from cgexp.testing.configurations import chain_frames
from cgexp.training.fit import Training
from cgexp.training.trainer import fit
from cgexp.training.losses import Loss, MeanSquaredError

def train(frames, scratch, folder):
    system = system_of(frames)
    prior = Prior({"bonds": HarmonicBonds(), "angles": HarmonicAngles(), "repulsion": Repulsion()}, 300.0)
    prior.fit(frames, system)
    out = None if scratch is None else mapped.create(scratch / "prior.npy", frames.coords.shape, np.float64)
    forces = forces_of(Potential(None, prior), frames.coords, out=out)
    network = CGSchNet(frames.n_beads, n_blocks=1, n_features=16, n_filters=16, n_rbf=16)
    network.fit(frames, system)
    settings = Training(max_epochs=1, batch_size=512, steps_per_epoch=5, validation_fraction=0.02)
    adam = Template({"_target_": "torch.optim.Adam", "lr": 1e-3}, Optimizer)
    return fit(
        network, frames, forces, settings, Loss({"force": MeanSquaredError()}), adam, None, folder, 0, "fused",
        scratch=scratch,
    )

folder, n_frames = Path(sys.argv[1]), int(sys.argv[2])
few = chain_frames(200, 20)
train(few, None, folder / "warm")
mapped.MAP_FROM = 2**20
shape = (n_frames, 20, 3)
coords, forces = (mapped.create(folder / name, shape, np.float32) for name in ("coords.npy", "forces.npy"))
for first in range(0, n_frames, 200):
    coords[first : first + 200], forces[first : first + 200] = few.coords, few.forces
    coords[first : first + 200] += np.float32(1e-3) * (first % 7)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
limit = 1024 * int(status["VmData"].split()[0]) + 200 * 10**6
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
made = few.with_labels(
    coords=np.load(folder / "coords.npy", mmap_mode="r"), forces=np.load(folder / "forces.npy", mmap_mode="r"),
    block=np.arange(n_frames) // 1000,
)
write_frames(folder / "frames.npz", made)
frames = read_frames(folder / "frames.npz")
print(train(frames, folder / "scratch", folder / "train")["loss_train"])
try:
    train(frames, None, folder / "resident")
    print("fits")
except (MemoryError, RuntimeError) as error:
    print("does not fit in memory")
"""


@pytest.fixture
def frames() -> Frames:
    return chain_frames(50)


def is_mapped(array: np.ndarray | None) -> bool:
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap):
            return True
        array = array.base  # type: ignore[assignment]
    return False


def test_a_large_file_is_mapped_and_verified(tmp_path: Path, frames: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    write_frames(tmp_path / "frames.npz", frames)
    assert not is_mapped(read_frames(tmp_path / "frames.npz").coords)
    monkeypatch.setattr(mapped, "MAP_FROM", 0)
    monkeypatch.setattr(mapped, "SMALLEST", 1000)
    found = read_frames(tmp_path / "frames.npz")
    assert is_mapped(found.coords)
    assert is_mapped(found.forces)
    assert not is_mapped(found.bead_types)
    assert found.content_hash == frames.content_hash
    write_frames(tmp_path / "again.npz", found)
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "frames.npz").read_bytes()
    content = bytearray((tmp_path / "frames.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "frames.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"damaged \(its checksum differs\)|is truncated"):
        read_frames(tmp_path / "frames.npz")


def test_a_compressed_file_is_read_into_memory(tmp_path: Path, frames: Frames, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped, "MAP_FROM", 0)
    monkeypatch.setattr(mapped, "SMALLEST", 1)
    write_frames(tmp_path / "frames.npz", frames, compress=True)
    found = read_frames(tmp_path / "frames.npz")
    assert not is_mapped(found.coords)
    assert np.array_equal(found.coords, frames.coords)


def test_frames_take_a_map_for_reading_only_as_it_is(tmp_path: Path, frames: Frames) -> None:
    np.save(tmp_path / "coords.npy", frames.coords)
    for mode, kept in (("r", True), ("r+", False), ("c", False)):
        coords = np.load(tmp_path / "coords.npy", mmap_mode=mode)
        assert is_mapped(frames.with_labels(coords=coords).coords) == kept


def test_what_is_written_to_a_new_array_is_in_its_file(tmp_path: Path) -> None:
    mapped.create(tmp_path / "new" / "a.npy", (3, 2), np.float32)[1] = 7.0
    assert np.load(tmp_path / "new" / "a.npy").tolist() == [[0.0, 0.0], [7.0, 7.0], [0.0, 0.0]]


@pytest.mark.slow
def test_a_training_on_more_data_than_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), "200000"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    loss, verdict = result.stdout.strip().splitlines()
    assert float(loss) > 0.0
    assert verdict == "does not fit in memory"
