"""The documentation says what is: keys, links, commands and metric names are held to the code."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import cgexp
from cgexp.analysis.observables import QUANTITIES
from cgexp.cli.importing import known_settings
from cgexp.cli.parser import make_parser, parse
from cgexp.cli.simulate_bundle import is_asked_for, read_words
from cgexp.config.checks import check
from cgexp.config.compose import compose
from cgexp.config.jobs import expand
from cgexp.config.paths import conf_dir, group_options, groups
from cgexp.errors import InputError
from cgexp.parts.signatures import read_signature
from cgexp.store import write_frames
from cgexp.studies.study import Study

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *(ROOT / "experiments").rglob("README.md"), *ROOT.glob("*.md")])
OPTIONS = [(group, option) for group in groups() for option in group_options(group)]
VERBS = ("run", "data", "train", "simulate", "evaluate", "check", "active")
KeyPath = tuple[str, ...]


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
def test_every_key_of_an_option_is_explained(group: str, option: str) -> None:
    text = (conf_dir() / group / f"{option}.yaml").read_text(encoding="utf-8")
    assert unexplained(text) == [], f"conf/{group}/{option}.yaml: give each key a comment, on its line or the one above"


def test_every_setting_of_a_bare_run_is_explained() -> None:
    text = (conf_dir() / "config.yaml").read_text(encoding="utf-8").partition("\nhydra:")[0]
    assert unexplained(text) == []


def targets() -> dict[str, str]:
    """Classes of ours that an option names, each with the text of all options that name it."""
    texts: dict[str, str] = {}
    for group, option in OPTIONS:
        text = (conf_dir() / group / f"{option}.yaml").read_text(encoding="utf-8")
        for target in set(re.findall(r"_target_: (cgexp\.[\w.]+)", text)):
            texts[target] = texts.get(target, "") + text
    return texts


@pytest.mark.parametrize(("target", "text"), sorted(targets().items()), ids=lambda name: name.partition("\n")[0])
def test_every_argument_is_explained(target: str, text: str) -> None:
    """By an option, where it may be commented out, or by the docstring of the class or of one that it inherits from."""
    module, _, name = target.rpartition(".")
    classes = [cls for cls in getattr(importlib.import_module(module), name).__mro__ if "cgexp" in cls.__module__]
    explained = "\n".join([text, *(cls.__doc__ or "" for cls in classes)])
    ours = [cls for cls in classes if "__init__" in vars(cls)]  # the arguments of a foreign class are explained there
    own = {argument for cls in ours for argument in inspect.signature(cls).parameters}
    signature = read_signature(target)
    assert signature is not None
    missing = [n for n in signature.parameters if n in own and not re.search(rf"\b{n}\b", explained)]
    assert missing == [], f"{target} takes what no option and no docstring explains"


def test_every_key_of_the_examples_is_explained() -> None:
    """The configs of docs/adding/ are copied, so they keep the rule for an option."""
    pages = sorted((ROOT / "docs" / "adding").glob("*.md"))
    configs = [block for page in pages for block in fences(page, "yaml") if "_target_" in block]
    assert len(configs) > 5
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


def anchors(page: Path) -> set[str]:
    """What a link to a heading of a page is called, as GitHub does it."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_headings_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    ours = [(target, anchor) for target, anchor in links if "://" not in target]
    pages = {target: page.parent / target if target else page for target, _ in ours}
    assert [f"{target}#{anchor}" for target, anchor in ours if anchor not in anchors(pages[target])] == []


def fences(page: Path, language: str) -> list[str]:
    """Contents of the fenced code blocks of one language, indented ones included."""
    pattern = rf"^( *)```{language}\n(.*?)^\1```"
    return [body for _, body in re.findall(pattern, page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)]


def commands(page: Path) -> Iterator[tuple[str, str | None]]:
    """Every ``cgexp`` command of a page, with the error that stands on the line below it if one does."""
    for language in ("bash", "console"):
        for block in fences(page, language):
            lines = [line.strip() for line in block.replace("\\\n", " ").splitlines()]
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
    if verb == "import":
        assert {word.partition("=")[0] for word in arguments} <= set(known_settings())
    if "dataset.path=mine.npz" in arguments:  # what `cgexp import` writes
        write_frames(tmp_path / "mine.npz", cgexp.load_dataset("chignolin_mini"))
    if verb == "simulate" and is_asked_for(arguments):
        assert read_words(arguments)[0]["bundle"]
        return
    if verb not in VERBS or "--help" in arguments or "-h" in arguments:
        pytest.skip("composes nothing")
    given = parse(make_parser(), [verb, *arguments])

    def check_all() -> None:
        for job in expand(given.words) if given.multirun else [given.words]:
            check(compose(job), ("dataset",) if verb == "data" else None)

    if error:
        with pytest.raises(InputError) as raised:
            check_all()
        assert f"cgexp: {raised.value}" == error
    else:
        try:
            check_all()
        except InputError as missing:  # a page that speaks of the reader's own file
            if "does not exist: give the file of your data" not in str(missing):
                raise


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) > 20


def can_be_imported(module: str, name: str) -> bool:
    return hasattr(importlib.import_module(module), name) or importlib.util.find_spec(f"{module}.{name}") is not None


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
                assert [a.name for a in node.names if not can_be_imported(node.module, a.name)] == [], node.module


def test_every_metric_is_explained() -> None:
    text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    names = [
        "loss_train",
        "loss_train_running",
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


@pytest.mark.parametrize("module", sorted((ROOT / "cgexp").rglob("*.py")), ids=lambda path: path.name)
def test_every_module_says_in_a_line_what_it_is(module: Path) -> None:
    """What `python scripts/structure.py modules` prints; a folder says it in its ``__init__.py``."""
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    assert re.fullmatch(r"[^\n]+[.:!?)]", docstring.partition("\n")[0]), "begin the module with a docstring"


def test_every_group_is_told_of() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert [group for group in groups() if f"`{group}`" not in text] == []
    rows = re.findall(r"^\| (`[^|]*`) \|", text.partition("| group | chooses |")[2].partition("\n\n")[0], re.M)
    told = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert len(told) > 10
    assert [name for name in told if name not in groups()] == []


def test_every_folder_stands_in_the_architecture() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    folders = [path.name for path in (ROOT / "cgexp").iterdir() if (path / "__init__.py").exists()]
    assert [folder for folder in folders if f"`{folder}`" not in text] == []


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["version"] == project["version"] == cgexp.__version__
    assert (citation["license"], citation["authors"]) == (project["license"], project["authors"])
