"""Checks the links of a built site: each file is there, and in it the element that the link names."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    """Links and names of a page, and what a browser loads with it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and name in ("href", "src"):
                self.links.append(value)
                if name == "src" or tag == "link":
                    self.loaded.append(value)
            elif value and name in ("id", "name"):
                self.names.add(value)


def loaded(text: str) -> list[str]:
    """What a browser asks for when it shows a page: scripts, styles, pictures."""
    return _Page(text).loaded


def broken_links(site: Path) -> Iterator[str]:
    """A line for each link within the site that leads nowhere."""
    pages = {path.resolve(): _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            missing = not target.exists()
            if not missing and parts.fragment and target in pages:
                missing = unquote(parts.fragment) not in pages[target].names
            if missing:
                yield f"{path.relative_to(site.resolve())}: {link}"
