"""How a loop goes on: what a round found, what is still to be found, and when to stop."""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from statistics import fmean
from typing import Final

import attrs

from daydreaming_dagster.formatting import counted

_LAST: Final = 3


@attrs.frozen
class Richness:
    """How many different ideas there are, by those that were seen.

    Attributes:
        texts: The number of texts.
        seen: The number of different ideas among them.
        estimated: The least number of different ideas that there are, seen or not.
        chance_of_new: The probability that the next text is a new idea; None without texts.
    """

    texts: int
    seen: int
    estimated: float
    chance_of_new: float | None

    def expected_new(self, more: int) -> float:
        """Return how many of the next `more` texts are expected to be new ideas.

        Shen, Chao and Lin, Predicting the number of new species in further taxonomic sampling,
        Ecology 84, 2003.
        """
        unseen = self.estimated - self.seen
        if unseen <= 0 or not self.chance_of_new:
            return 0.0
        return float(unseen * (1 - (1 - min(1.0, self.chance_of_new / unseen)) ** more))


def estimate_richness(ideas: Iterable[Hashable]) -> Richness:
    """Return the richness of a sample: for each text, the idea that it expresses.

    The chance of a new one is Good and Turing's, the share of texts whose idea occurs once (Good,
    The population frequencies of species, Biometrika 40, 1953). The number of ideas is Chao's lower
    bound with the correction for bias (Chao, Nonparametric estimation of the number of classes in a
    population, 1984; Chao1 in EstimateS). Both take the texts as a random sample. A loop that
    learns draws where ideas are good, so they tell of what it still finds there.
    """
    counts = Counter(ideas)
    texts = counts.total()
    if not texts:
        return Richness(0, 0, 0.0, None)
    frequencies = Counter(counts.values())
    once, twice = frequencies[1], frequencies[2]
    unseen = (texts - 1) / texts * once * (once - 1) / (2 * (twice + 1))
    return Richness(texts, len(counts), len(counts) + unseen, once / texts)


@attrs.frozen
class CanaryScores:
    """What the judges gave texts that are known to be good or bad, as shares of the scale.

    Attributes:
        good: The mean score of the good ones; None if none has a score.
        bad: That of the bad ones.
        moved: How far the mean of either moved since the first round that judged them; None in it.
    """

    good: float | None
    bad: float | None
    moved: float | None


@attrs.frozen
class RoundMeasures:
    """What a round came to.

    Attributes:
        accepted: The number of texts that were accepted.
        cost: What the round's calls cost, in USD; None if a price or a token count is missing.
        novelty: The mean over the best texts of one minus the similarity to the nearest text that
            was in memory before; None without texts.
        richness: The different ideas of all texts so far. Near-duplicates express the same idea.
        diversity: The effective number of different texts in the round.
        drift: The mean over accepted texts of one minus the similarity to the nearest seed; None
            without any.
        canaries: What the judges gave the canaries; None if the loop has none.
    """

    accepted: int
    cost: float | None
    novelty: float | None
    richness: Richness
    diversity: float
    drift: float | None
    canaries: CanaryScores | None = None

    @property
    def accepted_per_dollar(self) -> float | None:
        """The number of accepted texts per USD; None if the cost is unknown or zero."""
        return self.accepted / self.cost if self.cost else None


def mean_distance(similarities: Sequence[float]) -> float | None:
    """Return the mean of one minus each similarity, or None without any."""
    return 1 - fmean(similarities) if similarities else None


@attrs.frozen
class StopRules:
    """When a loop ends by itself. None switches a rule off.

    Attributes:
        rounds: The number of rounds.
        max_cost: What all rounds may cost, in USD.
        rounds_without_acceptance: The number of rounds in a row that accept nothing.
        least_chance_of_new: The probability of a new idea below which it is not worth going on.
        least_accepted_per_dollar: The number of accepted texts per USD over the last three rounds.
        least_novelty: The mean novelty of the last three rounds.
        most_drift: The mean drift of the last three rounds.
        most_canary_drift: How far the scores of the canaries may move since they were first
            judged, as a share of the scale.
    """

    rounds: int | None = None
    max_cost: float | None = None
    rounds_without_acceptance: int | None = None
    least_chance_of_new: float | None = None
    least_accepted_per_dollar: float | None = None
    least_novelty: float | None = None
    most_drift: float | None = None
    most_canary_drift: float | None = None


def reason_to_stop(rules: StopRules, rounds: Sequence[RoundMeasures]) -> str | None:
    """Return why no further round begins, or None."""
    if rules.rounds is not None and len(rounds) >= rules.rounds:
        return f"{counted(rules.rounds, 'round')} done, as many as the specification allows"
    if rules.max_cost is not None:
        spent = sum(each.cost or 0.0 for each in rounds)
        if spent >= rules.max_cost:
            return f"${spent:.2f} of ${rules.max_cost:.2f} are spent"
        if any(each.cost is None for each in rounds):
            return "the cost of a round is unknown, so its limit cannot be kept"
    barren = rules.rounds_without_acceptance
    if barren is not None and len(rounds) >= barren and not any(
        each.accepted for each in rounds[-barren:]
    ):  # fmt: skip
        return f"nothing was accepted in the last {counted(barren, 'round')}"
    if rules.least_chance_of_new is not None and rounds:
        chance = rounds[-1].richness.chance_of_new
        if chance is not None and chance < rules.least_chance_of_new:
            least = f"less than {rules.least_chance_of_new:.1%}"
            return f"the next text is a new idea with a probability of {chance:.1%}, {least}"
    return _reason_of_last_rounds(rules, rounds[-_LAST:]) or _reason_of_canaries(rules, rounds)


def _reason_of_last_rounds(rules: StopRules, last: Sequence[RoundMeasures]) -> str | None:
    """Return why the last rounds are a reason to stop: one alone may be an accident."""
    if len(last) < _LAST:
        return None
    least = rules.least_accepted_per_dollar
    if least is not None:
        cost = sum(each.cost or 0.0 for each in last)
        if any(each.cost is None for each in last):
            return "the cost of a round is unknown, so nobody knows what is accepted per USD"
        rate = sum(each.accepted for each in last) / cost if cost else math.inf
        if rate < least:
            return f"the last {_LAST} rounds accepted {rate:.2f} per USD, less than {least:g}"
    novelty = [each.novelty for each in last if each.novelty is not None]
    if rules.least_novelty is not None and novelty and fmean(novelty) < rules.least_novelty:
        less = f"{fmean(novelty):.2f}, less than {rules.least_novelty:g}"
        return f"the mean novelty of the last {_LAST} rounds is {less}"
    drift = [each.drift for each in last if each.drift is not None]
    if rules.most_drift is not None and drift and fmean(drift) > rules.most_drift:
        more = f"{fmean(drift):.2f}, more than {rules.most_drift:g}"
        return f"the mean drift of the last {_LAST} rounds is {more}"
    return None


def _reason_of_canaries(rules: StopRules, rounds: Sequence[RoundMeasures]) -> str | None:
    canaries = rounds[-1].canaries if rounds else None
    if rules.most_canary_drift is None or canaries is None or canaries.moved is None:
        return None
    if canaries.moved <= rules.most_canary_drift:
        return None
    moved = f"{canaries.moved:.2f}, more than {rules.most_canary_drift:.2f}"
    return f"the judges changed: the scores of the canaries moved by {moved}"
