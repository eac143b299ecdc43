"""Small pages to test, and a reader of HTML that is stricter than browsers are."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cgexp.analysis.curves import Notes, TicaMaps
from cgexp.analysis.representatives import Representative
from cgexp.analysis.structures import REFERENCE, SIMULATION, Structures
from cgexp.analysis.tiles import InPlane, Landscape, landscape
from cgexp.frames import Frames
from cgexp.report.html_run import RunContent
from cgexp.report.html_study import RunOfStudy, StudyContent
from cgexp.report.html_summary import RunFacts
from cgexp.simulation.integrators import Baoab
from cgexp.simulation.simulation import Simulation
from cgexp.systems.peptide import Peptide

EVIL = "</script></style><script>window.hit = 1</script>\"'><img src=x onerror='window.hit = 1'>&amp;{{ 7 * 7 }}"
CODE = {"version": "0.1.0", "commit": "0123456789abcdef", "dirty": False}
VOID = {"meta", "link", "img", "input", "br", "wbr"}
# what must not stand inside a paragraph: a browser would end it there
BLOCKS = {"p", "div", "table", "figure", "section", "pre", "details", "h1", "h2", "h3", "header", "main", "footer"}


CONFIG: dict[str, Any] = {
    "dataset": {"name": "some_data", "units": "molecular"},
    "model": {"_target_": "cgexp.models.cgnet.CGnet"},
    "prior": {"terms": {"bonds": {}, "angles": {}, "repulsion": {}}},
    "trainer": {"start_from": None},
    "simulation": {"n_replicas": 4, "n_steps": 1000, "dt": 0.002, "burn_in": 0.1},
    "analysis": {"n_bootstrap": 20, "seed": 0},
    "choices": {"experiment": "some", "debug": "none"},
    "overrides": ["experiment=some", "model.width=64", "outputs=elsewhere", "+force=true"],
    "seed": 1,
}


def simulation(**changes: Any) -> Simulation:
    settings = {"integrator": Baoab(1.0), "dt": 0.002, "temperature": 300.0, "n_replicas": 4, "n_steps": 1000}
    return Simulation(**{**settings, "save_every": 10, **changes})


def facts(**changes: Any) -> RunFacts:
    return replace(RunFacts("some_data", "CGnet", ["bonds", "angles", "repulsion"], simulation()), **changes)


def frames(units: str = "molecular") -> Frames:
    system = Peptide()
    n_beads, n_dims = (system.n_beads, 3) if units == "molecular" else (1, 1)
    return Frames(
        coords=np.zeros((6, n_beads, n_dims)),
        bead_types=np.zeros(n_beads, dtype=int),
        block=np.zeros(6, dtype=int),
        units=units,
        temperature=300.0 if units == "molecular" else 1.0,
        system=system.name,
        source="a test",
        force_map="optimal",
    )


def structures(n_shown: int = 3, seed: int = 0) -> Structures:
    native, rng = Peptide().native(), np.random.default_rng(seed)
    kept = [
        Representative("folded", 0.25, 0.05, 1.0, 0.5, 25),
        Representative("unfolded", 0.75, 0.05, 4.0, 2.0, 75),
    ]
    ensembles = {
        REFERENCE: (kept, native + rng.normal(size=(2, *native.shape))),
        SIMULATION: (kept[:1], native + rng.normal(size=(1, *native.shape))),
    }
    played = native + rng.normal(size=(n_shown, *native.shape))
    return Structures(tuple(Peptide().sequence), native, ensembles, played, 0.5 * np.arange(n_shown), 2)


def maps() -> TicaMaps:
    """The reference has visited the lower half of 8 by 8 bins, the simulation the left half."""
    edges, x = np.linspace(-2.0, 2.0, 9), np.linspace(0.0, 3.5, 8)
    energy = np.add.outer(x, x)
    below, left = np.where(np.arange(8) < 4, energy, np.nan), np.where(np.arange(8)[:, None] < 4, energy, np.nan)
    return TicaMaps(below, "some_ensemble", edges, edges, highest=7.0, model_outside=0.0, model=left)


def plane(n_frames: int = 400, seed: int = 0) -> Landscape:
    """Frames near the native structure, spread over the map."""
    native, rng = Peptide().native(), np.random.default_rng(seed)
    found = {}
    for name, column in ((REFERENCE, 1), (SIMULATION, 0)):
        ics = rng.uniform(-2.0, 2.0, size=(n_frames, 2))
        ics[:, column] = -np.abs(ics[:, column])
        size = np.linspace(0.1, 3.0, n_frames)[:, None, None]
        found[name] = InPlane(ics, native + size * rng.normal(size=(n_frames, *native.shape)), np.ones(n_frames))
    return landscape(maps(), found, native, native)


METRICS = {
    "w1_tica": 0.5, "w1_tica_sem": 0.1, "w1_tica_resolution": 0.45, "folded_fraction": 0.25, "replicas_failed": 0.0,
    "loss_validation": 60.0, "epochs": 8.0, "checkpoint_epoch": 7.0, "n_parameters": 44800.0, "train_seconds": 12.5,
}  # fmt: skip
NOTES = Notes("some_ensemble", reference_is_equilibrium=True, n_frames_reference=6000, tica_lag_ps=2.0)
PROVENANCE = {
    "data": {"content_hash": "abc123", "path": None},
    "stages": {
        "prior": {"code": CODE, "finished": "2026-01-01T00:00:00+00:00"},
        "train": {"code": {**CODE, "dirty": True}, "kernel": "auto", "threads": 1, "libraries": {"torch": "2.6"}},
    },
}


def picture(path: Path) -> Path:
    gradient = np.linspace(0, 255, 150 * 100 * 3).reshape(100, 150, 3).astype(np.uint8)
    Image.fromarray(gradient).save(path)
    return path


def run_content(folder: Path, **changes: Any) -> RunContent:
    figures = {name: picture(folder / f"{name}.png") for name in ("tica", "training")}
    content = RunContent(
        "some",
        "0123abcdef",
        facts(),
        CONFIG,
        METRICS,
        frames(),
        PROVENANCE,
        CODE,
        NOTES,
        figures,
        structures(),
        plane(),
    )
    return replace(content, **changes)


def study_content(folder: Path, **changes: Any) -> StudyContent:
    values = {"narrow": [0.3, 0.1, 0.2], "wide": [0.03, 0.02, 0.01]}
    runs = [
        RunOfStudy(arm, seed, f"{arm}-{seed}", {"w1_tica": value}, f"../../some/{arm}-{seed}/report.html", structures())
        for arm, found in values.items()
        for seed, value in enumerate(found, start=1)
    ]
    content = StudyContent(
        title="What the width does",
        command="cgexp reproduce widths",
        columns=["w1_tica", "folded_fraction"],
        units="molecular",
        arms=[(arm, {"w1_tica": found}) for arm, found in values.items()],
        runs=runs,
        expected={"narrow.w1_tica": ("mean", 0.0, 0.25), "wide.w1_tica": ("each", None, 0.025)},
        numbers={f"{arm}.w1_tica": found for arm, found in values.items()},
        code=CODE,
        figures={"widths": picture(folder / "widths.png")},
    )
    return replace(content, **changes)


class Reader(HTMLParser):
    """Reads a page and notes what is wrong with it: nesting, ids, labels, links, alternative texts, heads of tables."""

    def __init__(self, page: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page.decode())
        self.close()
        self.problems += [f"<{tag}> is not closed" for tag in self._open]
        self._check_references()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if len(found) < len(attrs):
            self.problems.append(f"<{tag}> has an attribute twice: {attrs}")
        if tag in BLOCKS and "p" in self._open:
            self.problems.append(f"<{tag}> inside <p>")
        if tag == "img" and not found.get("alt"):
            self.problems.append("an image without alternative text")
        if tag == "th" and found.get("scope") not in ("col", "row"):
            self.problems.append("a head of a table without scope")
        for name in ("src", "href", "action", "srcset", "background", "poster", "data"):
            if "//" in (found.get(name) or "").split("base64,")[0]:
                self.problems.append(f"<{tag}> leads to the network: {found[name]}")
        self.problems += [f"<{tag}> has {name}" for name in found if name.startswith("on")]
        self.tags.append((tag, found))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.problems.append(f"</{tag}> closes another")

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] not in ("script", "style"):
            self.text += data

    def _check_references(self) -> None:
        ids = [found["id"] for _, found in self.tags if "id" in found]
        self.problems += [f"id {one} stands twice" for one in set(ids) if ids.count(one) > 1]
        for tag, found in self.tags:
            wanted = [(found.get(name) or "") for name in ("for", "aria-labelledby", "data-filters")]
            wanted.append(
                (found.get("href") or "").removeprefix("#") if (found.get("href") or "").startswith("#") else ""
            )
            self.problems += [f"<{tag}> refers to {one}, which is nowhere" for one in wanted if one and one not in ids]
        if not self.tags or self.tags[0][0] != "html" or not self.tags[0][1].get("lang"):
            self.problems.append("no <html lang>")

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)
