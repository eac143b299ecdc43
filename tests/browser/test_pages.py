"""Pages in a real browser: nothing is asked of the network, nothing goes wrong, tables sort, structures are drawn."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgexp.report.html import Cell, Table
from cgexp.report.html_comparison import comparison_page
from cgexp.report.html_run import run_page
from cgexp.report.html_search import search_page
from cgexp.report.html_study import study_page
from tests.browser.chromium import BROWSER, Page, chromium
from tests.report.comparisons import comparison_content, made
from tests.report.pages import CONFIG, EVIL, METRICS, facts, run_content, structures, study_content

pytestmark = [pytest.mark.skipif(not BROWSER, reason="there is no Chromium"), pytest.mark.timeout(600)]
NARROW, WIDE = 390, 1100


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    content = run_content(folder, structures=structures(n_shown=20))
    (folder / "run.html").write_bytes(run_page(content))
    evil = replace(content, experiment=EVIL, facts=facts(data=EVIL), config={**CONFIG, "overrides": [EVIL]})
    (folder / "evil.html").write_bytes(run_page(evil))
    (folder / "study.html").write_bytes(study_page(study_content(folder)))
    arms = made({"width": [20.0, 40.0, 400.0], "kind": ["a", EVIL], "clip": [None, 1.0]})
    (folder / "comparison.html").write_bytes(comparison_page(comparison_content(arms, folder)))
    trials = Table("trials", "Trials", ["trial", "w1_x", "kind"], [[Cell("0", 0), Cell("0.5", 0.5), Cell(EVIL)]])
    plot = {"data": [{"x": [EVIL, "b"], "y": [1, 2]}], "layout": {"yaxis": {"title": {"text": "w1_x"}}}}
    plots = {"One plot": json.dumps(plot), "Another": json.dumps(plot)}
    (folder / "search.html").write_bytes(
        search_page("A search", [EVIL], trials, plots, {"version": "1", "commit": None})
    )
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with chromium(tmp_path_factory.mktemp("browser") / "profile") as page:
        yield page


@pytest.fixture
def page(browser: Page) -> Iterator[Page]:
    """The browser's tab; a test fails if a script complained, or if anything but the file itself was asked for."""
    browser.console.clear()
    browser.requests.clear()
    yield browser
    # a software renderer tells of its own haste
    assert [text for text in browser.console if not text.startswith("[.WebGL-")] == []
    assert [address for address in browser.requests if not address.startswith(("file:", "data:"))] == []
    assert len({address for address in browser.requests if address.startswith("file:")}) == 1


def drawn(page: Page) -> None:
    page.wait("document.getElementById('view').dataset.drawn === 'yes'")


def pixels(page: Page, selector: str) -> np.ndarray:
    """What an element looks like: [height, width, 3]."""
    page.middle(selector)
    box = page.evaluate(f"(() => {{ const r = document.querySelector('{selector}').getBoundingClientRect();"
                        "return [r.left, r.top, r.right, r.bottom]; })()")  # fmt: skip
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB").crop([round(x) for x in box]), dtype=int)


def coloured(image: np.ndarray) -> int:
    """How many pixels are neither grey nor nearly so."""
    return int(((image.max(axis=-1) - image.min(axis=-1)) > 60).sum())


def column(page: Page, table: str, index: int = 0) -> list[str]:
    cells = f"#{table} tbody tr:not([hidden])"
    found: list[str] = page.evaluate(
        f"[...document.querySelectorAll('{cells}')].map((r) => r.cells[{index}].textContent)"
    )
    return found


def test_structures_are_drawn_turned_and_played(page: Page, folder: Path) -> None:
    page.open(folder / "run.html", WIDE)
    drawn(page)
    assert page.evaluate("document.querySelectorAll('#view canvas').length") == 1
    before = pixels(page, "#view")
    assert coloured(before) > 3000
    page.drag("#view", 150)
    page.wait("true")
    after = pixels(page, "#view")
    assert np.abs(after - before).max() > 60, "a drag turns them"
    quarters = [before[:, i : i + before.shape[1] // 2] for i in (0, before.shape[1] // 2)]
    assert all(coloured(part) > 500 for part in quarters)

    assert coloured(pixels(page, "#stage")) > 1000
    first = page.evaluate("document.getElementById('time').textContent")
    page.click("#play")
    page.wait(f"document.getElementById('time').textContent !== '{first}'")
    assert page.evaluate("document.getElementById('play').textContent") == "Pause"
    page.click("#play")
    assert page.evaluate("document.getElementById('play').getAttribute('aria-pressed')") == "false"
    page.evaluate("document.getElementById('frame').focus()")
    page.press("End", 35)
    assert page.evaluate("document.getElementById('time').textContent").startswith("9.5 ps, ")
    page.press("Home", 36)
    assert page.evaluate("document.getElementById('time').textContent") == first


@pytest.mark.parametrize(("width", "dark"), [(WIDE, False), pytest.param(NARROW, True, marks=pytest.mark.slow)])
def test_a_place_of_the_landscape_shows_its_frame(page: Page, folder: Path, width: int, dark: bool) -> None:
    page.open(folder / "run.html", width, dark=dark)
    drawn(page)
    note = "document.getElementById('place-note').textContent"
    assert page.evaluate(note).startswith("simulation: ")
    assert coloured(pixels(page, "#place")) > 500
    page.click("#map-0 + .controls button")
    first = page.evaluate(note)
    assert first.startswith("reference: ")
    assert page.evaluate("document.querySelector('#map-0 .chosen').getAttribute('visibility')") == "visible"
    page.evaluate("document.getElementById('map-0').focus()")
    page.press("ArrowRight", 39)
    assert page.evaluate(note) != first
    page.click("#map-1")  # its middle is the corner of visited tiles
    assert page.evaluate(note).startswith("simulation: ")
    assert page.evaluate("document.querySelector('#map-0 .chosen').getAttribute('visibility')") == "hidden"
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_tables_are_sorted_by_clicks_and_keys_and_filtered(page: Page, folder: Path) -> None:
    page.open(folder / "run.html", WIDE)
    as_written = column(page, "key")
    page.click("#key thead th:first-child button")
    assert column(page, "key") == sorted(as_written) != as_written
    assert page.evaluate("document.querySelector('#key thead th').getAttribute('aria-sort')") == "ascending"
    page.press("Enter", 13)  # the button has the focus
    assert column(page, "key") == sorted(as_written, reverse=True)

    page.click("#numbers summary")
    page.click("#metrics thead th:nth-child(2) button")
    values = [float(text) for text in column(page, "metrics", 1)]
    assert values == sorted(values)
    page.click("#metrics thead th:nth-child(3) button")
    assert column(page, "metrics", 2)[0] == "0.1", "empty cells stay below"
    page.click("#metrics thead th:nth-child(3) button")
    assert column(page, "metrics", 2)[0] == "0.1"
    page.click("#metrics-filter")
    page.type("LOSS val")
    assert column(page, "metrics") == ["loss_validation"]
    n_rows = len(METRICS) - 1  # an error stands beside its value
    assert page.evaluate("document.querySelector('#numbers [role=status]').textContent") == f"1 of {n_rows} rows"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["run", "study"])
@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_needs_no_sideways_scrolling(page: Page, folder: Path, name: str, dark: bool) -> None:
    page.open(folder / f"{name}.html", NARROW, dark=dark)
    drawn(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    assert (pixels(page, "h1").mean() < 100) == dark
    assert coloured(pixels(page, "#view")) > 2000
    assert page.evaluate(
        "getComputedStyle(document.querySelector('#view .labels')).gridTemplateColumns.split(' ').length"
    ) in (2, 3)


@pytest.mark.slow
def test_the_wheel_scrolls_the_page_over_the_structures(page: Page, folder: Path) -> None:
    page.open(folder / "run.html", WIDE)
    drawn(page)
    x, y = page.middle("#view")
    before, shown = page.evaluate("scrollY"), pixels(page, "#view")
    page.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=120)
    page.wait(f"scrollY > {before}")
    assert np.abs(pixels(page, "#view") - shown).max() < 60, "and does not change their size"


@pytest.mark.slow
def test_nothing_that_a_run_holds_is_executed(page: Page, folder: Path) -> None:
    page.open(folder / "evil.html", WIDE)
    drawn(page)
    assert page.evaluate("window.hit === undefined")
    assert page.evaluate("document.querySelector('h1').textContent").startswith(EVIL)


@pytest.mark.slow
def test_the_policy_of_a_page_forbids_requests(browser: Page, folder: Path) -> None:
    browser.open(folder / "run.html", WIDE)
    asked = (
        "new Promise((done) => {"
        "document.addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective));"
        "fetch('https://example.org/').catch(() => 0); })"
    )
    assert browser.evaluate(asked) == "connect-src"


@pytest.mark.slow
def test_without_scripts_all_is_there_but_the_view(page: Page, folder: Path) -> None:
    page.open(folder / "run.html", WIDE, scripts=False)
    text = page.evaluate("document.body.innerText")
    assert "The view in space needs JavaScript." in text
    assert "w1_tica" in text
    assert "misfolded" not in text
    assert "25.0 ± 5.0" in text


@pytest.mark.slow
def test_without_webgl_the_page_says_so(browser: Page, folder: Path) -> None:
    page = browser
    script = page.call(
        "Page.addScriptToEvaluateOnNewDocument", source="HTMLCanvasElement.prototype.getContext = () => null"
    )
    page.open(folder / "run.html", WIDE)
    page.wait("!document.getElementById('no-view').hidden")
    page.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script["identifier"])
    assert "does not show the structures" in page.evaluate("document.getElementById('no-view').textContent")
    assert page.evaluate("document.getElementById('view').hidden")


@pytest.mark.slow
def test_runs_of_an_experiment_can_be_found_and_opened(page: Page, folder: Path) -> None:
    page.open(folder / "study.html", WIDE)
    drawn(page)
    page.click("#runs thead th:nth-child(4) button")
    assert column(page, "runs")[0] == "wide-3"
    page.click("#runs-filter")
    page.type("narrow 2")
    assert "narrow-2" in column(page, "runs")
    assert "wide-1" not in column(page, "runs")
    href = page.evaluate("document.querySelector('#runs tbody tr:not([hidden]) a').href")
    assert href.startswith("file:")
    assert href.endswith("/report.html")


@pytest.mark.parametrize(("width", "dark"), [(WIDE, False), (WIDE, True), (NARROW, False)])
def test_a_comparison_is_drawn_for_the_metric_that_is_chosen(page: Page, folder: Path, width: int, dark: bool) -> None:
    pytest.importorskip("plotly")
    page.open(folder / "comparison.html", width, dark=dark)
    page.wait("document.getElementById('plots').dataset.drawn === 'yes'")
    plots = "[...document.querySelectorAll('.plot')].filter((plot) => plot.querySelector('svg'))"
    assert page.evaluate(f"{plots}.length") == 5
    title = "document.querySelector('#plot-parameter').layout.yaxis.title.text"
    assert page.evaluate(title) == "w1_x (length)"
    page.evaluate("(() => { const s = document.getElementById('metric'); s.value = 1;"
                  "s.dispatchEvent(new Event('change')); })()")  # fmt: skip
    assert page.evaluate(title) == "round_trips"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelectorAll('.plot script, .plot img').length") == 0
    assert page.evaluate("window.hit === undefined")


@pytest.mark.parametrize(("width", "dark"), [(WIDE, True), (NARROW, False)])
def test_the_plots_of_a_search_are_drawn(page: Page, folder: Path, width: int, dark: bool) -> None:
    pytest.importorskip("plotly")
    page.open(folder / "search.html", width, dark=dark)
    page.wait("document.getElementById('plots').dataset.drawn === 'yes'")
    assert page.evaluate("[...document.querySelectorAll('.plot')].filter((p) => p.querySelector('svg')).length") == 2
    assert page.evaluate("document.querySelector('#plot-0').layout.yaxis.title.text") == "w1_x"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("document.querySelectorAll('.plot script, .plot img').length") == 0
    assert page.evaluate("window.hit === undefined")
