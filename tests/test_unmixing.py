"""Shares of spectra, and the excerpt of a scene that they are learnt from."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mixtures import mixture
from scipy.optimize import nnls

from pansharpkit.errors import FusionError
from pansharpkit.methods.base import Context
from pansharpkit.methods.excerpt import excerpt
from pansharpkit.methods.hs.unmixing import counted_spectra, lowered, sparse_codes


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000))
def test_codes_without_sparsity_are_nonnegative_least_squares(seed: int) -> None:
    draws = np.random.default_rng(seed)
    dictionary, columns = draws.random((8, 4)), draws.normal(size=(8, 5))
    ours = sparse_codes(torch.from_numpy(dictionary), torch.from_numpy(columns), 0.0, 3000)
    for k in range(columns.shape[1]):
        assert np.allclose(ours[:, k], nnls(dictionary, columns[:, k])[0], atol=1e-4)


def test_codes_of_orthonormal_atoms_are_soft_thresholds() -> None:
    draws = torch.Generator().manual_seed(0)
    atoms = torch.linalg.qr(torch.randn(9, 4, generator=draws, dtype=torch.float64))[0]
    columns = torch.randn(9, 30, generator=draws, dtype=torch.float64)
    found = sparse_codes(atoms, columns, 0.3, 20)
    assert torch.allclose(found, (atoms.T @ columns - 0.3).clamp_min(0), atol=1e-9)


def test_codes_of_nothing_are_nothing() -> None:
    assert not sparse_codes(torch.zeros(5, 3), torch.rand(5, 4), 0.1, 10).any()
    assert not sparse_codes(torch.rand(5, 3), torch.zeros(5, 4), 0.1, 10).any()


def test_a_step_keeps_zeros_and_survives_nothing() -> None:
    factor = torch.tensor([0.0, 1.0, 2.0])
    stepped = lowered(factor, torch.tensor([1.0, 0.0, 1.0]), torch.tensor([0.0, 0.0, 2.0]))
    assert torch.equal(stepped, torch.tensor([0.0, 0.0, 1.0]))


def test_an_excerpt_of_a_small_scene_is_the_scene() -> None:
    seen = mixture().seen
    (whole,) = excerpt([seen], 10**6, Context())
    assert whole.size == seen.size
    assert counted_spectra([whole]).shape == (24, seen.target_mask.sum())


@pytest.mark.parametrize("blocks", [1, 4, 30])
def test_an_excerpt_of_a_large_scene_keeps_to_its_budget(blocks: int) -> None:
    sample = [mixture(size=(96, 96), seed=k).seen for k in range(blocks)]
    found = excerpt(sample, 9 * 32**2, Context())
    assert sum(part.size[0] * part.size[1] for part in found) <= 9 * 32**2
    assert all(part.target_mask.any() for part in found)
    assert [part.index for part in found] == list(range(len(found)))


def test_an_excerpt_finds_the_only_valid_block() -> None:
    seen = mixture(size=(96, 96)).seen
    dead = dataclasses.replace(seen, target_mask=torch.zeros_like(seen.target_mask))
    alive = torch.zeros_like(seen.target_mask)
    alive[20, 3] = True
    sample = [dead] * 5 + [dataclasses.replace(seen, target_mask=alive)] + [dead] * 20
    (found,) = excerpt(sample, 5000, Context())
    assert int(found.target_mask.sum()) == 1
    with pytest.raises(FusionError, match="no pixel"):
        excerpt([dead], 5000, Context())
