"""The documentation says what is: keys, links, commands and metric names are held to the code."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from cgexp.analysis.observables import QUANTITIES
from cgexp.config.checks import GROUPS, check
from cgexp.config.compose import compose, expand
from cgexp.config.launch import split_multirun
from cgexp.config.paths import conf_dir, group_options, groups
from cgexp.config.study import Study
from cgexp.errors import InputError
from cgexp.signatures import read_signature

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference.yaml"
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
OPTIONS = [(group, option) for group in groups() for option in group_options(group)]
OVERRIDING = ("experiment", "debug", "launcher")  # groups that set keys of others, which explain them
VERBS = ("run", "data", "train", "simulate", "evaluate", "check", "active")
KeyPath = tuple[str, ...]


def keys(node: Any, above: KeyPath = ()) -> Iterator[KeyPath]:
    """Every key of nested mappings, as its path."""
    if isinstance(node, dict):
        for name, value in node.items():
            yield (*above, name)
            yield from keys(value, (*above, name))


def own_content(group: str, option: str) -> dict[str, Any]:
    """What an option's file says itself, without its defaults."""
    content = yaml.safe_load((conf_dir() / group / f"{option}.yaml").read_text(encoding="utf-8")) or {}
    return {name: value for name, value in content.items() if name != "defaults"}


def at(node: Any, path: KeyPath) -> Any:
    for name in path:
        if not isinstance(node, dict) or name not in node:
            return KeyError
        node = node[name]
    return node


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    content = yaml.safe_load(REFERENCE.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


@pytest.fixture(scope="module")
def default() -> dict[str, Any]:
    return compose([])


def test_reference_begins_with_what_a_bare_run_composes(reference: dict[str, Any], default: dict[str, Any]) -> None:
    first = {name: value for name, value in reference.items() if name != "other_options"}
    composed = {name: value for name, value in default.items() if name not in ("choices", "overrides")}
    assert OmegaConf.to_container(OmegaConf.create(first), resolve=True) == composed


def test_reference_has_only_options_that_exist(reference: dict[str, Any]) -> None:
    listed = {(group, option) for group, options in reference["other_options"].items() for option in options}
    assert listed <= set(OPTIONS)


def is_listed(group: str, option: str, reference: dict[str, Any], default: dict[str, Any]) -> bool:
    """Whether docs/reference.yaml tells of an option: among the others, or as what a bare run composes."""
    return option in reference["other_options"].get(group, {}) or default["choices"].get(group) == option


def unexplained(text: str) -> list[str]:
    """Keys of a YAML text with a comment neither on their line nor on the one above (but Hydra's defaults)."""
    lines = text.splitlines()

    def bare(node: yaml.Node | None, above: KeyPath = ()) -> Iterator[str]:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                path, line = (*above, key.value), key.start_mark.line
                commented = " # " in f"{lines[line]} " or lines[max(line - 1, 0)].lstrip().startswith("# ")
                if not commented and path != ("defaults",):
                    yield f"line {line + 1}: {'.'.join(path)}"
                yield from bare(value, path)

    return list(bare(yaml.compose(text, Loader=yaml.SafeLoader)))


@pytest.mark.parametrize(("group", "option"), OPTIONS, ids=lambda name: name)
def test_every_key_of_an_option_is_explained(
    group: str, option: str, reference: dict[str, Any], default: dict[str, Any]
) -> None:
    if group in OVERRIDING and is_listed(group, option, reference, default):
        return
    text = (conf_dir() / group / f"{option}.yaml").read_text(encoding="utf-8")
    assert unexplained(text) == [], f"conf/{group}/{option}.yaml: give each key a comment, on its line or the one above"


@pytest.mark.parametrize(("group", "option"), OPTIONS, ids=lambda name: name)
def test_what_the_reference_lists_agrees(
    group: str, option: str, reference: dict[str, Any], default: dict[str, Any]
) -> None:
    if not is_listed(group, option, reference, default):
        return
    content = own_content(group, option)
    listed = reference["other_options"].get(group, {}).get(option)
    for path in keys(listed or {}):
        value = at(listed, path)
        if not isinstance(value, dict):
            assert at(content, path) == value, f"docs/reference.yaml: {group}={option} {'.'.join(path)} is stale"
    is_global = (conf_dir() / group / f"{option}.yaml").read_text(encoding="utf-8").startswith("# @package _global_")
    for path in keys(content):
        full = path if is_global else (group, *path)
        found = at(listed, path) is not KeyError or at(reference, full) is not KeyError
        assert found, f"docs/reference.yaml lists {group}={option} without {'.'.join(full)}"


def test_every_key_of_the_reference_is_explained() -> None:
    assert unexplained(REFERENCE.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "target", sorted(set(re.findall(r"(?m)^ +_target_: (cgexp\S+)", REFERENCE.read_text("utf-8"))))
)
def test_the_reference_has_what_its_classes_take(target: str) -> None:
    """Also keys that no option sets, which a reader would not find in conf/: they are commented out."""
    signature = read_signature(target)
    assert signature is not None
    inherited = read_signature("pytorch_lightning.callbacks.EarlyStopping") if "EarlyStop" in target else None
    taken = signature.parameters.keys() - (set() if inherited is None else inherited.parameters.keys())
    text = REFERENCE.read_text(encoding="utf-8")
    missing = [name for name in taken if not re.search(rf"^ *(# )?(\w+/)?{name}: ", text, re.MULTILINE)]
    assert missing == [], f"docs/reference.yaml does not explain what {target} takes"


def test_every_key_of_the_examples_is_explained() -> None:
    """The configs of docs/adding.md are copied, so they keep the rule for an option."""
    configs = [block for block in fences(ROOT / "docs" / "adding.md", "yaml") if "_target_" in block]
    assert [unexplained(block) for block in configs if unexplained(block)] == []


def test_a_key_without_a_comment_is_found() -> None:
    text = "# of a\na: 1\nb: 2  # of b\nc:\n  d: 3\n  # of e\n  e: [1]\ndefaults:\n  - x\n"
    assert unexplained(text) == ["line 4: c", "line 5: c.d"]
    assert unexplained("# a file that sets nothing\n") == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    broken = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert broken == []


def fences(page: Path, language: str) -> list[str]:
    """Contents of the fenced code blocks of one language, indented ones included."""
    pattern = rf"^( *)```{language}\n(.*?)^\1```"
    return [body for _, body in re.findall(pattern, page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)]


def commands(page: Path) -> Iterator[tuple[str, str | None]]:
    """Every ``cgexp`` command of a page, with the error that stands on the line below it if one does."""
    for language in ("bash", "console"):
        for block in fences(page, language):
            lines = [line.strip() for line in block.splitlines()]
            for line, following in zip(lines, [*lines[1:], ""], strict=True):
                command = line.removeprefix("$ ")
                if command.startswith("cgexp ") and "<" not in command:
                    yield command, following if following.startswith("cgexp: ") else None


COMMANDS = sorted({(command, error or "") for page in PAGES for command, error in commands(page)})


@pytest.mark.parametrize(("command", "error"), COMMANDS, ids=lambda text: text[:80])
def test_commands_compose_and_check(command: str, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a ./conf or ./outputs of the checkout plays no part
    _, verb, *arguments = shlex.split(command, comments=True)
    if verb == "reproduce":
        part = next((word.removeprefix("part=") for word in arguments if word.startswith("part=")), None)
        assert Study.load(arguments[0], ROOT / "experiments", part).arms
    if verb not in VERBS or "--help" in arguments or "-h" in arguments:
        pytest.skip("composes nothing")
    many, overrides = split_multirun([a for a in arguments if a != "--cfg"])

    def check_all() -> None:
        for job in expand(overrides) if many else [overrides]:
            check(compose(job), ("dataset",) if verb == "data" else tuple(GROUPS))

    if error:
        with pytest.raises(InputError) as raised:
            check_all()
        assert f"cgexp: {raised.value}" == error
    else:
        check_all()


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_blocks_can_be_parsed_and_import_what_exists(page: Path) -> None:
    for block in fences(page, "yaml"):
        yaml.safe_load(block)
    written_there = {
        path.removesuffix(".py").replace("/", ".")
        for path in re.findall(r"^`(cgexp/\S+)`:$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    for block in fences(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and node.module and node.module not in written_there:
                module = importlib.import_module(node.module)
                assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == [], node.module


def test_every_metric_is_explained() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    names = [
        "loss_train",
        "loss_validation",
        "loss_zero_force",
        "loss_prior_only",
        "loss_noise_floor",
        "loss_excess_relative",
        "force_rmse_relative",
        "pmf_rmse_integration",
        "pmf_rmse_simulation",
        "leak_rate",
        "leaked_fraction",
        "w1_x",
        "curl_rms",
        "curl_rms_relative",
        "loop_work_rms",
        "w1_tica",
        "w1_tica_ic1",
        "w1_tica_ic2",
        "w1_tica_kde",
        "w1_tica_resolution",
        "w1_dihedral_linear",
        "js_tica",
        "kl_tica",
        "folded_fraction",
        "folded_fraction_reference",
        "mean_force_rmse",
        "mean_force_rmse_folded",
        "mean_force_rmse_prior_only",
        "mean_force_rmse_zero_force",
        "mean_force_configurations",
        "mean_force_rmse",
        "replicas_failed",
        "replicas_failed_fraction",
        "exchange_acceptance_min",
        "exchange_acceptance_mean",
        "round_trips",
        "checkpoint_epoch",
        "epochs",
        "n_parameters",
        "train_seconds",
        "train_frames_per_second",
        "simulation_replica_steps_per_second",
        "memory_peak_mb",
        "coverage_max",
        "oracle_calls",
        "oracle_s",
        "labels_rejected",
        "labels_broken",
    ]
    names += [f"{kind}_{quantity}" for kind in ("w1", "js", "kl") for quantity in QUANTITIES]
    missing = [name for name in names if f"`{name}`" not in text]
    assert missing == []


def test_every_module_has_a_line_in_the_architecture() -> None:
    """But for one whose class an option names: its YAML and its docstring describe it."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    options = [own_content(group, option) for group, option in OPTIONS]
    targets = {str(at(content, path)) for content in options for path in keys(content) if path[-1] == "_target_"}
    named = {ROOT / f"{target.rpartition('.')[0].replace('.', '/')}.py" for target in targets}
    modules = {path for path in (ROOT / "cgexp").rglob("*.py") if path.name != "__init__.py"}
    assert sorted(str(path) for path in modules - named if f"`{path.name}`" not in text) == []
