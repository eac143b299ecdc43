"""Pages that a person opens: one file each, no network, the same bytes for the same content."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from inspect import getdoc
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from cgexp.report.figures import DPI, FIGURES

HERE = Path(__file__).parent
CSS_DPI = 96
VECTORS = ("PDF", "SVG")
LARGEST_SVG = 150_000  # bytes, of a figure that the page holds as vectors
# CSS pixels that a figure is wider than: three panels beside each other, then two
KINDS = {"widest": 1300, "wide": 860}
# Whatever a run's texts hold stays text: the templates escape all that they are given.
TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Cell:
    """One cell of a table: what it shows; the number it is sorted by, if not its text; where it leads; its looks."""

    text: str
    value: float | None = None
    link: str | None = None
    kind: str = ""  # 'number', 'unit', 'words', 'code', 'good' or 'bad'


@dataclass(frozen=True)
class Table:
    """A table that can be sorted by each column, and filtered if it is told so. The first cell of a row heads it."""

    name: str  # unique on the page
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    has_filter: bool = False


@dataclass(frozen=True)
class Picture:
    """A figure inside the page: what it shows, its image as an address that needs no file, and its size in CSS pixels.

    vectors: where the same lies as PDF and SVG: format -> link from the page.
    """

    caption: str
    source: str
    width: int
    height: int
    vectors: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """How much of a screen its letters need to be read: a class of report.css, or nothing for half of it."""
        return next((kind for kind, least in KINDS.items() if self.width > least), "")


def render(template: str, **content: Any) -> bytes:
    """A page as bytes: ``template`` in templates/ with ``content``, all of whose texts are escaped."""
    style, script = ((HERE / "templates" / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    return TEMPLATES.get_template(template).render(style=style, script=script, **content).encode("utf-8", "replace")


def pictures(
    images: Mapping[str, Path], captions: Mapping[str, str] | None = None, linked: bool = False
) -> list[Picture]:
    """Figures from their PNG files. Without ``captions``: the first sentence of the function that draws a figure.

    linked: whether the page lies beside the figures' folder, and leads to the vector files of each that has some. Of a
    figure whose SVG is small, the page holds that.
    """
    found = []
    for name, path in images.items():
        caption = caption_of(name) if captions is None else words(captions.get(name, name))
        with Image.open(path) as image:
            width, height = (round(pixels * CSS_DPI / DPI) for pixels in image.size)
            source = "data:image/png;base64," + base64.b64encode(smaller(image)).decode()
        files = {name: path.with_suffix(f".{name.lower()}") for name in VECTORS if linked}
        files = {name: file for name, file in files.items() if file.is_file()}
        if "SVG" in files and files["SVG"].stat().st_size <= LARGEST_SVG:
            source = "data:image/svg+xml;base64," + base64.b64encode(files["SVG"].read_bytes()).decode()
        links = {name: f"{file.parent.name}/{file.name}" for name, file in files.items()}
        found.append(Picture(caption, source, width, height, links))
    return found


def smaller(image: Image.Image) -> bytes:
    """An image as PNG with the 256 colours that cover its own best: a third of the bytes, and no difference to see."""
    palette = image.convert("RGB").quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    palette.save(buffer, "PNG")  # optimize=True takes seven times as long for 8 % fewer bytes
    return buffer.getvalue()


def caption_of(name: str) -> str:
    """What a figure of FIGURES shows, as its function says; the name of any other."""
    lines = (getdoc(FIGURES[name]) or "").splitlines() if name in FIGURES else []
    return lines[0] if lines else words(name)


def words(name: str) -> str:
    """A name as words: ``learning_curves`` -> ``Learning curves``."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]
