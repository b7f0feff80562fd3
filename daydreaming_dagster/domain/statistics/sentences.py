"""What an analysis says in words: people read a sentence before a table."""

from collections.abc import Sequence
from typing import Final

from daydreaming_dagster.domain.statistics.analysis import RankedItem
from daydreaming_dagster.formatting import chance, counted

_NAMED: Final = 5


def how_sure(items: Sequence[RankedItem], kind: str, best: str = "The first") -> str:
    """Return how many items may be the best, without their names but for that of a `best` one.

    `kind` says in the singular what they are.
    """
    if not items:
        return f"No {kind} has a score yet."
    if len(items) == 1:
        return f"There is only one {kind}."
    may_be_best = sum(item.rank_low == 1 for item in items)
    if may_be_best == 1:
        return (
            f"{best} is the best of {counted(len(items), kind)}: no other comes as far with 95 %"
            f" confidence."
        )
    if _are_all_alike(items):
        return f"No {kind} is certainly better than another: {len(items):,} cannot be told apart."
    are_first = all(item.rank_low == 1 for item in items[:may_be_best])
    which = f"The first {may_be_best:,}" if are_first else f"{may_be_best:,}"
    return (
        f"{which} of {counted(len(items), kind)} cannot be told apart: any of them may be the best."
    )


def who_is_best(items: Sequence[RankedItem], kind: str) -> str:
    """Return which items may be the best; `kind` says in the singular what they are."""
    if len(items) == 1:
        return f"There is only one {kind}: {items[0].item}."
    said = how_sure(items, kind, best=items[0].item if items else "")
    may_be_best = [item for item in items if item.rank_low == 1]
    if len(may_be_best) < 2 or _are_all_alike(items):  # noqa: PLR2004  nobody is left to name
        return said
    names = [f"{item.item} (probability {chance(item.p_best)})" for item in may_be_best[:_NAMED]]
    more = len(may_be_best) - len(names)
    return f"{said} They are {', '.join(names)}{f' and {more:,} more' if more else ''}."


def _are_all_alike(items: Sequence[RankedItem]) -> bool:
    """Return whether each item may have every rank."""
    return all((item.rank_low, item.rank_high) == (1, len(items)) for item in items)
