"""Round: the numbers of one round of active learning, as in its round.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Round:
    """What a round was and what it added.

    round: its number, from 0. metrics: of its model, as in docs/metrics.md. stop: why no labels were added after it, in
    words; None if the loop went on. coverage_max: distance of the farthest candidate from what was known, length.
    n_candidates: that were chosen from. model: hash of the potential that proposed them; None if none did. n_short:
    labels fewer than asked for, for want of candidates. n_selected: configurations the oracle was asked for, of which
    n_selected_failed are where a replica failed. oracle_calls, oracle_s: answers and their CPU seconds, in this round,
    and ``_total`` up to it. n_rejected: answers without a label, for the reasons in ``rejected`` by index; n_broken: of
    these, oracles that broke down. n_frames: that the model was trained on. n_added: for the next round. data_hash,
    next_data_hash: of the data set before and after.
    """

    round: int
    metrics: Mapping[str, float]
    stop: str | None
    coverage_max: float
    n_candidates: int
    model: str | None
    n_short: int
    n_selected: int
    n_selected_failed: int
    oracle_calls: int
    oracle_calls_total: int
    oracle_s: float
    oracle_s_total: float
    n_rejected: int
    n_broken: int
    rejected: Mapping[str, str]
    n_frames: int
    n_added: int
    data_hash: str
    next_data_hash: str

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Of all fields."""
        return tuple(field.name for field in fields(cls))

    def to_json(self) -> dict[str, Any]:
        """The content of round.json."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Round:
        """The inverse of ``to_json``; names that are no field are ignored. Raises KeyError if one is missing."""
        return cls(**{name: content[name] for name in cls.names()})

    def numbers(self) -> dict[str, float]:
        """All numbers by name, those of the round first, then its metrics."""
        own = {name: getattr(self, name) for name in self.names()}
        numbers = {name: float(value) for name, value in own.items() if isinstance(value, (int, float))}
        return {**numbers, **self.metrics}
