"""Covariances, and inverses that use what is known of a matrix."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from daydreaming_dagster.domain.statistics.covariance import (
    Covariance,
    inverse_by_parts,
    strangers,
)


@pytest.mark.parametrize("pairs", [40, 60, 900])
def test_an_inverse_by_parts_is_the_inverse(pairs):
    rng = np.random.default_rng(pairs)
    first, second = rng.integers(50, size=(2, pairs))
    matrix = np.diag(np.full(50, 2.0 + pairs))
    np.add.at(matrix, (first, second), -1.0)
    np.add.at(matrix, (second, first), -1.0)
    apart = strangers(first, second, 50)

    inverse = inverse_by_parts(csr_array(matrix), apart)

    assert inverse == pytest.approx(np.linalg.inv(matrix), abs=1e-12)


def test_strangers_have_no_pair_and_are_many_if_pairs_are_few():
    rng = np.random.default_rng(1)
    first = rng.integers(400, size=500)
    second = (first + rng.integers(1, 400, size=500)) % 400

    apart = strangers(first, second, 400)

    among = np.isin(first, apart) & np.isin(second, apart)
    assert not among.any()
    assert len(apart) > 150


def test_variances_against_the_mean_are_the_same_from_both_forms():
    rng = np.random.default_rng(2)
    left = rng.standard_normal((5, 2))
    structured = Covariance(np.arange(1.0, 6.0), left, left)
    centring = np.eye(5) - 1 / 5
    whole = centring @ (np.diag(np.arange(1.0, 6.0)) + left @ left.T) @ centring

    assert structured.centred() == pytest.approx(whole)
    assert structured.centred_variances() == pytest.approx(np.diagonal(whole))
    assert Covariance.dense(whole).centred_variances() == pytest.approx(np.diagonal(whole))
