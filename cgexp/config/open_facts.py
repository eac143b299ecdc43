"""Facts that a data set leaves open (null): they are read from its files, or follow from its system."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cgexp.build import TARGET, imported
from cgexp.parts.allowed import not_allowed
from cgexp.parts.sources import fact

if TYPE_CHECKING:
    from omegaconf import DictConfig

FACTS = ("system", "n_beads", "n_dims", "units", "temperature", "force_map")


def fill_in(node: DictConfig) -> None:
    """Set what ``dataset``, or a set that it is made of, leaves open, in place and before other groups refer to it.

    The recipe's class names the function that knows (``fills_in``): config node -> facts. What it does not know stays
    open, and the check says so. Raises InputError where a file that it reads cannot be read.
    """
    from omegaconf import OmegaConf, open_dict

    dataset = node.get("dataset")
    if not OmegaConf.is_dict(dataset):
        return
    parts = dataset.get("parts")
    for one in [*(parts.values() if OmegaConf.is_dict(parts) else ()), dataset]:  # a whole refers to its parts
        if OmegaConf.is_dict(one):
            with open_dict(node):
                _fill_in(one)


def _fill_in(dataset: DictConfig) -> None:
    from omegaconf import OmegaConf

    target = dataset.get(TARGET)
    if target is None or not_allowed(target) is not None:
        return
    filler = fact(str(target), "fills_in")
    open_facts = [name for name in FACTS if (value := dataset._get_node(name)) is not None and value._is_none()]
    if not filler or not open_facts:
        return
    given: dict[str, Any] = OmegaConf.to_container(dataset, resolve=True)  # type: ignore[assignment]
    found = imported(str(filler))(given)
    for name in open_facts:
        if name in found:
            dataset[name] = found[name]
