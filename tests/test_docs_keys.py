"""No page speaks of a config key or option that does not exist."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from cgexp.config.paths import group_options, groups
from cgexp.parts.signatures import read_signature

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from website import mirror, reference  # noqa: E402

PAGES = [*mirror.pages(ROOT), Path("README.md")]
PAST = ("CHANGELOG.md",)  # speaks of what was
OTHERS = ("logger.wandb.id",)  # keys of another package that a page compares with: lightning-hydra-template
FILES = ("py", "json", "npz", "csv", "yaml", "md", "pdb", "safetensors", "cpp", "png", "html", "zip", "dcd", "xyz")
GROUPS = "|".join(group for group in groups() if "/" not in group and group not in ("experiment", "debug"))
NAMED = re.compile(rf"(?<![\w./-])(?P<key>(?:{GROUPS})(?:\.\w+)+)(?P<after>.?)")
CHOSEN = re.compile(
    rf"(?<![\w./-])(?P<group>{GROUPS}|experiment|debug|dataset/protocol)=(?P<option>[a-z]\w*)(?![\w.(])"
)


@cache
def known_keys(group: str) -> frozenset[str]:
    """All keys of all options of a group: those in its files, and the arguments of the classes that they name."""
    found: set[str] = set()
    below = [name for name in groups() if name.startswith(f"{group}/")]
    for name in (group, *below):
        place = name.replace("/", ".")
        for option in group_options(name):
            text = reference.text_of(name, option)
            found |= {f"{place}.{key.path}" for key in reference.keys(text)}
            for node, target in reference.classes_of(text).items():
                signature = read_signature(target)
                names = signature.parameters if signature else ()
                found |= {".".join(part for part in (place, node, argument) if part) for argument in names}
    return frozenset(found)


def spoken_of(text: str) -> Iterator[str]:
    """What stands in inline code, and in blocks of commands and of YAML."""
    for language, block in re.findall(r"^ *```(\w*)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        if language in ("bash", "console"):
            lines = block.splitlines()
            errors = {i for i, line in enumerate(lines) if line.startswith("cgexp: ")}
            yield from (
                line for i, line in enumerate(lines) if not {i, i + 1} & errors
            )  # nor the command that it refuses
    yield from re.findall(r"`([^`]+)`", re.sub(r"^ *```.*?^ *```", "", text, flags=re.MULTILINE | re.DOTALL))


def unknown_keys(text: str) -> list[str]:
    """Keys and options in a page that no file of conf/ and no class has."""
    wrong = []
    for words in spoken_of(text):
        for match in NAMED.finditer(words):
            key = match["key"]
            if match["after"] == "(" or key in OTHERS or key.rpartition(".")[2] in FILES:
                continue
            known = known_keys(key.partition(".")[0])
            if key not in known and not any(name.startswith(f"{key}.") for name in known):
                wrong.append(key)
        for match in CHOSEN.finditer(words):
            made_there = f"conf/{match['group']}/{match['option']}.yaml" in text
            if not made_there and match["option"] not in [*group_options(match["group"]), "null"]:
                wrong.append(match[0])
    return wrong


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in PAST], ids=str)
def test_a_page_speaks_of_keys_that_exist(page: Path) -> None:
    assert unknown_keys((ROOT / page).read_text(encoding="utf-8")) == []


def test_a_key_that_does_not_exist_is_found() -> None:
    text = "`trainer.max_epoch=3`, `model=cgnets` and `simulation.json`, `prior.terms.bonds`\n"
    text += "```bash\ncgexp run loss.x=1 model=mine\n```\n`conf/model/mine.yaml`"
    assert unknown_keys(text) == ["loss.x", "trainer.max_epoch", "model=cgnets"]
