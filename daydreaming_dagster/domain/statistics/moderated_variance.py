"""The variances of groups of which each is too small to show its own."""

import numpy as np

from daydreaming_dagster.domain.statistics.judgments import Floats


def moderated_variances(squares: Floats, df: Floats) -> tuple[Floats, Floats]:
    """Return the variance of each group, and its degrees of freedom.

    Each group's own variance is combined with those of the others, as far as they differ no more
    than chance would have it: Smyth, "Linear models and empirical Bayes methods for assessing
    differential expression", Statistical Applications in Genetics and Molecular Biology 3 (2004),
    article 3. Its prior is estimated by moments here, because a variance may be 0, of which there
    is no logarithm. Each group counts once for it, so that a group that was measured often does
    not speak for the others.

    Args:
        squares: The sum of squares of each group around its mean.
        df: Its degrees of freedom; at least one group has more than 0.
    """
    shown = df > 0
    own_df, groups = df[shown], int(shown.sum())
    own = squares[shown] / own_df
    mean = float(own.mean())
    pooled_df = groups**2 / float((1 / own_df).sum())
    spread = 0.0
    if groups > 1:
        seen = float(((own - mean) ** 2).sum()) * groups / (groups - 1)
        by_chance = float((2 * mean**2 / own_df).sum())
        spread = max(0.0, (seen - by_chance) / float((1 + 2 / own_df).sum()))
    if spread == 0:
        return np.full_like(squares, mean), np.full_like(squares, pooled_df)
    # The mean and the variance of the inverse gamma distribution that the prior is.
    prior_df = 4 + 2 * mean**2 / spread
    prior = mean * (prior_df - 2) / prior_df
    variance = (prior_df * prior + squares) / (prior_df + df)
    return variance, np.minimum(prior_df + df, pooled_df)
