from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import cgexp
from cgexp.config.checks import check
from cgexp.config.compose import compose
from cgexp.errors import InputError
from cgexp.frames import Frames
from cgexp.simulation.replicas import choose_starts, make_starts
from cgexp.systems.cgnet_toy import CGnetToy
from cgexp.systems.peptide import Peptide, basin_of, extended_chain

CHIGNOLIN = Peptide()


def frames(block: list[int]) -> Frames:
    n = len(block)
    return Frames(
        coords=np.arange(n, dtype=np.float32)[:, None, None],
        bead_types=np.zeros(1, dtype=np.int64),
        block=np.array(block),
        units="reduced",
        temperature=1.0,
        system="line",
        source="test",
    )


def chignolin(*basins: str) -> Frames:
    """Frames of the shipped set that lie in one of these basins."""
    data = cgexp.load_dataset("chignolin_mini")
    return data.select(np.isin(basin_of(data.coords, CHIGNOLIN.native()), basins))


def test_each_block_serves_before_any_serves_twice() -> None:
    data = frames([7, 7, 7, 3, 3, 9, 7, 3])
    starts = choose_starts(data, 5, seed=0)
    assert starts.shape == (5, 1, 1)
    chosen = data.block[starts.flatten().int().numpy()]
    assert sorted(chosen[:3]) == [3, 7, 9]


def test_seed_decides_and_all_frames_are_reached() -> None:
    data = frames([0, 0, 1, 1, 1])
    assert choose_starts(data, 4, seed=1).tolist() == choose_starts(data, 4, seed=1).tolist()
    many = choose_starts(data, 400, seed=2).flatten().int().numpy()
    assert set(many) == {0, 1, 2, 3, 4}


def test_independent_frames_are_drawn_without_repeats() -> None:
    assert len(set(choose_starts(frames(list(range(50))), 50, seed=0).flatten().tolist())) == 50


def test_data_are_the_frames_that_were_chosen_before_there_were_kinds() -> None:
    """The runs of earlier versions keep their ids, and so must keep their starts."""
    data = frames([0, 0, 0, 1, 1, 2, 2, 2])
    assert make_starts("data", data, CGnetToy(), 6, seed=7).flatten().tolist() == [2.0, 7.0, 3.0, 3.0, 5.0, 0.0]


@pytest.mark.parametrize("kind", ["data", "spread", *Peptide.start_kinds])
def test_every_kind_of_a_peptide(kind: str) -> None:
    data = chignolin("folded", "unfolded", "transition").select(slice(None, None, 8))
    starts, again = (make_starts(kind, data, CHIGNOLIN, 6, seed=1) for _ in range(2))
    assert starts.shape == (6, 10, 3)
    assert starts.dtype == torch.float32
    assert torch.equal(starts, again)
    if kind != "spread":  # whose first may be the same outlier for all seeds
        assert torch.equal(starts, make_starts(kind, data, CHIGNOLIN, 6, seed=2)) == (kind == "extended")
    bonds = (starts[:, 1:] - starts[:, :-1]).norm(dim=-1)
    assert (bonds > 3.5).all()
    assert (bonds < 4.3).all()
    if kind in ("folded", "unfolded"):
        assert set(basin_of(starts.numpy(), CHIGNOLIN.native())) == {kind}
        assert all((data.coords == start).all(axis=(1, 2)).any() for start in starts.numpy())


def test_folded_is_the_native_structure_where_the_data_have_no_folded_frame() -> None:
    starts = make_starts("folded", chignolin("unfolded"), CHIGNOLIN, 3, seed=0)
    np.testing.assert_allclose(starts, np.repeat(CHIGNOLIN.native()[None], 3, axis=0), atol=1e-5)


def test_unfolded_is_the_extended_chain_where_the_data_have_no_unfolded_frame() -> None:
    starts = make_starts("unfolded", chignolin("folded"), CHIGNOLIN, 3, seed=0)
    np.testing.assert_allclose(starts, np.repeat(extended_chain(10)[None], 3, axis=0), atol=1e-5)


def test_the_extended_chain_is_a_beta_strand() -> None:
    chain = extended_chain(7)
    steps = np.diff(chain, axis=0)
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1), 3.8)
    np.testing.assert_allclose(np.linalg.norm(chain[2:] - chain[:-2], axis=1), 6.8)
    np.testing.assert_allclose(chain.mean(axis=0), 0.0, atol=1e-12)
    assert np.ptp(chain[:, 2]) == 0.0


def test_spread_is_farther_apart_than_random_frames_and_repeats_only_when_it_must() -> None:
    data = chignolin("folded", "unfolded").select(slice(None, None, 5))
    distances = []
    for kind in ("spread", "data"):
        starts = make_starts(kind, data, CHIGNOLIN, 12, seed=0).numpy()
        distances.append(CHIGNOLIN.distance(starts, starts)[np.triu_indices(12, 1)].min())
    assert distances[0] > 2.0 * distances[1]
    few = data.select(slice(0, 5))
    many = make_starts("spread", few, CHIGNOLIN, 12, seed=0).numpy()
    _, counts = np.unique(many, axis=0, return_counts=True)
    assert sorted(counts) == [2, 2, 2, 3, 3]


def test_a_toy_has_data_and_spread() -> None:
    data = frames([0] * 9)
    assert sorted(make_starts("spread", data, CGnetToy(), 3, seed=0).flatten().tolist()) == [0.0, 4.0, 8.0]
    for kind in ("folded", "unfolded", "extended"):
        with pytest.raises(InputError, match=f"starts={kind} is not made for system 'toy_cgnet'"):
            make_starts(kind, data, CGnetToy(), 2, seed=0)
        with pytest.raises(
            InputError, match=f"starts={kind} is not made for dataset toy_cgnet: expected one of data, spread"
        ):
            check(compose([f"simulation.starts={kind}"]))


def test_a_peptide_without_a_known_native_structure() -> None:
    peptide = Peptide("AGAAG")
    data = chignolin("unfolded")
    data = data.with_labels(coords=data.coords[:, :5], bead_types=peptide.bead_types, system=peptide.name, forces=None)
    for kind in ("folded", "unfolded"):
        with pytest.raises(InputError, match=f"starts={kind} tells basins apart by the native structure, which is not"):
            make_starts(kind, data, peptide, 2, seed=0)
    assert make_starts("extended", data, peptide, 2, seed=0).shape == (2, 5, 3)


def test_other_beads_than_c_alpha_have_no_ideal_structure() -> None:
    peptide = Peptide(beads="backbone5")
    data = Frames(
        coords=np.random.default_rng(0).normal(0.0, 9.0, (4, peptide.n_beads, 3)).astype(np.float32),
        bead_types=peptide.bead_types,
        block=np.arange(4),
        units="molecular",
        temperature=300.0,
        system=peptide.name,
        source="noise",
    )
    for kind in ("folded", "extended"):
        with pytest.raises(InputError, match=r"the beads are backbone5: use simulation\.starts=data or spread"):
            make_starts(kind, data, peptide, 2, seed=0)
    assert make_starts("unfolded", data, peptide, 2, seed=0).shape == (2, peptide.n_beads, 3)


def test_an_unknown_kind() -> None:
    sentence = "simulation.starts=floded is not made for {} (did you mean 'folded'?): expected one of data, spread, "
    with pytest.raises(InputError, match=re.escape(sentence.format("system 'peptide-YYDPETGTWY'"))):
        make_starts("floded", frames([0]), CHIGNOLIN, 1, seed=0)
    with pytest.raises(InputError, match=re.escape(sentence.format("dataset chignolin_mini"))):
        check(compose(["experiment=chignolin_first", "simulation.starts=floded"]))
