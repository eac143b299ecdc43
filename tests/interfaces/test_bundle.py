"""A bundle gives back what went in, to the last digit, and what is not a sound bundle gets one sentence."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import cgexp
from cgexp.analysis.tica import Tica
from cgexp.errors import InputError
from cgexp.interfaces import files
from cgexp.interfaces.bundle import Bundle, load_bundle
from cgexp.store import read_json, write_json, write_record
from cgexp.systems.known_energy import KnownEnergy
from cgexp.systems.mueller_brown import MuellerBrown
from cgexp.systems.peptide import Peptide
from tests.interfaces.models import make_bundle, of_another
from tests.runs.hostile import PACKAGE, Canaries, watched

pytest.importorskip("safetensors")
HERE = Path(__file__).parent


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    make_bundle().save(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("name", ["model", "model.zip"])
@pytest.mark.parametrize("network", [True, False])
def test_all_comes_back(name: str, network: bool, tmp_path: Path) -> None:
    before = make_bundle(network)
    before.save(tmp_path / name)
    after = cgexp.load_bundle(tmp_path / name)
    coords = torch.tensor(before.starts, dtype=torch.float64)
    assert torch.equal(after.potential.energy(coords), before.potential.energy(coords))
    assert torch.equal(after.potential.forces(coords), before.potential.forces(coords))
    np.testing.assert_array_equal(after.starts, before.starts)
    np.testing.assert_array_equal(after.system.masses, before.system.masses)
    for fact in ("model", "prior", "temperature", "simulation", "tica", "facts"):
        assert getattr(after, fact) == getattr(before, fact)
    assert after.system.spec == before.system.spec
    assert "peptide-YYDPETGTWY, 10 beads, kcal/mol and Å, at 350 K" in repr(after)


def test_bundle_json_says_what_other_programs_need(saved: Path) -> None:
    record = read_json(saved / "bundle.json")
    assert record["units"] == {
        "name": "molecular", "length": "Å", "energy": "kcal/mol", "force": "kcal/mol/Å", "time": "ps", "mass": "amu",
    }  # fmt: skip
    beads = record["beads"]
    assert len(beads["masses"]) == len(beads["types"]) == beads["n_beads"] == 10
    assert beads["bonds"][0] == [0, 1]
    assert beads["atoms"][3] == [3, "CA"]
    card = (saved / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "350 K" in card
    assert "kcal/mol/Å" in card


def test_equal_bundles_are_equal_files(tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        make_bundle().save(tmp_path / name)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_slow_coordinates_come_back(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    tica = Tica(
        mean=generator.normal(size=45), components=generator.normal(size=(45, 2)), eigenvalues=np.array([0.9, 0.5]),
        lag_ps=10.0, scaling="kinetic_map", data_hash="0", n_pairs=7,
    )  # fmt: skip
    replace(make_bundle(), tica=tica).save(tmp_path)
    found = load_bundle(tmp_path).tica
    assert found is not None
    coords = make_bundle().starts
    np.testing.assert_array_equal(found.transform(coords), tica.transform(coords))


def test_a_toy_comes_back(tmp_path: Path) -> None:
    of_another(MuellerBrown()).save(tmp_path)
    bundle = load_bundle(tmp_path)
    assert isinstance(bundle.system, MuellerBrown)
    assert not isinstance(bundle.system, KnownEnergy) or bundle.system.units == "reduced"
    np.testing.assert_array_equal(bundle.potential.energy(bundle.starts), [0.0])


def test_a_native_structure_comes_without_its_file(tmp_path: Path) -> None:
    peptide = Peptide("GAYG")
    peptide.native_pdb, peptide.native_structure = "/somewhere/of/mine.pdb", np.arange(12.0).reshape(4, 3)
    of_another(peptide).save(tmp_path)
    assert "somewhere" not in (tmp_path / "bundle.json").read_text()
    np.testing.assert_array_equal(load_bundle(tmp_path).system.native(), peptide.native_structure)


def test_simulation_goes_on_and_refuses_a_time_step_that_is_too_long(saved: Path, tmp_path: Path) -> None:
    bundle = load_bundle(saved)
    settings: dict[str, Any] = {"n_steps": 20, "save_every": 10, "n_replicas": 3, "seed": 1, "kernel": "reference"}
    first = bundle.simulate(tmp_path / "sim", **settings)
    again = bundle.simulate(tmp_path / "sim", **settings)
    assert first.coords.shape == (2, 3, 10, 3)
    np.testing.assert_array_equal(first.coords, again.coords)
    with pytest.raises(InputError, match=r"^dt=0\.5 "):
        bundle.simulate(tmp_path / "other", dt=0.5)
    with pytest.raises(InputError, match="unknown key 'n_stpes'"):
        bundle.simulate(tmp_path / "other", n_stpes=10)
    with pytest.raises(InputError, match="had no simulation"):
        replace(bundle, simulation=None).simulate(tmp_path / "other")


def edit(path: Path, **changes: Any) -> None:
    """Change bundle.json under a checksum that fits, as whoever made it could."""
    record = read_json(path / "bundle.json")
    record.pop("sha256")
    write_record(path / "bundle.json", {**record, **changes})


def edit_part(path: Path, part: str, **changes: Any) -> None:
    edit(path, **{part: {**read_json(path / "bundle.json")[part], **changes}})


def replace_tensors(path: Path, content: bytes) -> None:
    import hashlib

    (path / "model.safetensors").write_bytes(content)
    edit(path, files={"model.safetensors": hashlib.sha256(content).hexdigest()})


def flip(path: Path, where: int) -> None:
    content = bytearray(path.read_bytes())
    content[where] ^= 1
    path.write_bytes(content)


class Command:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("planted",)


def unsealed(path: Path) -> None:
    record = read_json(path / "bundle.json")
    write_json(path / "bundle.json", {**record, "temperature": 300.0})


Damage = Callable[[Path], object]
DAMAGES: dict[str, tuple[Damage, str]] = {
    "no record": (lambda p: (p / "bundle.json").unlink(), "it lacks bundle.json"),
    "no tensors": (lambda p: (p / "model.safetensors").unlink(), "it lacks model.safetensors"),
    "a flipped bit of a weight": (lambda p: flip(p / "model.safetensors", -9), "was damaged or is of another bundle"),
    "a flipped bit of the header": (lambda p: flip(p / "model.safetensors", 12), "was damaged or is of another bundle"),
    "a flipped bit of the record": (lambda p: flip(p / "bundle.json", 400), "bundle.json of "),
    "an edited record": (unsealed, "was damaged or edited (its checksum differs)"),
    "a later format": (lambda p: edit(p, format=99), "a bundle of format 99, this version reads up to 1: upgrade"),
    "no such format": (lambda p: edit(p, format=0), "a bundle of format 0, which there never was"),
    "another kind": (lambda p: edit(p, kind="a song"), "is no record of a bundle"),
    "no JSON": (lambda p: (p / "bundle.json").write_text("{"), "is not valid JSON"),
    "deep JSON": (lambda p: (p / "bundle.json").write_text("[" * 200_000), "is not valid JSON"),
    "a list": (lambda p: (p / "bundle.json").write_text("[]"), "was damaged or edited"),
    "a planted class": (lambda p: edit_part(p, "model", _target_=f"{PACKAGE}.Planted"), "is not allowed"),
    "os.system": (lambda p: edit(p, prior={"_target_": "os.system", "command": "mkdir planted"}), "is not allowed"),
    "a class of another kind": (
        lambda p: edit_part(p, "model", _target_="cgexp.systems.peptide.Peptide"), "is no EnergyTerm",
    ),
    "a file outside": (lambda p: edit_part(p, "system", native_pdb="/etc/passwd"), "its system names a file"),
    "a recipe as system": (lambda p: edit(p, system={"_target_": "cgexp.models.cgnet.CGnet"}), "is no System"),
    "a pickle": (lambda p: replace_tensors(p, pickle.dumps(Command())), "holds no tensors"),
    "no tensors inside": (lambda p: replace_tensors(p, b""), "holds no tensors"),
    "a header without end": (lambda p: replace_tensors(p, b"\xff" * 64), "holds no tensors"),
    "other tensors": (lambda p: edit_part(p, "model", n_blocks=3), "its tensors do not fit the model"),
    "a layer that fills the memory": (lambda p: edit_part(p, "model", n_features=65536), "none of its tensors is"),
    "beads that fill the memory": (lambda p: edit_part(p, "model", n_beads=10**9), "but its tensors have 10"),
    "an unknown key": (lambda p: edit_part(p, "model", n_featuers=8), "unknown key"),
    "other masses": (
        lambda p: edit_part(p, "beads", masses=[1.0] * 10), "has other masses in this version of cgexp",
    ),
    "no prior": (lambda p: edit(p, prior=None), "describes no model"),
    "a word for a temperature": (lambda p: edit(p, temperature="hot"), "describes no model"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_a_bundle_that_is_not_sound_gets_a_sentence(
    name: str, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canaries = Canaries(tmp_path / "canaries")
    canaries.place()
    monkeypatch.syspath_prepend(tmp_path / "canaries" / "path")
    monkeypatch.chdir(tmp_path)
    damage, sentence = DAMAGES[name]
    damage(saved)
    with watched(canaries), pytest.raises(InputError) as raised:
        load_bundle(saved)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)
    assert canaries.seen == []
    assert not (tmp_path / "planted").exists()


def test_paths_that_are_no_bundles(tmp_path: Path) -> None:
    for nothing in (None, 3, ["model.zip"]):
        with pytest.raises(InputError, match=r"the path of load_bundle is .*: give that of a bundle's folder or zip"):
            load_bundle(nothing)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="does not exist"):
        load_bundle(tmp_path / "nowhere")
    with pytest.raises(InputError, match="does not exist"):
        load_bundle("/dev/zero")
    with pytest.raises(InputError, match=r"it lacks bundle\.json"):
        load_bundle(tmp_path)
    (tmp_path / "text.txt").write_text("no zip")
    with pytest.raises(InputError, match="expected a folder or a zip"):
        load_bundle(tmp_path / "text.txt")
    with pytest.raises(InputError, match="choose another folder with to=<folder>"):
        make_bundle().save(tmp_path / "text.txt")


def test_a_zip_that_would_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(files.LARGEST, "bundle.json", 2**20)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bundle.json", b" " * 2**24)
    assert len(buffer.getvalue()) < 2**16
    (tmp_path / "bomb.zip").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match=r"bundle\.json of .*bomb\.zip is larger than 1 MB"):
        load_bundle(tmp_path / "bomb.zip")
    path = tmp_path / "large"
    make_bundle().save(path)
    monkeypatch.setitem(files.LARGEST, "model.safetensors", 1000)
    with pytest.raises(InputError, match=r"model\.safetensors of .*large is larger than 0 MB"):
        load_bundle(path)


def test_steps_lead_from_format_to_format() -> None:
    record = {"kind": files.KIND, "format": 1, "temperatur": 350.0}
    steps = {
        1: lambda old: {**old, "temperature": old["temperatur"]},
        2: lambda old: {name: value for name, value in old.items() if name != "temperatur"} | {"units": "molecular"},
    }
    assert files.upgraded(record, Path("model"), steps) == {
        "kind": files.KIND, "format": 3, "temperature": 350.0, "units": "molecular",
    }  # fmt: skip
    with pytest.raises(InputError, match="of format 4, this version reads up to 3"):
        files.upgraded({**record, "format": 4}, Path("model"), steps)


def test_there_is_a_step_from_each_format_but_the_newest() -> None:
    assert sorted(files.UPGRADES) == list(range(1, files.FORMAT))


@pytest.mark.parametrize("version", range(1, files.FORMAT + 1))
def test_bundles_of_each_format_are_read(version: int) -> None:
    """format-<n>.zip was written by the version that introduced the format, as were the energies beside it."""
    bundle = load_bundle(HERE / "bundles" / f"format-{version}.zip")
    expected = json.loads((HERE / "bundles" / f"format-{version}.json").read_text())
    found = bundle.potential.double().energy(bundle.starts.astype(np.float64))
    np.testing.assert_allclose(found, expected["energies"], rtol=1e-12)


def test_saving_over_an_earlier_bundle(saved: Path) -> None:
    (saved / "mine.txt").write_text("kept")
    other: Bundle = make_bundle(model=False)
    other.save(saved)
    assert load_bundle(saved).model is None
    assert (saved / "mine.txt").exists()
