"""Figures from synthetic curves. What they draw is compared with the numbers they were given."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from cgexp.analysis.curves import (
    ContactMap,
    Convergence,
    Distribution,
    ForceCurve,
    FreeEnergy,
    MarkovCurve,
    PlaneMaps,
    Pmf,
    Residuals,
    TicaMaps,
)
from cgexp.priors.term import PriorFit
from cgexp.report.figures import FIGURES, SUFFIXES, draw, save
from cgexp.report.style import COLOURS, make_log, panels
from cgexp.report.training_figures import TrainingCurve
from cgexp.runs.experiment import Parts

X = np.linspace(-3.8, 4.5, 51)
BINS = np.linspace(-2.0, 2.0, 11)


def tica_curve() -> TicaMaps:
    energy = np.add.outer(BINS[:-1] ** 2, BINS[:-1] ** 2)
    energy[0, 0] = np.nan
    return TicaMaps(
        reference=energy,
        reference_name="data (not an equilibrium reference)",
        model=0.5 * energy,
        difference=-0.5 * energy,
        difference_limit=4.0,
        model_outside=0.25,
        edges_ic1=BINS,
        edges_ic2=2.0 * BINS,
        highest=8.0,
    )


def plane_curve() -> PlaneMaps:
    x, y = np.meshgrid(BINS, BINS, indexing="ij")
    return PlaneMaps(BINS, BINS, energy=x**2 + 2.0 * y**2, error=np.abs(x), curl=x - y, curl_limit=4.0)


def distribution(label: str, unit: str) -> Distribution:
    density = np.exp(-(X**2))
    return Distribution(X, label, unit, "data", density, 0.2 * density, 0.9 * density, 0.1 * density)


def line(label: str, unit: str) -> FreeEnergy:
    energy, sem = X**2, np.full(51, 0.2)
    return FreeEnergy(
        X, label, unit, "data", energy, sem, model=0.5 * energy, model_sem=sem, outside=0.125,
        difference=-0.5 * energy, difference_sem=sem,
    )  # fmt: skip


def contact_curve() -> ContactMap:
    probability = np.add.outer(np.arange(5), np.arange(5)) / 10.0
    probability[np.abs(np.subtract.outer(np.arange(5), np.arange(5))) < 3] = np.nan
    labels = ["G1", "P2", "A3", "G4", "W5"]
    return ContactMap(probability, labels, 6.5, "data", model=0.5 * probability, difference=-0.5 * probability)


def convergence_curve() -> Convergence:
    return Convergence(
        start=np.arange(4.0), stop=np.arange(4.0) + 1.0, w1=np.array([0.5, 0.4, 0.3, 0.3]),
        w1_sem=np.full(4, 0.05), folded=np.array([0.0, 0.1, 0.2, 0.2]), folded_sem=np.full(4, 0.02),
        folded_limit=np.array([0.06, np.nan, np.nan, np.nan]), folded_reference_sem=0.1,
        burn_in=0.5, resolution=0.25, folded_reference=0.15, reference_name="data",
    )  # fmt: skip


def msm_curve() -> MarkovCurve:
    observed = np.array([[0.9, 0.8], [0.8, 0.7]])
    return MarkovCurve(
        lags=np.array([1.0, 2.0, 4.0]), timescales=np.array([[9.0, 3.0], [10.0, np.nan], [10.0, 4.0]]),
        timescales_low=np.full((3, 2), 2.0), timescales_high=np.full((3, 2), 20.0), lag=2.0, length=30.0,
        multiples=np.array([2.0, 4.0]), predicted=observed + 0.01, observed=observed,
        observed_low=observed - 0.1, observed_high=observed + 0.05, populations=np.array([0.75, 0.25]),
        centres=np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 1.0]]), cluster_set=np.array([0, 1, -1]),
        cluster_share=np.array([0.7, 0.2, 0.1]), folded=[0.5, 0.0],
    )  # fmt: skip


def all_curves() -> dict[str, Any]:
    line_force = -2 * X
    fit = X**2
    return {
        "pmf": Pmf(X, X**2, X**2 + 0.1, True, X[::5], X[::5] ** 2, 0.1 * np.ones(11)),
        "force": ForceCurve(X, line_force, line_force + 0.1, X, line_force + 1),
        "residuals": Residuals(X, line_force, line_force + 0.1, np.full(51, 0.1)),
        "plane": plane_curve(),
        "tica": tica_curve(),
        "distributions": {"bond": distribution("bond", "Å"), "angle": distribution("angle", "rad"),
                          "rg": distribution("radius of gyration", "Å"), "rmsd": distribution("RMSD", "Å")},
        "free_energy": {"ic1": line("IC 1", "TICA units"), "rmsd": line("CA RMSD to native", "Å")},
        "contacts": contact_curve(),
        "convergence": convergence_curve(),
        "msm": msm_curve(),
        "training": TrainingCurve(
            np.arange(1, 11), np.geomspace(2, 0.4, 10), "(kT/length)²", np.geomspace(2, 0.5, 10),
            zero_force=2.0, prior_only=1.5, noise_floor=0.33,
        ),
        "prior_fit": {
            "bonds": PriorFit(X, *[np.stack([fit, fit], 1)] * 2, "bond length", "Å", middle=np.array([0.5, 1.5])),
            "wall": PriorFit(X, fit, fit, "x", "length"),
        },
        "a curve that nothing draws": {"x": X},
    }  # fmt: skip


def one(name: str) -> Figure:
    return draw({name: all_curves()[name]})[name]


def labels(figure: Figure) -> list[str]:
    return [text for axes in figure.axes for text in (axes.get_xlabel(), axes.get_ylabel()) if text]


def test_every_curve_becomes_a_figure_with_labelled_axes() -> None:
    figures = draw(all_curves())
    assert set(figures) == set(FIGURES)
    for name, figure in figures.items():
        for axes in figure.axes:
            shared = name in ("tica", "free_energy") or axes.get_label() == "<colorbar>" or not axes.axison
            assert shared or (axes.get_xlabel() and axes.get_ylabel()), name
        assert any("(" in label for label in labels(figure)), f"{name} has no unit on any axis"


def test_lines_are_the_numbers_given() -> None:
    (axes,) = one("pmf").axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert np.array_equal(lines["exact"].get_ydata(), X**2)
    assert np.array_equal(lines["model"].get_ydata(), X**2 + 0.1)
    assert lines["exact"].get_color() == "black"


def test_densities_of_both_sides_have_a_band() -> None:
    figure = one("distributions")
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["data ± s.e.m.", "simulation ± s.e.m."]
    _, reference, model = figure.axes[0].collections  # the first fills the reference
    assert reference.get_paths()[0].get_extents().ymax == pytest.approx(1.2, abs=0.001)
    assert model.get_paths()[0].get_extents().ymax == pytest.approx(1.0, abs=0.001)


def test_optional_parts_may_be_absent() -> None:
    curves = all_curves()

    def without(curve: Any, *names: str, **changes: Any) -> Any:
        return replace(curve, **dict.fromkeys(names), **changes)

    curves["pmf"] = without(curves["pmf"], "bin_x", "simulation", "simulation_sem", conservative=False)
    curves["force"] = without(curves["force"], "data_x", "data")
    for name in ("tica", "contacts"):
        curves[name] = without(curves[name], "model", "difference")
    sides = ("model", "model_sem", "difference", "difference_sem")
    curves["free_energy"] = {name: without(curve, *sides) for name, curve in curves["free_energy"].items()}
    percentiles = [field.name for field in fields(MarkovCurve) if field.name.endswith(("_low", "_high"))]
    curves["msm"] = without(curves["msm"], *percentiles)
    curves["convergence"] = without(curves["convergence"], "burn_in", "resolution", w1_sem=np.full(4, np.nan))
    sides = ("model", "model_sem", "reference_sem")
    curves["distributions"] = {name: without(curve, *sides) for name, curve in curves["distributions"].items()}
    curves["training"] = without(curves["training"], "validation", "prior_only", noise_floor=0.0)
    curves["prior_fit"] = {}
    figures = draw(curves)
    assert "prior_fit" not in figures
    assert len(figures["tica"].axes) == len(figures["contacts"].axes) == 2, "one map and its colour bar"
    assert len(figures["free_energy"].axes) == 2, "no row of differences"
    assert [text.get_text() for text in figures["convergence"].axes[0].get_legend().get_texts()] == ["window ± s.e.m."]
    legend = [text.get_text() for text in figures["training"].axes[0].get_legend().get_texts()]
    assert legend == ["training", "zero force"]
    assert "integrated force" in figures["pmf"].axes[0].get_legend().get_texts()[1].get_text()


def test_both_maps_share_bins_and_colours() -> None:
    first, second, third, *_ = one("tica").axes
    meshes = [axes.collections[0] for axes in (first, second)]
    assert [mesh.get_clim() for mesh in meshes] == [(0.0, 8.0), (0.0, 8.0)]
    assert first.get_xlim() == second.get_xlim() == (-2.0, 2.0)
    assert first.get_ylim() == (-4.0, 4.0)
    # pcolormesh takes [row, column] = [IC 2, IC 1]
    assert np.nan_to_num(meshes[0].get_array()[3, 1]) == tica_curve().reference[1, 3]
    assert "25.0%" in second.get_title()
    difference = third.collections[0]
    assert difference.get_clim() == (-4.0, 4.0)
    assert difference.get_array()[3, 1] == tica_curve().difference[1, 3]


def test_free_energies_stand_above_their_difference() -> None:
    axes = one("free_energy").axes
    reference, model = axes[1].get_lines()
    assert np.array_equal(reference.get_ydata(), X**2)
    assert np.array_equal(model.get_ydata(), 0.5 * X**2)
    zero, difference = axes[3].get_lines()
    assert np.array_equal(difference.get_ydata(), -0.5 * X**2)
    assert list(zero.get_ydata()) == [0.0, 0.0]
    assert "12.5%" in axes[1].get_title()
    assert axes[3].get_xlabel() == "CA RMSD to native (Å)"


def test_contact_maps_name_their_residues_and_differences_are_symmetric() -> None:
    reference, model, difference, *_ = one("contacts").axes
    images = [axes.get_images()[0] for axes in (reference, model, difference)]
    largest = np.nanmax(np.abs(contact_curve().difference))
    assert [image.get_clim() for image in images] == [(0.0, 1.0), (0.0, 1.0), (-largest, largest)]
    assert np.nan_to_num(images[2].get_array())[4, 0] == contact_curve().difference[4, 0]
    assert [text.get_text() for text in reference.get_xticklabels()] == contact_curve().labels


def test_convergence_shows_windows_and_the_resolution() -> None:
    distance, folded = one("convergence").axes
    assert list(distance.get_lines()[0].get_ydata()) == [0.5, 0.4, 0.3, 0.3]
    assert list(distance.get_lines()[0].get_xdata()) == [0.5, 1.5, 2.5, 3.5]
    assert list(distance.get_lines()[-1].get_ydata()) == [0.25, 0.25]
    assert list(folded.get_lines()[-1].get_ydata()) == [0.15, 0.15]


def test_a_markov_model_shows_timescales_test_and_states() -> None:
    scales, test, plane = one("msm").axes
    assert list(scales.get_lines()[0].get_ydata()) == [9.0, 10.0, 10.0]
    continuous = replace(msm_curve(), reference_lags=np.array([1.0, 2.0]), reference_timescales=np.full((2, 2), 7.0))
    assert list(draw({"msm": continuous})["msm"].axes[0].get_lines()[1].get_ydata()) == [7.0, 7.0]
    assert list(test.get_lines()[0].get_ydata()) == pytest.approx([1.0, 0.91, 0.81])
    names = [text.get_text() for text in plane.get_legend().get_texts()]
    assert names == ["not connected", "state 1: 75%, 50% of it folded", "state 2: 25%, 0% of it folded"]


def test_maps_of_the_plane_have_x_to_the_right_and_labelled_colour_bars() -> None:
    axes = one("plane").axes
    error, curl = axes[1].collections[0], axes[2].collections[0]
    assert np.array_equal(error.get_array(), plane_curve().error.T)  # pcolormesh takes [row, column] = [y, x]
    assert np.array_equal(curl.get_array(), plane_curve().curl.T)
    assert curl.get_clim() == (-4.0, 4.0)
    bars = [bar.get_ylabel() for bar in axes[3:]]
    assert bars == ["exact potential (kT)", "|model - exact force| (kT/length)", "curl of the model (kT/length²)"]


def test_a_level_far_from_the_losses_is_a_number_so_that_these_do_not_look_flat() -> None:
    curve = TrainingCurve(np.arange(4), np.array([80.5, 80.2, 80.1, 80.0]), "", zero_force=169.0, prior_only=81.0)
    axes = draw({"training": curve})["training"].axes[0]
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert texts == ["training", "zero force: 169, above", "prior alone"]
    assert axes.get_ylim()[1] < 90.0


def test_the_coordinates_of_a_prior_term_have_colours_along_the_chain() -> None:
    bonds, wall, bar = one("prior_fit").axes
    colours = [line.get_color() for line in bonds.get_lines()]
    assert np.array_equal(colours[0], colours[1]), "data and fit of one bond"
    assert not np.array_equal(colours[1], colours[3])
    assert wall.get_lines()[1].get_color() == COLOURS["prior"]
    assert "bead in the chain" in bar.get_ylabel()


@pytest.mark.parametrize("name", ["pmf", "tica"])
def test_files_are_whole_and_the_same_every_time(tmp_path: Path, name: str) -> None:
    contents = []
    for folder in ("first", "second"):
        paths = save(one(name), tmp_path / folder, name, SUFFIXES["all"])
        assert [path.name for path in paths] == [f"{name}.png", f"{name}.pdf", f"{name}.svg"]
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]
    assert contents[0][0].startswith(b"\x89PNG")
    assert contents[0][1].startswith(b"%PDF")
    assert b"<svg" in contents[0][2]


def test_the_setting_names_the_files() -> None:
    assert set(SUFFIXES) == set(get_args(get_type_hints(Parts)["figures"]))
    assert all("png" in suffixes for name, suffixes in SUFFIXES.items() if name != "none")  # the page shows it


def test_numbers_of_a_logarithmic_axis_do_not_collide() -> None:
    figure, (narrow, wide) = panels(1, 2)
    for axes, limits in ((narrow, (2.0, 70.0)), (wide, (1e-4, 1e3))):
        make_log(axes.yaxis)
        axes.set_ylim(limits)
    figure.canvas.draw()
    assert {"2", "5", "10", "20", "50"} <= {label.get_text() for label in narrow.get_yticklabels()}
    assert {label.get_text() for label in wide.get_yticklabels()} <= {f"{10.0**n:g}" for n in range(-8, 8)}
    assert not any(label.get_text() for label in narrow.get_yticklabels(minor=True))


def test_global_style_is_left_alone() -> None:
    before = dict(mpl.rcParams)
    draw(all_curves())
    assert dict(mpl.rcParams) == before


def test_a_matplotlibrc_of_the_user_changes_no_byte(tmp_path: Path) -> None:
    drawn = {}
    for name, settings in (("plain", {}), ("own", {"text.usetex": True, "font.size": 30, "axes.facecolor": "red"})):
        with mpl.rc_context(settings):
            (figure,) = draw({"plane": plane_curve()}).values()
            drawn[name] = [path.read_bytes() for path in save(figure, tmp_path / name, "plane")]
    assert drawn["own"] == drawn["plain"]
