"""Words of the verbs that choose among runs: settings of the verb, conditions, folders and ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cgexp.errors import InputError, require_once
from cgexp.studies.catalogue import Entry
from cgexp.studies.query import Condition, chosen, conditions, unmet

COMPARES = ("=", "<", ">")


@dataclass(frozen=True)
class Words:
    """settings: key -> value, for the keys that the verb knows. where: conditions. places: all other words."""

    settings: dict[str, str]
    where: list[str]
    places: list[str]

    @classmethod
    def read(cls, words: Sequence[str], keys: Sequence[str]) -> Words:
        """Sort the words. Raises InputError for a setting without a value."""
        found = cls({}, [], [])
        for word in words:
            key, equals, value = word.partition("=")
            if key == "where" and equals:
                found.where.append(value)
            elif key in keys and equals:
                if not value:
                    raise InputError(f"{word} lacks a value: expected {key}=<value>")
                require_once(found.settings, key, word)
                found.settings[key] = value
            elif any(sign in word for sign in COMPARES) and not Path(word).is_dir():
                found.where.append(word)
            else:
                found.places.append(word)
        return found

    def entries(self) -> list[Entry]:
        """The runs that are meant. Raises InputError for a key that no run has."""
        return chosen(self._outputs, self.places, self._conditions)

    def some(self) -> list[Entry]:
        """The same, at least one. Raises InputError that says which conditions hold of none."""
        entries = self.entries()
        if not entries and (unmet := self.unmet()):
            raise InputError("; ".join(unmet))
        return entries

    def unmet(self) -> list[str]:
        """Where no run is meant: a sentence for each condition that holds of none."""
        return unmet(chosen(self._outputs, self.places, []), self._conditions)

    @property
    def _outputs(self) -> Path:
        return Path(self.settings.get("outputs", "outputs"))

    @property
    def _conditions(self) -> list[Condition]:
        return [condition for text in self.where for condition in conditions(text)]


def listed(text: str, key: str) -> list[str]:
    """The parts of ``a,b,c``. Raises InputError for an empty part."""
    parts = [part.strip() for part in text.strip("[]").split(",")]
    if not all(parts):
        raise InputError(f"{key}={text} is not valid: expected names with commas between them")
    return parts
