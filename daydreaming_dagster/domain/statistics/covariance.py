"""The covariance of many estimates, without a matrix of all pairs where its structure is simple."""

from typing import Final

import attrs
import numpy as np
from scipy.linalg import lapack
from scipy.sparse import coo_array, csr_array, diags_array

from daydreaming_dagster.domain.statistics.judgments import Floats, Indices

_MANY: Final = 0.2
"""With a smaller share of rows apart, to eliminate them takes longer than it saves."""


@attrs.frozen
class Covariance:
    """The symmetric matrix `diag(diagonal) + left @ right.T`; a dense one has `right` None.

    Attributes:
        diagonal: What is added to the diagonal.
        left: n by r, or the n by n matrix itself if `right` is None.
        right: n by r.
    """

    diagonal: Floats
    left: Floats
    right: Floats | None

    @classmethod
    def dense(cls, matrix: Floats) -> "Covariance":
        """Return this covariance matrix."""
        return cls(np.zeros(len(matrix)), matrix, None)

    @classmethod
    def independent(cls, variances: Floats) -> "Covariance":
        """Return the covariance of independent estimates."""
        none = np.zeros((len(variances), 0))
        return cls(variances.copy(), none, none)

    def variances(self) -> Floats:
        """Return the variance of each estimate."""
        if self.right is None:
            return np.diagonal(self.left).copy()
        # Rounding can leave less than nothing of what cancels.
        own = self.diagonal + (self.left * self.right).sum(axis=1)
        return np.asarray(np.maximum(own, 0.0))

    def with_mean(self) -> Floats:
        """Return the covariance of each estimate with the mean of all."""
        if self.right is None:
            return np.asarray(self.left.mean(axis=1))
        return np.asarray(self.diagonal / len(self.diagonal) + self.left @ self.right.mean(axis=0))

    def centred_variances(self) -> Floats:
        """Return the variance of each estimate against their mean."""
        crossed = self.with_mean()
        return np.asarray(np.maximum(self.variances() - 2 * crossed + crossed.mean(), 0.0))

    def centred(self) -> Floats:
        """Return the whole covariance of the estimates against their mean."""
        matrix = self.left if self.right is None else self.left @ self.right.T
        matrix = matrix + np.diag(self.diagonal)
        row = matrix.mean(axis=1)
        return np.asarray(matrix - row[:, None] - row[None, :] + row.mean())

    def difference_variances(self, start: int, stop: int) -> Floats:
        """Return the variance of estimate i minus estimate j, for i from start to stop, all j."""
        own = self.variances()
        rows = slice(start, stop)
        crossed = self.left[rows] if self.right is None else self.left[rows] @ self.right.T
        result = own[rows, None] + own[None, :] - 2 * crossed
        # The diagonal part is in `own` twice but in `crossed` not at all: there i is j.
        result[np.arange(stop - start), np.arange(start, stop)] = 0.0
        return np.maximum(result, 0.0)


def pseudo_inverse(matrix: Floats) -> Floats:
    """Return the generalised inverse of a symmetric matrix that may not have full rank."""
    return np.linalg.pinv(matrix, rcond=1e-10, hermitian=True).astype(np.float64)


def inverse_by_parts(matrix: csr_array, apart: Indices) -> Floats:
    """Return the inverse of a sparse positive definite matrix.

    The rows `apart` have no entry in each other's columns. So they are eliminated at once, and only
    the others need an inverse proper.
    """
    if len(apart) < _MANY * matrix.shape[0]:
        return positive_inverse(matrix.toarray())
    others = np.setdiff1d(np.arange(matrix.shape[0]), apart)
    own = 1 / matrix.diagonal()[apart]
    crossed = matrix[apart][:, others]
    pulled = (diags_array(-own) @ crossed).tocsr()
    reduced = matrix[others][:, others].toarray() + (crossed.T @ pulled).toarray()
    known = positive_inverse(reduced)
    led = np.asarray(pulled @ known)
    inverse = np.empty(matrix.shape)
    inverse[np.ix_(others, others)] = known
    inverse[np.ix_(apart, others)] = led
    inverse[np.ix_(others, apart)] = led.T
    inverse[np.ix_(apart, apart)] = np.asarray(pulled @ led.T)
    inverse[apart, apart] += own
    return inverse


def strangers(first: Indices, second: Indices, count: int) -> Indices:
    """Return many of `count` items of which no two are a pair, those of few pairs first."""
    joined = coo_array((np.ones(len(first)), (first, second)), shape=(count, count))
    links = (joined + joined.T).tocsr()
    free, chosen = np.ones(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
    for item in np.argsort(np.diff(links.indptr), kind="stable"):
        if free[item]:
            chosen[item] = True
            free[links.indices[links.indptr[item] : links.indptr[item + 1]]] = False
    return np.flatnonzero(chosen).astype(np.int64)


def positive_inverse(matrix: Floats) -> Floats:
    """Return the inverse of a positive definite matrix, which is overwritten."""
    # LAPACK reads a transposed view of rows, as of a symmetric matrix, without a copy.
    factor, _ = lapack.dpotrf(matrix.T, lower=True, overwrite_a=True)
    lower, _ = lapack.dpotri(factor, lower=True, overwrite_c=True)
    inverse = np.add(lower, lower.T, order="C")  # the factor has zeros above its diagonal
    inverse[np.diag_indices(len(inverse))] /= 2
    return np.asarray(inverse)
