from __future__ import annotations

import pytest
import torch

from cgexp.errors import InputError
from cgexp.testing.loss_checks import LossChecks
from cgexp.training.losses import Batch, Huber, InverseVariance, Loss, LossTerm, MeanSquaredError, force_error


class TestMeanSquaredError(LossChecks):
    def make_term(self) -> LossTerm:
        return MeanSquaredError()


class TestInverseVariance(LossChecks):
    def make_term(self) -> LossTerm:
        return InverseVariance()


class TestHuber(LossChecks):
    def make_term(self) -> LossTerm:
        return Huber(delta=0.7)


def make_batch(n: int = 6, beads: int = 2, dims: int = 3) -> tuple[torch.Tensor, Batch]:
    generator = torch.Generator().manual_seed(0)
    shape = (n, beads, dims)
    predicted, forces = (torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    return predicted, Batch(forces, forces, torch.ones(n, dtype=torch.float64), torch.full(shape, 0.5).double())


def test_mean_squared_error_is_the_mean_over_everything() -> None:
    predicted, batch = make_batch()
    total, terms = Loss({"force": MeanSquaredError()})(predicted, batch)
    torch.testing.assert_close(total, (predicted - batch.forces).pow(2).mean())
    assert list(terms) == ["force"]


def test_frame_weights_count() -> None:
    predicted, batch = make_batch()
    weights = torch.tensor([2.0, 0, 1, 1, 1, 1], dtype=torch.float64)
    total = MeanSquaredError()(predicted - batch.forces, Batch(batch.coords, batch.forces, weights))
    expected = (weights[:, None, None] * (predicted - batch.forces) ** 2).mean()
    torch.testing.assert_close(total, expected)


@pytest.mark.parametrize("shape", [(6,), (1, 6), (6, 6), (6, 1, 1), (6, 6, 1)])
def test_the_broadcast_of_the_julia_report_is_refused(shape: tuple[int, ...]) -> None:
    batch = Batch(torch.zeros(6, 1, 1), torch.zeros(6, 1, 1), torch.ones(6))
    if shape == (6, 1, 1):
        assert force_error(torch.zeros(shape), batch).shape == (6, 1, 1)
        return
    with pytest.raises(ValueError, match="broadcasting would train a constant force"):
        force_error(torch.zeros(shape), batch)


def test_weights_of_another_shape_are_refused() -> None:
    batch = Batch(torch.zeros(6, 1, 1), torch.zeros(6, 1, 1), torch.ones(6, 1))
    with pytest.raises(ValueError, match=r"weights have shape \[6, 1\]"):
        force_error(torch.zeros(6, 1, 1), batch)


def test_inverse_variance_weighs_precise_labels_more() -> None:
    term = InverseVariance(floor=0.1)
    error = torch.ones(2, 1, 1)
    sem = torch.tensor([0.1, 10.0]).view(2, 1, 1)
    batch = Batch(error, error, torch.ones(2), sem)
    values = term.elementwise(error, batch).flatten()
    torch.testing.assert_close(values, torch.tensor([1 / 0.02, 1 / 100.01]))


def test_huber_is_squared_error_for_small_errors_and_linear_for_large() -> None:
    term = Huber(delta=1.0)
    error = torch.tensor([0.5, 10.0]).view(2, 1, 1)
    values = term.elementwise(error, Batch(error, error, torch.ones(2))).flatten()
    torch.testing.assert_close(values, torch.tensor([0.25, 2 * (10.0 - 0.5)]))


def test_terms_add_up_with_their_weights() -> None:
    predicted, batch = make_batch()
    total, terms = Loss({"a": MeanSquaredError(weight=0.5), "b": Huber(weight=2.0)})(predicted, batch)
    torch.testing.assert_close(total, terms["a"] + terms["b"])
    assert Loss({"a": InverseVariance()}).needs_force_sem
    with pytest.raises(InputError, match="is empty"):
        Loss({})
