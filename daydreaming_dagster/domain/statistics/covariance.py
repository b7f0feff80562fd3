"""The covariance of many estimates, without a matrix of all pairs where its structure is simple."""

import attrs
import numpy as np
from scipy.linalg import lapack

from daydreaming_dagster.domain.statistics.judgments import Floats


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


def positive_inverse(matrix: Floats) -> Floats:
    """Return the inverse of a positive definite matrix, which is overwritten."""
    # LAPACK reads a transposed view of rows, as of a symmetric matrix, without a copy.
    factor, _ = lapack.dpotrf(matrix.T, lower=True, overwrite_a=True)
    lower, _ = lapack.dpotri(factor, lower=True, overwrite_c=True)
    inverse = np.add(lower, lower.T, order="C")  # the factor has zeros above its diagonal
    inverse[np.diag_indices(len(inverse))] /= 2
    return np.asarray(inverse)
