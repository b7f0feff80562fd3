"""Least squares with errors that are correlated within clusters."""

from typing import Final

import attrs
import numpy as np

from daydreaming_dagster.domain.statistics.covariance import pseudo_inverse
from daydreaming_dagster.domain.statistics.judgments import Floats, Indices

_SINGULAR: Final = 1e-9


@attrs.frozen
class Clustered:
    """A least squares fit with a covariance that clusters decide.

    Attributes:
        coefficients: One per column; what the columns cannot tell apart is shared among them.
        bread: The generalised inverse of the columns' cross products.
        pulls: Cluster by column: what each cluster adds to the coefficients' error.
        squares: Per cluster, `X' A A X` for the adjustment A of its residuals.
        products: Per cluster, `X' A X`.
        fitted: `X' X` of the part of the clusters that the fit follows exactly.
    """

    coefficients: Floats
    bread: Floats
    pulls: Floats
    squares: Floats
    products: Floats
    fitted: Floats

    def is_estimable(self, contrasts: Floats) -> Floats:
        """Return for each row whether the columns can tell this combination of coefficients."""
        values, vectors = np.linalg.eigh(self.bread)
        kept = vectors[:, values > _SINGULAR * values.max(initial=0.0)]
        lost = contrasts - (contrasts @ kept) @ kept.T
        return np.asarray((lost**2).sum(axis=1) < _SINGULAR * (contrasts**2).sum(axis=1))

    def errors(self, contrasts: Floats) -> tuple[Floats, Floats]:
        """Return the standard error of each contrast (a row) and its degrees of freedom.

        The error is `nan` if a contrast depends on a cluster that the fit follows exactly, so that
        no residual shows how much it varies.
        The degrees are Satterthwaite's for independent errors of one variance: Pustejovsky and
        Tipton, "Small-sample methods for cluster-robust variance estimation and hypothesis testing
        in fixed effects models", Journal of Business & Economic Statistics 36 (2018).
        """
        variances = ((self.pulls @ contrasts.T) ** 2).sum(axis=0)
        pulled = contrasts @ self.bread
        exact = ((pulled @ self.fitted) * pulled).sum(axis=1)
        variances[exact > _SINGULAR * (pulled * contrasts).sum(axis=1)] = np.nan
        dfs = np.ones(len(contrasts))
        for row, weights in enumerate(pulled):
            lengths = (self.squares @ weights) @ weights
            inner = self.products @ weights
            projected = inner @ self.bread
            shared = (projected * inner).sum(axis=1)
            crossed = self.bread @ (inner.T @ inner)
            trace = float((lengths - shared).sum())
            squared = float(
                (lengths**2).sum() - 2 * (lengths * shared).sum() + (crossed * crossed.T).sum()
            )
            if squared > 0:
                dfs[row] = max(trace**2 / squared, 1.0)
        return np.sqrt(variances), dfs


def fit_clustered(columns: Floats, outcome: Floats, cluster: Indices, weights: Floats) -> Clustered:
    """Return the fit of rows that each stand for as many equal rows as their weight says.

    The covariance is CR2: Bell and McCaffrey, "Bias reduction in standard errors for linear
    regression with multi-stage samples", Survey Methodology 28 (2002). It is unbiased if errors are
    independent, and right for any correlation within clusters if there are many of them.

    Assumes that clusters are independent.
    """
    root = np.sqrt(weights)
    order = np.argsort(cluster, kind="stable")
    x, y = (columns * root[:, None])[order], (outcome * root)[order]
    bread = pseudo_inverse(x.T @ x)
    coefficients = bread @ (x.T @ y)
    residuals = y - x @ coefficients
    starts = np.flatnonzero(np.diff(cluster[order], prepend=-1))
    stops = [*starts[1:], len(order)]
    size = columns.shape[1]
    pulls = np.zeros((len(starts), size))
    squares, products = np.zeros((2, len(starts), size, size))
    fitted = np.zeros((size, size))
    for number, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        own = x[start:stop]
        values, vectors = np.linalg.eigh(np.eye(len(own)) - own @ bread @ own.T)
        kept = values > _SINGULAR
        inverse_root = np.where(kept, 1 / np.sqrt(np.where(kept, values, 1.0)), 0.0)
        adjusted = ((vectors * inverse_root) @ vectors.T) @ own
        pulls[number] = (adjusted.T @ residuals[start:stop]) @ bread
        squares[number] = adjusted.T @ adjusted
        products[number] = own.T @ adjusted
        followed = vectors[:, ~kept].T @ own
        fitted += followed.T @ followed
    return Clustered(coefficients, bread, pulls, squares, products, fitted)
