from __future__ import annotations

import math

import pytest
import torch

from cgexp.errors import InputError
from cgexp.testing.loss_checks import LossChecks
from cgexp.training.losses import (
    Batch,
    ErrorTerm,
    ForceField,
    Huber,
    InverseVariance,
    Loss,
    LossTerm,
    MeanSquaredError,
    Penalty,
    force_error,
)


class TestMeanSquaredError(LossChecks):
    def make_term(self) -> ErrorTerm:
        return MeanSquaredError()


class TestInverseVariance(LossChecks):
    def make_term(self) -> ErrorTerm:
        return InverseVariance()


class TestHuber(LossChecks):
    def make_term(self) -> ErrorTerm:
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


def test_inverse_variance_keeps_the_scale_of_the_loss() -> None:
    generator = torch.Generator().manual_seed(0)
    forces, sem = torch.randn(50, 3, 2, generator=generator), torch.rand(50, 3, 2, generator=generator)
    weights = torch.rand(50, generator=generator)
    weights /= weights.mean()
    term = InverseVariance()
    term.prepare(Batch(forces, forces, weights, sem))
    squared = term.squared_weights(Batch(forces, forces, weights, sem))
    torch.testing.assert_close((weights * squared.mean(dim=(1, 2))).mean(), torch.tensor(1.0))
    alike = Batch(forces, forces, weights, torch.full_like(sem, 0.7))
    loss = Loss({"force": term})
    loss.prepare(alike)
    torch.testing.assert_close(term(forces, alike), MeanSquaredError()(forces, alike))


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


class Twelve(Penalty):
    def __init__(self, shape: tuple[int, ...] = (6,)) -> None:
        super().__init__()
        self.shape = shape

    def penalty(self, forces: ForceField, batch: Batch, generator: torch.Generator) -> torch.Tensor:
        return torch.full(self.shape, 12.0, dtype=torch.float64)


def test_a_penalty_is_added_to_the_error_terms() -> None:
    predicted, batch = make_batch()
    total, terms = Loss({"twelve": Twelve(), "force": MeanSquaredError()})(predicted, batch, lambda coords: coords)
    torch.testing.assert_close(total, terms["force"] + 12.0)


@pytest.mark.parametrize("shape", [(1,), (6, 1), (6, 2, 3), ()])
def test_a_penalty_that_is_not_one_value_a_frame_is_refused(shape: tuple[int, ...]) -> None:
    predicted, batch = make_batch()
    with pytest.raises(ValueError, match="differ in shape"):
        Loss({"force": MeanSquaredError(), "twelve": Twelve(shape)})(predicted, batch, lambda coords: coords)


def test_a_penalty_needs_the_kernel_and_a_term_has_one_of_two_kinds() -> None:
    predicted, batch = make_batch()
    with pytest.raises(ValueError, match="expected the training kernel"):
        Loss({"force": MeanSquaredError(), "twelve": Twelve()})(predicted, batch)
    with pytest.raises(TypeError, match=r"loss\.terms\.odd is a LossTerm: expected an ErrorTerm, a Penalty or an"):
        Loss({"force": MeanSquaredError(), "odd": LossTerm()})


@pytest.mark.parametrize("weight", [1e-30, -1.0, 1e9, math.nan])
def test_a_weight_of_which_float32_keeps_nothing_is_refused(weight: float) -> None:
    with pytest.raises(InputError, match="from 1e-8 to 1e8, or 0"):
        MeanSquaredError(weight=weight)
    assert MeanSquaredError(weight=1e-6).weight == 1e-6
