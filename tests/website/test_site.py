"""The documentation site: every page can be found, the reference says what the code says, links are checked."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cgexp.cli.parser import VERBS
from cgexp.config.paths import group_options, groups

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import build_site  # noqa: E402
from website import gallery, links, mirror, reference  # noqa: E402


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    build_site.lay_out(folder)
    return folder


def in_trees(page: Path, source: Path) -> set[str]:
    """The pages that the toctrees of a page name, and those that their pages name, relative to the source."""
    found: set[str] = set()
    for block in page.read_text(encoding="utf-8").split("```{toctree}")[1:]:
        for line in block.partition("```")[0].splitlines():
            if not line.strip() or line.startswith(":"):
                continue
            for path in page.parent.glob(f"{line.strip().removesuffix('.md')}.md"):
                name = path.resolve().relative_to(source.resolve()).as_posix()
                if path != page and name not in found:
                    found |= {name, *in_trees(path.resolve(), source)}
    return found


def test_every_page_is_in_a_toctree(source: Path) -> None:
    pages = {path.relative_to(source).as_posix() for path in source.rglob("*.md")}
    found = in_trees(source / "docs" / "index.md", source)
    assert pages - found == {"docs/index.md"}, "name the page in a toctree of docs/index.md"


def test_the_reference_has_every_option(source: Path) -> None:
    for group in groups():
        text = (source / "docs" / "reference" / f"{reference.file_name(group)}.md").read_text(encoding="utf-8")
        assert [name for name in group_options(group) if f"## `{group}={name}`" not in text] == []


def test_a_group_says_what_it_is_for() -> None:
    assert reference.group_page("model").startswith("# `model`: the energy network\n")
    assert reference.group_page("simulation").startswith("# `simulation`: dynamics of the trained potential\n")


def test_the_command_line_has_every_verb(source: Path) -> None:
    text = (source / "docs" / "command_line.md").read_text(encoding="utf-8")
    assert [verb for verb in VERBS if f"## `cgexp {verb}`" not in text] == []


def test_a_key_has_its_value_range_and_comment() -> None:
    text = "\n".join(
        [
            "# What it is.",
            "_target_: cgexp.models.cgschnet.CGSchNet",
            "cutoff: 30.0 # distance, Å",
            "# the kind | of basis",
            "rbf: expnorm",
            "# activation: tanh # of all layers",
        ]
    )
    table = reference.table(text, "model")
    assert "| `cutoff` | `30.0` | distance, Å (*a positive number*) |" in table
    assert "| `rbf` | `expnorm` | the kind \\| of basis (*one of expnorm, gaussian*) |" in table
    assert "| `activation` | `tanh` (unset) | of all layers (*one of tanh, silu" in table
    assert reference.header(text) == "What it is."


def test_an_option_that_begins_with_another_has_its_ranges() -> None:
    page = reference.group_page("model").partition("## `model=toy_fourier`")[2].partition("\n## ")[0]
    assert "As [`model=toy_mlp`](#modeltoy_mlp), with" in page
    assert "| `n_fourier` | `256` | random Fourier features" in page
    assert "(*an integer" in page


def test_a_key_that_holds_others_has_no_value_of_its_own() -> None:
    found = list(reference.keys("callbacks:   # name -> callback\n  ema:  # an average\n    decay: 0.99  # share\n"))
    assert [(key.path, key.value, key.comment) for key in found] == [
        ("callbacks", "", "name -> callback"),
        ("callbacks.ema", "", "an average"),
        ("callbacks.ema.decay", "0.99", "share"),
    ]


def test_arguments_stand_out_in_a_docstring() -> None:
    text = "Energy: in kT. width, depth: of the layers. activation: of all; depth counts."
    marked = reference.with_names_marked(text, ["width", "depth", "activation"])
    assert marked == "Energy: in kT. ``width``, ``depth``: of the layers. ``activation``: of all; depth counts."


def test_nested_keys_know_their_class() -> None:
    table = reference.table(reference.text_of("prior", "peptide"), "prior")
    assert any(
        row.startswith("| `terms.repulsion.sigma` | `null` |") and "*a positive number or null*" in row
        for row in table.splitlines()
    )


def test_what_does_not_change_the_run_id_is_told() -> None:
    table = reference.table(reference.text_of("trainer", "cpu"), "trainer")
    row = next(line for line in table.splitlines() if line.startswith("| `accelerator`"))
    assert row.count("not part of the run id") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[`conf/`](../conf)", "[`conf/`](reference/index.md)"),
        ("[a](../experiments/julia_2025_toy)", "[a](../experiments/julia_2025_toy/README.md)"),
        ("[a folder](../tests/outside)", "a folder"),
        ("[a](../README.md) [b](../README.md#citing)", "[a](index.md) [b](citing.md)"),
        ("[toy](notebooks/toy.ipynb)", "[toy](notebooks/toy.md)"),
        ("[a](units.md#tica) [b](https://a.b/c) [c](#d)", "[a](units.md#tica) [b](https://a.b/c) [c](#d)"),
    ],
)
def test_links_to_folders_lead_to_pages(text: str, expected: str) -> None:
    assert mirror.without_folders(text, Path("docs/configuration.md"), ROOT) == expected


def test_links_in_code_are_none() -> None:
    text = "`a\nb` and [`conf/x.yaml`](../conf/x.yaml)\n```python\na[0](b)\n```\n"
    assert list(mirror.local_targets(text)) == ["../conf/x.yaml"]


def test_the_gallery_has_a_figure_and_a_paragraph_of_each_experiment() -> None:
    text = "# A title\n\n> A note.\n\nWhat was [found](figures).\n\n![A figure](figures/a.png)\n"
    entry = gallery.entry(text, "../experiments/a/README.md")
    assert entry.startswith("## [A title](../experiments/a/README.md)\n\nWhat was [found](../experiments/a/figures).")
    assert "[![A figure](../experiments/a/figures/a.png)](../experiments/a/README.md)" in entry


def test_broken_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<a href="b.html#here">1</a><a href="b.html#not">2</a><a href="c.html">3</a><a href="#top">4</a>'
        '<a href="https://elsewhere.org/x">5</a><img src="d.png"><p id="top"></p>'
    )
    (tmp_path / "b.html").write_text('<p id="here"></p>')
    assert list(links.broken_links(tmp_path)) == ["a.html: b.html#not", "a.html: c.html", "a.html: d.png"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("furo")
    pytest.importorskip("myst_parser")
    assert build_site.build(tmp_path) == 0
    assert (tmp_path / "html" / "docs" / "index.html").is_file()
    asked = [
        f"{page.name}: {link}"
        for page in (tmp_path / "html").rglob("*.html")
        for link in links.loaded(page.read_text(encoding="utf-8"))
        if "://" in link or link.startswith("//")
    ]
    assert asked == [], "a page asks for nothing from elsewhere"
