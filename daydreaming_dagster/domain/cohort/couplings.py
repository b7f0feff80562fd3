"""Which values of a cohort's axes go together."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Literal, TypeAlias

import attrs

from daydreaming_dagster.domain.stages import Pipeline

Axis: TypeAlias = Annotated[str, "axis"]
"""The name of an axis: one of `Pipeline.axes`, so that a document that names another is refused."""

Pair = tuple[str, str]
Row = Mapping[Axis, str]
"""The values of some axes."""


@attrs.frozen
class Coupling:
    """The combinations of values that are allowed for some axes, in the order of the pipeline."""

    axes: tuple[Axis, ...]
    rows: frozenset[tuple[str, ...]]
    _projections: dict[tuple[Axis, ...], frozenset[tuple[str, ...]]] = attrs.field(
        factory=dict, init=False, eq=False, repr=False
    )

    @classmethod
    def of(
        cls, pipeline: Pipeline, axes: Sequence[Axis], rows: Collection[Sequence[str]]
    ) -> "Coupling":
        """Return the coupling of these axes, which may come in any order."""
        order = sorted(range(len(axes)), key=lambda i: pipeline.axes.index(axes[i]))
        return cls(
            tuple(axes[i] for i in order), frozenset(tuple(row[i] for i in order) for row in rows)
        )

    def allows(self, row: Row) -> bool:
        """Return whether the values of a row go together, as far as the row has these axes."""
        known = tuple(axis for axis in self.axes if axis in row)
        allowed = self._projections.get(known)
        if allowed is None:
            places = [self.axes.index(axis) for axis in known]
            allowed = frozenset(tuple(values[i] for i in places) for values in self.rows)
            self._projections[known] = allowed
        return tuple(row[axis] for axis in known) in allowed


def extensions(
    row: Row, axis: Axis, values: Sequence[str], couplings: Collection[Coupling]
) -> Iterator[dict[Axis, str]]:
    """Yield the row with each value of one more axis that all couplings allow with it.

    Axis by axis, a few rows of many long axes are found without the full product.
    """
    checks = [coupling for coupling in couplings if axis in coupling.axes]
    for value in values:
        extended = {**row, axis: value}
        if all(coupling.allows(extended) for coupling in checks):
            yield extended


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
