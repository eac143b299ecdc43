"""report.html of a run: valid, whole, small, and nothing that a run holds gets out of its text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from cgexp.report.html import LARGEST_SVG
from cgexp.report.html_run import command, run_page
from tests.report.pages import CONFIG, EVIL, METRICS, NOTES, Reader, facts, frames, picture, run_content


def test_a_whole_page_is_valid_and_has_all_parts(tmp_path: Path) -> None:
    page = run_page(run_content(tmp_path))
    found = Reader(page)
    assert found.problems == []
    assert page.startswith(b"<!doctype html>")
    assert found.count("img") == 2
    for text in (
        "some 0123abcdef",
        "Free energy maps",
        "Numbers",
        "Structures",
        "A short trajectory",
        "abc123",
        "torch",
    ):
        assert text in found.text
    assert "cgexp run experiment=some model.width=64\n" in found.text


def test_the_same_content_gives_the_same_bytes_and_no_page_is_large(tmp_path: Path) -> None:
    page = run_page(run_content(tmp_path))
    assert page == run_page(run_content(tmp_path))
    assert len(page) < 330_000


def test_maps_are_figures_without_scripts_and_figures_lead_to_their_pdf(tmp_path: Path) -> None:
    (tmp_path / "tica.pdf").write_bytes(b"%PDF")
    found = Reader(run_page(run_content(tmp_path)))
    assert found.problems == []
    assert "Energy landscape" in found.text
    maps = [attrs for tag, attrs in found.tags if tag == "svg" and "data-map" in attrs]
    assert [one["role"] for one in maps] == ["img", "img"]
    assert [
        attrs["href"] for tag, attrs in found.tags if tag == "a" and (attrs.get("href") or "").endswith(".pdf")
    ] == [f"{tmp_path.name}/tica.pdf"]
    assert "Energy landscape" not in Reader(run_page(run_content(tmp_path, landscape=None))).text


def test_the_page_holds_a_figure_as_vectors_if_that_is_small(tmp_path: Path) -> None:
    content = run_content(tmp_path)
    for name, size in (("tica", 1000), ("training", LARGEST_SVG + 1)):
        content.figures[name].with_suffix(".svg").write_bytes(b"<svg/>".ljust(size))
    found = Reader(run_page(content))
    assert found.problems == []
    sources = [attrs["src"] or "" for tag, attrs in found.tags if tag == "img"]
    assert sum(source.startswith("data:image/svg+xml;base64,") for source in sources) == 1
    links = [attrs.get("href") or "" for tag, attrs in found.tags if tag == "a"]
    assert len([link for link in links if link.endswith(".svg")]) == 2


def test_a_toy_without_figures_has_no_viewer_and_stays_small(tmp_path: Path) -> None:
    page = run_page(run_content(tmp_path, frames=frames("reduced"), notes=None, figures={}, structures=None))
    found = Reader(page)
    assert found.problems == []
    assert found.count("img") == 0
    assert b"3Dmol" not in page.replace(b"$3Dmol.", b"")
    assert "The run has no figures" in found.text
    assert len(page) < 40_000


def test_a_run_without_a_simulation_shows_the_reference(tmp_path: Path) -> None:
    whole = run_content(tmp_path)
    assert whole.structures is not None
    alone = replace(
        whole.structures,
        ensembles={"reference": whole.structures.ensembles["reference"]},
        trajectory=np.zeros((0, 10, 3)),
        replica=None,
    )
    found = Reader(run_page(replace(whole, structures=alone, facts=facts(simulation=None))))
    assert found.problems == []
    assert "A short trajectory" not in found.text
    assert "It was not simulated." in found.text


def test_with_tempering_the_trajectory_is_that_of_a_ladder(tmp_path: Path) -> None:
    whole = run_content(tmp_path)
    assert whole.structures is not None
    found = Reader(run_page(replace(whole, structures=replace(whole.structures, continuous=False))))
    assert "Ladder 2" in found.text
    assert "take turns" in found.text


def test_whatever_a_run_holds_stays_text(tmp_path: Path) -> None:
    evil = run_content(
        tmp_path,
        experiment=EVIL,
        run_id=EVIL,
        facts=facts(data=EVIL, start_from=EVIL),
        config={**CONFIG, "overrides": [f"a={EVIL}"]},
        metrics={**METRICS, EVIL: 1.0, "nan": float("nan"), "inf": float("inf")},
        notes=replace(NOTES, reference=EVIL),
        figures={EVIL: picture(tmp_path / "evil.png")},
        code={"version": EVIL, "commit": EVIL, "dirty": None},
    )
    harmless, found = Reader(run_page(run_content(tmp_path))), Reader(run_page(evil))
    assert found.problems == []
    assert found.count("script") == harmless.count("script")
    assert found.count("style") == harmless.count("style")
    assert found.count("img") == 1
    assert EVIL in found.text


def test_characters_that_no_file_can_hold_do_not_stop_it(tmp_path: Path) -> None:
    assert Reader(run_page(run_content(tmp_path, config={**CONFIG, "overrides": ["a=\udcff"]}))).problems == []


def test_the_command_can_be_pasted_into_a_shell() -> None:
    overrides = ["experiment=some", "+figures=none", "outputs=x", "logger=csv", "force=true", "a='$(rm -rf x)'"]
    assert command(overrides) == """cgexp run experiment=some 'a='"'"'$(rm -rf x)'"'"''"""
