"""What all pages have in common: escaped, small, the same bytes each time."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgexp.report.figures import FIGURES
from cgexp.report.html import HERE, caption_of, pictures, smaller, words
from tests.report.pages import Reader, picture


def test_a_figure_is_captioned_by_its_function_and_another_by_its_name() -> None:
    for name in FIGURES:
        assert caption_of(name).endswith("."), name
        assert caption_of(name) != words(name)
    assert caption_of("learning_curves") == "Learning curves"


def test_pictures_are_inside_the_page_in_the_order_and_the_size_of_the_figures(tmp_path: Path) -> None:
    images = {name: picture(tmp_path / f"{name}.png") for name in ("b", "a")}
    found = pictures(images, {"b": "what it is"})
    assert [one.caption for one in found] == ["What it is", "A"]
    assert (found[0].width, found[0].height) == (96, 64)  # of 150 x 100 at 150 dpi
    kind, _, data = found[0].source.partition(",")
    assert kind == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).size == (150, 100)


def test_a_picture_with_few_colours_loses_nothing_and_others_little() -> None:
    rng = np.random.default_rng(0)
    few = rng.integers(0, 3, size=(80, 80, 3)).astype(np.uint8) * 100
    smooth = np.linspace(0, 255, 300).astype(np.uint8)[None, :, None].repeat(3, axis=2).repeat(50, axis=0)
    for pixels, most in ((few, 0), (smooth, 8)):
        after = np.asarray(Image.open(io.BytesIO(smaller(Image.fromarray(pixels)))).convert("RGB"))
        assert np.abs(after.astype(int) - pixels).max() <= most


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        (b'<html lang="en"><p><div></div></p></html>', "<div> inside <p>"),
        (b'<html lang="en"><b><i></b></i></html>', "</b> closes another"),
        (b'<html lang="en"><a href="#x">x</a></html>', "<a> refers to x, which is nowhere"),
        (b'<html lang="en"><a href="//x.org">x</a></html>', "<a> leads to the network: //x.org"),
        (b'<html lang="en"><img src="data:,"></html>', "an image without alternative text"),
        (b'<html lang="en"><b id="a"></b><b id="a"></b></html>', "id a stands twice"),
        (b"<p>x</p>", "no <html lang>"),
    ],
)
def test_the_reader_of_these_tests_finds_mistakes(page: bytes, problem: str) -> None:
    assert problem in Reader(page).problems


def test_style_and_script_ask_for_nothing() -> None:
    for name in ("report.css", "report.js"):
        text = (HERE / "templates" / name).read_text()
        for word in ("http:", "https:", "url(", "@import", "fetch(", "XMLHttpRequest", "innerHTML", "eval("):
            assert word not in text, (name, word)
