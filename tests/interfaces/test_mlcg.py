"""mlcg's HDF5 layout: what its loader reads is there, a round trip loses nothing, others say what they lack."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import cgexp
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.interfaces.mlcg import read_mlcg, write_mlcg
from cgexp.systems.peptide import Peptide
from tests.optional import needs


def mini() -> Frames:
    return cgexp.load_dataset("chignolin_mini").select(slice(0, 50))


def test_a_round_trip_loses_nothing(tmp_path: Path) -> None:
    h5py = needs("h5py")
    frames, prior = mini(), np.full((50, 10, 3), 2.0)
    write_mlcg(tmp_path / "mini.h5", frames, prior)
    again = read_mlcg(tmp_path / "mini.h5")
    assert again.content_hash == frames.content_hash
    assert again.system_spec == frames.system_spec
    with h5py.File(tmp_path / "mini.h5") as file:
        group = file["cgexp/peptide-YYDPETGTWY"]
        np.testing.assert_allclose(group["cg_delta_forces"][()], frames.forces - 2.0, atol=1e-5)
        assert group.attrs["cg_embeds"].tolist() == [20, 20, 3, 13, 4, 17, 6, 17, 19, 20]  # mlcg's table
        assert group.attrs["N_frames"] == 50
    with pytest.raises(InputError, match="exists: remove it"):
        write_mlcg(tmp_path / "mini.h5", frames)


def test_files_of_mlcg_say_what_they_lack(tmp_path: Path) -> None:
    h5py = needs("h5py")
    frames = mini()
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        for name in ("a", "b"):
            group = file.create_group(f"OPEP/{name}")
            group["cg_coords"], group["cg_delta_forces"] = frames.coords, frames.forces
            group.attrs["cg_embeds"], group.attrs["N_frames"] = frames.bead_types + 1, 50
    with pytest.raises(InputError, match=r"has 2 molecules: expected one of OPEP/a, OPEP/b"):
        read_mlcg(tmp_path / "theirs.h5")
    with pytest.raises(InputError, match="holds delta forces, and neither their system nor a temperature"):
        read_mlcg(tmp_path / "theirs.h5", "OPEP/a")
    found = read_mlcg(tmp_path / "theirs.h5", "OPEP/a", system=Peptide(), temperature=350.0, delta=True)
    np.testing.assert_array_equal(found.forces, frames.forces)
    np.testing.assert_array_equal(found.bead_types, Peptide().bead_types)
    (tmp_path / "junk.h5").write_text("nothing")
    with pytest.raises(InputError, match="cannot be read"):
        read_mlcg(tmp_path / "junk.h5")


def test_without_h5py_or_forces_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="have no forces"):
        write_mlcg(tmp_path / "a.h5", mini().with_labels(forces=None))
    with pytest.raises(InputError, match=r"prior_forces have shape \[2\]"):
        write_mlcg(tmp_path / "a.h5", mini(), np.zeros(2))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(InputError, match="h5py is not installed"):
        write_mlcg(tmp_path / "a.h5", mini())
