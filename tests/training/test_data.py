from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cgexp.datasets.packaged import load_packaged
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.testing.configurations import toy_frames
from cgexp.training.data import IndexBatches, ResidentData, drawn
from cgexp.training.split import split_by_block


def test_no_block_is_on_both_sides() -> None:
    block = np.repeat(np.arange(20), 50)
    train, validation = split_by_block(block, 0.1, seed=0)
    assert not set(block[train]) & set(block[validation])
    assert len(train) + len(validation) == len(block)
    assert len(validation) == pytest.approx(0.1 * len(block), abs=50)


def test_a_split_by_frames_leaks_and_a_split_by_blocks_does_not() -> None:
    """A copy-the-nearest-frame "model" looks good on shuffled frames of a trajectory and is exposed by blocks."""
    frames = load_packaged("chignolin_sample")  # 4 ps apart
    frames = frames.select(frames.block < 25)

    def nearest_training_frame(train: Any, validation: Any) -> float:
        i, j = np.triu_indices(10, 1)
        features = np.linalg.norm(frames.coords[:, i] - frames.coords[:, j], axis=-1)
        chosen = validation[:: max(1, len(validation) // 100)]
        distances = np.linalg.norm(features[chosen][:, None] - features[train][None], axis=-1)
        return float(np.median(distances.min(axis=1)))

    by_block = nearest_training_frame(*split_by_block(frames.block, 0.1, seed=0))
    order = np.random.default_rng(0).permutation(len(frames))
    by_frame = nearest_training_frame(order[500:], order[:500])
    assert by_frame < 0.7 * by_block


def test_one_block_cannot_be_split() -> None:
    with pytest.raises(InputError, match="one block"):
        split_by_block(np.zeros(10, int), 0.1, seed=0)
    train, validation = split_by_block(np.zeros(10, int), 0.0, seed=0)
    assert (len(train), len(validation)) == (10, 0)


def test_an_epochs_order_is_a_function_of_seed_and_epoch() -> None:
    batches = IndexBatches(np.arange(10), 3, seed=1)
    batches.set_epoch(4)
    first, again = (torch.cat(list(batches)) for _ in range(2))
    assert torch.equal(first, again)
    assert len(first) == 9  # a ragged last batch is dropped
    batches.set_epoch(5)
    assert not torch.equal(first, torch.cat(list(batches)))


def test_validation_keeps_every_frame_in_order() -> None:
    batches = IndexBatches(np.arange(10), 4, seed=None)
    assert torch.cat(list(batches)).tolist() == list(range(10))
    assert len(batches) == len(list(batches)) == 3


def make(frames: Frames, **changes: Any) -> ResidentData:
    settings: dict[str, Any] = {
        "prior_forces": np.zeros(frames.coords.shape),
        "batch_size": 4,
        "validation_fraction": 0.25,
        "seed": 0,
        "dtype": torch.float64,
        **changes,
    }
    return ResidentData(frames, **settings)


def test_prior_forces_are_subtracted_and_weights_normalised() -> None:
    frames = toy_frames(80).with_labels(weights=np.linspace(1, 3, len(toy_frames(80))))
    prior = np.full(frames.coords.shape, 0.5)
    data = make(frames, prior_forces=prior)
    assert frames.forces is not None
    np.testing.assert_allclose(data.tensors.forces.numpy(), frames.forces - 0.5)
    for index in (data.train_index, data.validation_index):
        assert float(data.tensors.weights[index].mean()) == pytest.approx(1.0)


def test_a_batch_is_an_index_into_resident_tensors() -> None:
    data = make(toy_frames(80))
    batch = data.transfer_batch_to_device(torch.tensor([3, 1]), torch.device("cpu"), 0)
    torch.testing.assert_close(batch.coords, data.tensors.coords[[3, 1]])


def test_batches_from_disk_are_those_of_memory(tmp_path: Path) -> None:
    frames = toy_frames(80).with_labels(weights=np.linspace(1, 3, 80))
    prior = np.linspace(0.0, 1.0, 80).reshape(frames.coords.shape)
    for dtype in (torch.float32, torch.float64):
        resident, on_disk = (make(frames, prior_forces=prior, dtype=dtype, scratch=at) for at in (None, tmp_path))
        on_disk.move(torch.device("cpu"))
        assert np.shares_memory(on_disk.tensors.coords.numpy(), on_disk.clean.coords.numpy())
        for index in resident.train_dataloader():
            found, expected = on_disk.batch(index), resident.batch(index)
            for name in ("coords", "forces", "weights"):
                assert getattr(found, name).equal(getattr(expected, name))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coords.npy", "forces.npy"]
    with pytest.raises(InputError, match=r"more than trainer\.resident_gb"):
        make(frames, needs_force_sem=True, scratch=tmp_path)


def test_missing_labels_are_named() -> None:
    with pytest.raises(InputError, match="has no forces"):
        make(toy_frames(80).with_labels(forces=None))


def test_errors_of_labels_are_there_for_a_loss_that_weighs_by_them() -> None:
    frames = toy_frames(80)
    assert make(frames).tensors.force_sem is None
    estimated = make(frames, needs_force_sem=True).tensors.force_sem
    assert estimated is not None
    assert float(estimated.unique()) == pytest.approx(float(np.sqrt(np.square(frames.forces).mean())))


def test_folds_are_disjoint_and_cover_all() -> None:
    block = np.arange(100) // 2
    held_out = [split_by_block(block, 0.2, seed=3, fold=fold)[1] for fold in range(5)]
    assert sorted(np.concatenate(held_out)) == list(range(100))
    assert all(len(part) == 20 for part in held_out)


def test_a_fold_without_blocks_is_refused() -> None:
    with pytest.raises(InputError, match="holds out 0 of 3 blocks"):
        split_by_block(np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 2]), 0.1, seed=0, fold=4)


def test_an_epoch_of_so_many_steps_goes_on_in_the_pass_where_the_last_one_stopped() -> None:
    whole = IndexBatches(np.arange(10), 3, seed=1)
    steps = IndexBatches(np.arange(10), 3, seed=1, n_batches=2)  # three batches in a pass
    assert (len(steps), steps.per_pass) == (2, 3)

    def epochs(batches: IndexBatches, number: int) -> list[list[int]]:
        found = []
        for epoch in range(number):
            batches.set_epoch(epoch)
            found += [index.tolist() for index in batches]
        return found

    assert epochs(steps, 3) == epochs(whole, 2)
    assert len(list(IndexBatches(np.arange(4), 3, seed=1, n_batches=5))) == 5  # several passes in one


def test_frames_are_drawn_by_their_share() -> None:
    shares = torch.tensor([0.25, 0.25, 0.5, 3.0])
    counts = torch.zeros(4, dtype=torch.float64)
    for seed in range(400):
        one = torch.bincount(drawn(shares, torch.Generator().manual_seed(seed)), minlength=4)
        assert int(one.sum()) == 4
        assert int(one[3]) == 3
        counts += one
    torch.testing.assert_close(counts / 400, shares.double(), atol=0.1, rtol=0.0)


def test_drawing_by_importance_leaves_the_expectation_of_the_loss() -> None:
    data = make(toy_frames(80))
    n_train = len(data.train_index)
    data.sample_by(torch.linspace(0.2, 5.0, n_train))
    squares, loss = data.clean.forces.square().mean(dim=(1, 2)), []
    for seed in range(200):
        data.seed = seed
        index = torch.cat(list(data.train_dataloader()))
        loss.append(float((squares[index] * data.batch(index).weights).mean()))
    assert np.mean(loss) == pytest.approx(float(squares[data.train_index].mean()), abs=4 * np.std(loss) / 200**0.5)
    validation = torch.as_tensor(data.validation_index)
    torch.testing.assert_close(data.batch(validation).weights, data.clean_batch(validation).weights)


def test_alike_importance_changes_nothing() -> None:
    plain, alike = make(toy_frames(80)), make(toy_frames(80))
    alike.sample_by(torch.full((len(alike.train_index),), 0.3))
    assert alike.tensors is alike.clean
    assert torch.equal(torch.cat(list(plain.train_dataloader())), torch.cat(list(alike.train_dataloader())))
