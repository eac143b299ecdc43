"""Recorded configs: nesting that would overflow the stack of libyaml, in each of YAML's ways, gets a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from cgexp.config.compose import compose
from cgexp.config.recorded import parse_recorded
from cgexp.errors import InputError

N = 20_000


@pytest.mark.parametrize(
    "text",
    [
        "[" * N,
        "[" * N + "]" * N,
        "{a: " * N + "1" + "}" * N,
        "- " * N + "1",
        "? " * N + "1",
        "\n".join(" " * depth + "a:" for depth in range(400)),
        "a: [\n" * 5000,
    ],
    ids=["open", "list", "mapping", "dashes", "keys", "indented", "lines"],
)
def test_deep_nesting_gets_a_sentence(text: str) -> None:
    with pytest.raises(InputError, match=r"config\.yaml is (nested more than 200 deep|not valid YAML)"):
        parse_recorded(text, Path("config.yaml"))


def test_a_config_comes_back() -> None:
    config = compose(["experiment=chignolin_first"])
    assert parse_recorded(yaml.safe_dump(config, sort_keys=False), Path("config.yaml")) == config


def test_many_brackets_beside_each_other_are_no_depth() -> None:
    assert parse_recorded("a: [" + "[1], " * 500 + "]", Path("config.yaml")) == {"a": [[1]] * 500}
