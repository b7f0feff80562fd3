"""What an analysis says in words: people read a sentence before a table."""

from collections.abc import Sequence
from typing import Final

from daydreaming_dagster.domain.statistics.analysis import RankedItem

_NAMED: Final = 5


def who_is_best(items: Sequence[RankedItem], kind: str) -> str:
    """Return which items may be the best; `kind` says in the singular what they are."""
    if not items:
        return f"No {kind} has a score yet."
    first = items[0]
    if len(items) == 1:
        return f"There is only one {kind}: {first.item}."
    may_be_best = [item for item in items if item.rank_low == 1]
    if len(may_be_best) == 1:
        return (
            f"{first.item} is the best of {len(items)} {kind}s: no other comes as far with 95 %"
            f" confidence."
        )
    if all((item.rank_low, item.rank_high) == (1, len(items)) for item in items):
        return f"No {kind} is certainly better than another: {len(items)} cannot be told apart."
    first_ones = items[: len(may_be_best)]
    names = [f"{item.item} (probability {item.p_best:.2f})" for item in may_be_best[:_NAMED]]
    more = len(may_be_best) - len(names)
    listed = ", ".join(names) + (f" and {more} more" if more else "")
    which = f"The first {len(may_be_best)}" if may_be_best == list(first_ones) else len(may_be_best)
    return (
        f"{which} of {len(items)} {kind}s cannot be told apart: any of them may be the best."
        f" They are {listed}."
    )
