"""A server in place of W&B's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.report.server import Server
from tests.report.serving import use_server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    with use_server(monkeypatch, tmp_path) as served:
        yield served
