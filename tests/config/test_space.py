"""The space of a search: read from YAML, and checked against the config before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from cgexp.config.compose import Config
from cgexp.config.identity import run_id
from cgexp.config.paths import conf_dir, group_options
from cgexp.config.space import Dimension, check_space, read_space, values_in
from cgexp.errors import InputError
from tests.test_docs import unexplained

OVERRIDES = {
    "chignolin_first": ["experiment=chignolin_first", "simulation=none", "analysis=forces"],
    "toy_cgnet": ["experiment=toy_cgnet", "simulation=none"],
    "toy_julia": ["experiment=toy_julia"],
}


def space_of(folder: Path, text: str) -> list[Dimension]:
    (folder / "mine.yaml").write_text(text)
    return read_space(str(folder / "mine.yaml"))


def test_ranges_and_choices_are_read(tmp_path: Path) -> None:
    text = "a.b: {int: [1, 8], log: true}\nc: {float: [0.1, 1], step: 0.1}\nd: {choose: [x, null, 2]}\n"
    assert space_of(tmp_path, text) == [
        Dimension("a.b", (), 1, 8, True, True),
        Dimension("c", (), 0.1, 1, step=0.1),
        Dimension("d", ("x", None, 2)),
    ]


def test_numbers_have_four_digits_and_stay_in_their_range() -> None:
    rate = Dimension("lr", low=1e-4, high=0.0123456, log=True)
    assert rate.rounded(0.00123456) == 0.001235
    assert rate.rounded(0.0123456) == 0.0123456
    assert rate.ends == (1e-4, 0.0123456)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "holds no space"),
        ("- a\n", "holds no space"),
        ("a: [1, 2\n", "is not valid YAML"),
        ("a: [1, 2]\n", "a: [1, 2] is no range: expected {int: [from, to]}"),
        ("a: {int: [1, 2], log: true, base: 2}\n", "is no range"),
        ("a: {int: [1, 2], float: [1, 2]}\n", "is no range"),
        ("a: {int: [1, 2.5]}\n", "is no range of whole numbers"),
        ("a: {int: [1, 2, 3]}\n", "is no range of whole numbers"),
        ("a: {float: [true, 2]}\n", "is no range of numbers"),
        ("a: {float: [2, 1]}\n", "expected two numbers, the smaller first"),
        ("a: {float: [0, .inf]}\n", "expected two numbers"),
        ("a: {float: [0, 1], log: true}\n", "log: true needs a range above 0"),
        ("a: {float: [0, 1], step: 2}\n", "step: 2 does not fit"),
        ("a: {choose: [1]}\n", "leaves no choice"),
        ("a: {choose: [1, 1]}\n", "names a value twice"),
        ("a: {choose: [[1], 2]}\n", "is no list of plain values"),
    ],
)
def test_a_mistake_in_a_space_is_a_sentence(tmp_path: Path, text: str, part: str) -> None:
    with pytest.raises(InputError) as caught:
        space_of(tmp_path, text)
    assert part in str(caught.value)


def test_a_space_is_found_among_options_and_in_ones_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf" / "search").mkdir(parents=True)
    (tmp_path / "conf" / "search" / "mine.yaml").write_text("model.width: {choose: [8, 16]}\n")
    monkeypatch.chdir(tmp_path)
    assert read_space("mine") == [Dimension("model.width", (8, 16))]
    with pytest.raises(InputError, match=r"unknown space=toy_cgnt .did you mean 'toy_cgnet'.*mine"):
        read_space("toy_cgnt")
    with pytest.raises(InputError, match="is no file"):
        read_space("nowhere.yaml")


@pytest.mark.parametrize(
    ("space", "part"),
    [
        (Dimension("model.widht", (8, 16)), "the space allows model.widht=8, of which unknown key 'model.widht'"),
        (Dimension("model.width", low=0, high=16, is_whole=True), "model.width=0 is not valid"),
        (Dimension("kernel", ("auto", "reference")), "does not change what a run finds"),
        (Dimension("seed", (1, 2)), "seed is nothing to search over"),
    ],
)
def test_a_space_that_fits_no_config_is_refused(space: Dimension, part: str) -> None:
    with pytest.raises(InputError) as caught:
        check_space([space], ["experiment=toy_cgnet"])
    assert part in str(caught.value)


def test_the_default_values_are_a_point_of_the_space() -> None:
    config = {"choices": {"prior": "none"}, "prior": {"x": 1}, "a": {"b": 4, "c": None}, "d": 0.3}
    space = [
        Dimension("prior", ("none", "toy_wall")),
        Dimension("a.b", low=1, high=4, is_whole=True),
        Dimension("a.c", (None, 1.0)),
        Dimension("d", low=0.0, high=1.0, step=0.1),
    ]
    assert values_in(config, space) == {"prior": "none", "a.b": 4, "a.c": None, "d": 0.3}
    assert values_in({**config, "d": 0.35}, space) is None
    assert values_in({**config, "a": {"b": 5, "c": None}}, space) is None
    assert values_in({**config, "a": {}}, space) is None
    assert values_in({**config, "a": {"b": True, "c": None}}, space) is None


@pytest.mark.parametrize("name", group_options("search"))
def test_every_key_of_a_space_that_ships_is_explained(name: str) -> None:
    assert unexplained((conf_dir() / "search" / f"{name}.yaml").read_text(encoding="utf-8")) == []
    assert name in OVERRIDES


@pytest.mark.slow
@pytest.mark.parametrize("name", group_options("search"))
def test_every_space_that_ships_fits_its_experiment(name: str) -> None:
    check_space(read_space(name), OVERRIDES[name])


def test_only_what_a_run_depends_on_is_searched_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each end is composed and checked once, with all other keys at their first value."""
    seen: list[Config] = []
    monkeypatch.setattr("cgexp.config.space.check", seen.append)
    check_space([Dimension("model.width", (8, 16)), Dimension("model.depth", low=1, high=3, is_whole=True)], [])
    assert [(one["model"]["width"], one["model"]["depth"]) for one in seen] == [(8, 1), (16, 3), (16, 1), (8, 3)]
    assert len({run_id(one) for one in seen}) == 4
