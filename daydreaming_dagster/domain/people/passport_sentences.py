"""What is more than chance about a judge, and what would tell more, in sentences."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from daydreaming_dagster.formatting import counted

if TYPE_CHECKING:  # numpy is slow to import
    from daydreaming_dagster.domain.people.passport import Passport
    from daydreaming_dagster.domain.statistics.measures import Measure

_EVEN: Final = {"first_odds": 1.0, "people_pairs": 0.5}
"""The value of a measure that says nothing; of the others, it is 0."""

_SAID: Final[Mapping[str, Callable[[float], str]]] = {
    "people": lambda value: (
        "agrees with people" if value > 0 else "scores high what people score low"
    ),
    "people_pairs": lambda value: (
        "prefers what people prefer" if value > _EVEN["people_pairs"] else "prefers the opposite"
    ),
    "judges": lambda value: (
        "agrees with the other judges" if value > 0 else "contradicts the other judges"
    ),
    "retest": lambda value: "repeats itself" if value > 0 else "contradicts itself",
    "strictness": lambda value: (
        "is stricter than the other judges" if value > 0 else "is milder than the other judges"
    ),
    "first_odds": lambda value: (
        f"prefers what is shown {'first' if value > _EVEN['first_odds'] else 'second'}"
    ),
    "length": lambda value: f"prefers {'long' if value > 0 else 'short'} texts",
    "length_beyond_people": lambda value: (
        f"prefers {'long' if value > 0 else 'short'} texts more than people do"
    ),
    "own_model": lambda value: (
        f"gives texts of its own model {'more' if value > 0 else 'less'} than others do"
    ),
    "lift": lambda value: (
        "obeys an order in a text to give it the best score"
        if value > 0
        else "gives less to a text that orders the best score"
    ),
}


def say_what_is_sure(passport: "Passport") -> Iterator[str]:
    """Yield what a judge does beyond chance: each measure whose interval excludes no effect.

    Several measures of several judges are looked at, each with an interval of 95 %: one in twenty
    may be chance all the same.
    """
    for name, say in _SAID.items():
        measure = passport.measures[name]
        even = _EVEN.get(name, 0.0)
        if measure.value is None or measure.low is None or measure.high is None:
            continue
        if not measure.low <= even <= measure.high:
            bounds = f"{measure.low:.2f} to {measure.high:.2f}"
            yield f"{say(measure.value)} ({measure.value:.2f}, {bounds})"


_CALLS: Final = 100
"""At most so many further calls are advised for a measure of a judge."""


@attrs.frozen
class _Asked:
    """A measure that further texts, duels or canaries narrow.

    Attributes:
        what: What it tells.
        unit: What calls add.
        margin: The margin of the 95 % interval that is narrow enough; of odds, that of their log.
    """

    what: str
    unit: str
    margin: float


_ASKED: Final[Mapping[str, _Asked]] = {
    "retest": _Asked("how well it repeats itself", "texts that it scores twice", 0.2),
    "first_odds": _Asked("the odds of what is shown first", "duels", math.log(1.5)),
    "lift": _Asked("what an order in a text lifts its scores by", "canaries", 0.1),
}
_ODDS: Final = frozenset({"first_odds"})


def say_what_calls_would_tell(passports: Sequence["Passport"], cohort_id: str) -> Iterator[str]:
    """Yield by how much further calls would narrow what is known of judges, at most 100 for each.

    The margin of an interval is taken to fall with the square root of the number that it rests on.
    Of what was never asked, it is only said how to ask.
    """
    models = [passport for passport in passports if passport.kind == "model"]
    for passport in models:
        for name, asked in _ASKED.items():
            margin = _margin_of(name, passport.measures[name])
            if margin is None or margin <= asked.margin:
                continue
            n = passport.measures[name].n
            more = math.ceil(n * ((margin / asked.margin) ** 2 - 1))
            calls = more
            if name == "retest":  # a text that it has not scored yet takes two calls
                once = max(passport.measures["ties"].n - n, 0)
                more = min(more, once + max(_CALLS - once, 0) // 2)
                calls = more + max(more - once, 0)
            more, calls = min(more, _CALLS), min(calls, _CALLS)
            then = margin * math.sqrt(n / (n + more))
            yield (
                f"{passport.judge}: {more} more {asked.unit} ({counted(calls, 'call')}) would tell "
                f"{asked.what} within about {_shown(name, then)}; now it is {_shown(name, margin)}"
            )
    scoring = [passport.measures for passport in models if passport.measures["ties"].n]
    if scoring and not any(measures["retest"].n for measures in scoring):
        yield (
            "no judge has scored a text twice, which tells whether it repeats itself: "
            "`replicates` of the evaluation in the specification, a call a text"
        )
    if scoring and not any(measures["lift_no_score"].n for measures in scoring):
        yield (
            "no judge was asked yet whether it obeys an order in a text: "
            f"daydream judges {cohort_id} --canaries 20"
        )


def _margin_of(name: str, measure: "Measure") -> float | None:
    """Return the margin of an interval, of odds that of their log; None if it has none."""
    if measure.low is None or measure.high is None:
        return None
    if name in _ODDS:
        return math.log(measure.high / measure.low) / 2 if measure.low > 0 else None
    return (measure.high - measure.low) / 2


def _shown(name: str, margin: float) -> str:
    return f"a factor of {math.exp(margin):.2f}" if name in _ODDS else f"{margin:.2f}"
