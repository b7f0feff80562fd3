"""What is more than chance about a judge, in sentences."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # numpy is slow to import
    from daydreaming_dagster.domain.people.passport import Passport

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
