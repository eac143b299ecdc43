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
    """Set what ``dataset`` leaves open, in place and before other groups refer to it.

    The recipe's class names the function that knows (``fills_in``): config node -> facts. What it does not know stays
    open, and the check says so. Raises InputError where a file that it reads cannot be read.
    """
    from omegaconf import OmegaConf, open_dict

    dataset = node.get("dataset")
    target = dataset.get(TARGET) if OmegaConf.is_dict(dataset) else None
    if target is None or not_allowed(target) is not None:
        return
    filler = fact(str(target), "fills_in")
    open_facts = [name for name in FACTS if name in dataset and dataset._get_node(name)._is_none()]
    if not filler or not open_facts:
        return
    given: dict[str, Any] = OmegaConf.to_container(dataset, resolve=True)  # type: ignore[assignment]
    found = imported(str(filler))(given)
    with open_dict(node):
        for name in open_facts:
            if name in found:
                dataset[name] = found[name]
