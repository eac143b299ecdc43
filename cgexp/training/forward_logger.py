"""A Lightning logger that hands every number to a function, so that training knows no particular logger."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytorch_lightning.loggers import Logger

Log = Callable[[Mapping[str, float], int], None]


class ForwardLogger(Logger):
    """Calls ``log(metrics, step)`` for what the module and Lightning's callbacks log."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._forward = log

    @property
    def name(self) -> str:
        return "cgexp"

    @property
    def version(self) -> str:
        return ""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self._forward(metrics, step or 0)

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """The run's config is recorded by runs/, not here."""
