"""What is measured on frames a part at a time equals what is measured on all at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from cgexp import energy
from cgexp.energy import Measured, float64_coords
from cgexp.frames import Frames
from cgexp.priors.term import N_BINS, histograms, quantile
from cgexp.testing.configurations import chain_frames


@pytest.fixture(params=[None, "weights"])
def frames(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Frames:
    """Frames that are measured 17 at a time, the last part with fewer."""
    monkeypatch.setattr(energy, "PART_BYTES", 17 * 8 * 45 * 3)
    found = chain_frames(120)
    weights = np.random.default_rng(1).random(120) * (np.arange(120) % 3 > 0)
    return found if request.param is None else found.with_labels(weights=weights)


def measure(coords: Tensor) -> Tensor:
    return coords[:, ::3, 0] - coords[:, 1::3, 1].mean(1, keepdim=True)


def all_at_once(frames: Frames) -> tuple[np.ndarray, np.ndarray]:
    weights = np.ones(len(frames)) if frames.weights is None else frames.weights
    return measure(float64_coords(frames)).numpy(), weights / weights.sum()


def test_mean_and_variance(frames: Frames) -> None:
    values, shares = all_at_once(frames)
    mean, variance = Measured(frames, measure).mean_and_variance()
    assert mean.numpy() == pytest.approx(shares @ values, rel=1e-12, abs=1e-12)
    assert variance.numpy() == pytest.approx(shares @ (values - shares @ values) ** 2, rel=1e-12)


def test_the_range_and_parts_that_are_all_there(frames: Frames) -> None:
    values, shares = all_at_once(frames)
    measured = Measured(frames, measure)
    assert measured.range() == (values.min(), values.max())
    parts = list(measured)
    assert [len(part) for part, _ in parts] == [17] * 7 + [1]
    assert torch.cat([part for part, _ in parts]).equal(torch.from_numpy(values))
    assert torch.cat([share for _, share in parts]).numpy() == pytest.approx(shares)


@pytest.mark.parametrize("q", [0.0, 1e-3, 0.1, 0.5, 1.0])
def test_a_quantile_is_exact(frames: Frames, q: float) -> None:
    values, shares = all_at_once(frames)
    order = np.argsort(values, axis=None)
    cumulative = np.cumsum(np.repeat(shares, values.shape[1])[order] / values.shape[1])
    expected = values.ravel()[order[min(int(np.searchsorted(cumulative, q)), values.size - 1)]]
    assert quantile(Measured(frames, measure), q) == expected


def test_histograms(frames: Frames) -> None:
    values, shares = all_at_once(frames)
    edges = np.linspace(-60.0, 55.0, N_BINS + 1)
    assert edges[0] < values.min()
    assert values.max() < edges[-1]
    found = histograms(Measured(frames, measure), edges[0], edges[-1])
    for column, density in zip(values.T, found.T, strict=True):
        assert density == pytest.approx(np.histogram(column, edges, weights=shares)[0] / np.diff(edges), rel=1e-10)
    pooled = histograms(Measured(frames, measure), edges[0], edges[-1], pooled=True)
    assert pooled[:, 0] == pytest.approx(found.mean(1), rel=1e-10)
