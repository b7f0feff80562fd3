"""Which values of a cohort's axes go together."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final, Literal

import attrs

from daydreaming_dagster.domain.stages import STAGE_DEFINITIONS

COMBO: Final = "combo"
"""The axis of the combinations of concepts."""

AXES: Final = (COMBO, *chain.from_iterable(row.axes for row in STAGE_DEFINITIONS.values()))
"""The axes in the order in which a cohort is laid out."""

if TYPE_CHECKING:
    Axis = str
else:
    Axis = Literal[AXES]  # so that a document that names another one is refused

Pair = tuple[str, str]


@attrs.frozen
class Coupling:
    """The combinations of values that are allowed for some axes, in the order of `AXES`."""

    axes: tuple[Axis, ...]
    rows: frozenset[tuple[str, ...]]

    @classmethod
    def of(cls, axes: Sequence[Axis], rows: Collection[Sequence[str]]) -> "Coupling":
        """Return the coupling of these axes, which may come in any order."""
        order = sorted(range(len(axes)), key=lambda i: AXES.index(axes[i]))
        return cls(
            tuple(axes[i] for i in order), frozenset(tuple(row[i] for i in order) for row in rows)
        )


def assignments(
    values: Mapping[Axis, Sequence[str]], couplings: Collection[Coupling]
) -> list[tuple[str, ...]]:
    """Return every combination of one value per axis that all couplings allow.

    The order is that of nested loops over `AXES`. A combination is dropped at the first axis where
    a coupling excludes it, so a few rows of many long axes are found without the full product.
    """
    rows: list[tuple[str, ...]] = [()]
    for axis in AXES:
        checks = [_prefixes(coupling, axis) for coupling in couplings if axis in coupling.axes]
        rows = [
            (*row, value)
            for row in rows
            for value in values[axis]
            if all((*(row[k] for k in known), value) in allowed for known, allowed in checks)
        ]
    return rows


def _prefixes(coupling: Coupling, axis: Axis) -> tuple[tuple[int, ...], frozenset[tuple[str, ...]]]:
    """Return the positions of a coupling's axes before `axis`, and the values allowed with it."""
    length = coupling.axes.index(axis) + 1
    known = tuple(AXES.index(name) for name in coupling.axes[: length - 1])
    return known, frozenset(row[:length] for row in coupling.rows)


def balanced(
    pairs: Collection[Pair], balance: Literal["left", "right", "both"]
) -> list[Pair] | None:
    """Return the largest selection of pairs in which each value of a side occurs equally often.

    The selection does not depend on the order of the pairs. None if no selection uses every value.
    """
    pairs = sorted(set(pairs))
    if balance == "right":
        mirrored = balanced([(right, left) for left, right in pairs], "left")
        return None if mirrored is None else sorted((left, right) for right, left in mirrored)
    lefts, rights = Counter(left for left, _ in pairs), Counter(right for _, right in pairs)
    for times in range(min(lefts.values(), default=0), 0, -1):
        limit, rest = divmod(times * len(lefts), len(rights))
        if balance == "left":
            limit = len(lefts)
        elif rest:
            continue
        chosen = _choose(pairs, list(lefts), times, limit)
        if len(chosen) == times * len(lefts):
            return sorted(chosen)
    return None


def _choose(pairs: Sequence[Pair], lefts: Sequence[str], times: int, limit: int) -> list[Pair]:
    """Return the most pairs in which each left occurs `times` and each right at most `limit` times.

    This is a matching by augmenting paths: if every right is taken, another left has to move.
    """
    rights_of: dict[str, list[str]] = {left: [] for left in lefts}
    for left, right in pairs:
        rights_of[left].append(right)
    takers: dict[str, list[str]] = {right: [] for _, right in pairs}

    def take(left: str, refused: set[str]) -> bool:
        # The least used first, so that a side without balance is at least spread evenly.
        for right in sorted(rights_of[left], key=lambda right: len(takers[right])):
            if right in refused or left in takers[right]:
                continue
            refused.add(right)
            if len(takers[right]) < limit:
                takers[right].append(left)
                return True
            for other in list(takers[right]):
                if take(other, refused):
                    takers[right].remove(other)
                    takers[right].append(left)
                    return True
        return False

    for _ in range(times):
        for left in lefts:
            take(left, set())
    return [(left, right) for right, taken in takers.items() for left in taken]


def unused_values(
    values: Mapping[Axis, Sequence[str]], rows: Collection[tuple[str, ...]]
) -> Iterator[tuple[Axis, str]]:
    """Yield the values of each axis that occur in no row."""
    for i, axis in enumerate(AXES):
        used = {row[i] for row in rows}
        for value in values[axis]:
            if value not in used:
                yield axis, value
