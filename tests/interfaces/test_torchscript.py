"""TorchScript: the same numbers in the units of the file's name, in Python, in C++ and in OpenMM's TorchForce."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("safetensors")

from cgexp.errors import InputError
from cgexp.interfaces.torchscript import ABOUT, UNITS, file_name, write_torchscript
from cgexp.runs.bundle import IN_CPP, READY
from cgexp.systems.mueller_brown import MuellerBrown
from tests.interfaces.models import make_bundle, of_another, run_ready
from tests.optional import needs

# kcal/mol and Å in one of the units, written out here: not those of the code
SIZES = {"kcal_mol_angstrom": (1.0, 1.0), "kJ_mol_nm": (1.0 / 4.184, 10.0), "eV_angstrom": (23.060548, 1.0)}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("torchscript")
    assert [path.name for path in write_torchscript(folder, make_bundle())] == [file_name(units) for units in UNITS]
    return folder


def expected(start: int, units: str) -> tuple[float, np.ndarray]:
    energy, length = SIZES[units]
    coords = make_bundle().starts[start : start + 1].astype(np.float64)
    (own,), (forces,) = make_bundle().potential.energy(coords), make_bundle().potential.forces(coords)
    return own / energy, forces * length / energy


@pytest.mark.parametrize("precision", [torch.float64, torch.float32])
@pytest.mark.parametrize("units", UNITS)
def test_energies_and_forces_are_the_model_s(units: str, precision: torch.dtype, files: Path) -> None:
    about = {ABOUT: ""}
    model = torch.jit.load(str(files / file_name(units)), _extra_files=about)
    start = 7  # none at which it was compared as it was written
    positions = torch.tensor(
        make_bundle().starts[start].astype(float) / SIZES[units][1], dtype=precision, requires_grad=True
    )
    energy = model(positions)
    (gradient,) = torch.autograd.grad(energy, positions)
    own, forces = expected(start, units)
    tolerance = 1e-6 if precision == torch.float64 else 1e-4
    assert energy.dtype == torch.float64
    assert energy.item() == pytest.approx(own, rel=tolerance)
    np.testing.assert_allclose(-gradient.numpy(), forces, atol=tolerance * np.abs(forces).max())
    said = json.loads(about[ABOUT])
    assert (said["n_beads"], said["temperature_K"]) == (10, 350.0)
    assert said["output"].startswith(f"energy, {UNITS[units].names[0]};")


@pytest.mark.parametrize("n_beads", [9, 11])
def test_another_number_of_beads_is_an_error(n_beads: int, files: Path) -> None:
    model = torch.jit.load(str(files / file_name("kJ_mol_nm")))
    with pytest.raises(RuntimeError, match=r"shape '\[10, 3\]' is invalid"):
        model(torch.ones(n_beads, 3, dtype=torch.float64))


def test_what_has_no_physical_energy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="TorchScript computes in physical units"):
        write_torchscript(tmp_path, of_another(MuellerBrown()))
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_example_in_Cpp_gives_the_same(files: Path, tmp_path: Path) -> None:
    if shutil.which("cmake") is None or shutil.which("c++") is None:
        pytest.skip("no compiler of C++")
    for name in IN_CPP:
        shutil.copyfile(READY / name, tmp_path / name)
    torch_of_python = f"-DCMAKE_PREFIX_PATH={torch.utils.cmake_prefix_path}"
    build = tmp_path / "build"
    subprocess.run(["cmake", "-S", tmp_path, "-B", build, torch_of_python], check=True, capture_output=True)
    subprocess.run(["cmake", "--build", build], check=True, capture_output=True)
    for units in UNITS:
        positions = make_bundle().starts[3].astype(np.float64) / SIZES[units][1]
        text = "\n".join(" ".join(repr(float(x)) for x in bead) for bead in positions)
        made = subprocess.run(
            [build / "energy", files / file_name(units)], input=text, capture_output=True, text=True, check=True
        )
        first, *others = made.stdout.splitlines()
        own, forces = expected(3, units)
        assert float(first) == pytest.approx(own, rel=1e-6)
        found = np.array([[float(x) for x in line.split()] for line in others])
        np.testing.assert_allclose(found, forces, atol=1e-6 * np.abs(forces).max())
    model = files / file_name("eV_angstrom")
    for words, given, sentence in (
        ([], text, "usage: "),
        ([files / "none.pt"], text, "no energy from"),
        ([model], text.rpartition("\n")[0], "no energy from"),
        ([model], f"{text}\n1 2 3", "no energy from"),
        ([model], f"{text} 4", "expected x y z of each bead, and read 31 numbers"),
        ([model], text.replace(".", ",", 1), "expected x y z of each bead"),
        ([model], "", "and read 0 numbers"),
    ):
        refused = subprocess.run([build / "energy", *words], input=given, capture_output=True, text=True)
        assert refused.returncode == 2
        assert sentence in refused.stderr
        assert refused.stderr.count("\n") == 1


def test_the_ready_script_runs(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    needs("openmmtorch")
    make_bundle().save(tmp_path)
    for path in (READY / "simulate_torchscript.py", files / file_name("kJ_mol_nm")):
        shutil.copyfile(path, tmp_path / path.name)
    assert run_ready(tmp_path / "simulate_torchscript.py", "200") == 0
    assert "a frame every 100 steps" in capsys.readouterr().out
    assert (tmp_path / "torchforce.dcd").stat().st_size > 0
