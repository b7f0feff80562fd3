"""Which planned generations of a cohort are the parents of which: a join along what they share."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final

import attrs

from daydreaming_dagster.domain.cohort.couplings import Row
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.metadata import Parent
from daydreaming_dagster.domain.stages import (
    COHORT,
    COMBO,
    GenerationRef,
    ParentRole,
    Pipeline,
    StageDefinition,
)
from daydreaming_dagster.types import Stage

MOST_PAIRS: Final = 5_000_000
"""More choices of parents at the same stage than this are a mistake that would fill the memory."""


@attrs.frozen(eq=False)
class Origin:
    """What generations can be made from: a combination of concepts, or one parent for each role.

    Attributes:
        parents: The parents in the order of the roles; all members of a group in the order of
            their gen_ids.
        ancestors: The gen_id of the only ancestor at each stage that has just one, and the
            combination, if there is only one.
        rows: The values of the axes that lead here. They are several if a copy, which asks no
            model, stands for several models.
        groups: For each role that a group takes, what the group has in common.
    """

    parents: tuple[Parent, ...]
    ancestors: Mapping[str, str]
    rows: tuple[Row, ...]
    groups: tuple[tuple[str, str], ...] = ()


@attrs.frozen(eq=False)
class PlannedText:
    """A planned generation as a parent of others."""

    ref: GenerationRef
    origin: Origin
    rows: tuple[Row, ...]

    @property
    def ancestors(self) -> dict[str, str]:
        """Those of its origin, and itself."""
        return {**self.origin.ancestors, self.ref.stage: self.ref.gen_id}


def origins(
    pipeline: Pipeline, definition: StageDefinition, planned: Mapping[Stage, Sequence[PlannedText]]
) -> Iterator[Origin]:
    """Yield what the generations of a stage are made from, given what is planned above it.

    Parents in different roles go together if they agree on every ancestor that each has only one
    of, and on the combination: a revision takes an essay and its critique. Parents at the same
    stage are different generations, and agree on what `within` names and on what is above it: in
    both orders where the stage compares them, otherwise in planned order.

    Raises:
        CatalogError: There are more than `MOST_PAIRS` choices of parents at the same stage.
    """
    found: Iterable[Origin] = [Origin((), {}, ({},))]
    taken: list[ParentRole] = []
    for role in definition.parents:
        candidates = list(_candidates(pipeline, role, planned))
        alike = any(
            role.all_of is None and other.all_of is None and set(role.stages) & set(other.stages)
            for other in taken
        )
        if alike:
            found = _paired(pipeline, definition, list(found), candidates)
        elif len(definition.parents) == 1:
            found = candidates
        else:
            found = _joined(list(found), candidates)
        taken.append(role)
    yield from found


def _candidates(
    pipeline: Pipeline, role: ParentRole, planned: Mapping[Stage, Sequence[PlannedText]]
) -> Iterator[Origin]:
    """Yield what can take a role: each text, or each group of texts."""
    texts = (text for stage in role.stages for text in planned.get(stage, ()))
    if role.all_of is None:
        for text in texts:
            yield Origin((Parent(role.name, text.ref),), text.ancestors, text.rows)
        return
    groups: dict[str, list[PlannedText]] = {}
    for text in texts:
        key = COHORT if role.all_of == COHORT else text.origin.ancestors.get(role.all_of)
        if key is not None:
            groups.setdefault(key, []).append(text)
    shared = {COMBO, *(pipeline.with_ancestors([role.all_of]) if role.all_of in pipeline else ())}
    for key, members in groups.items():
        parents = sorted(Parent(role.name, member.ref) for member in members)
        ancestors: dict[str, str] = {}
        if role.all_of != COHORT:
            of_one = members[0].ancestors
            ancestors = {stage: of_one[stage] for stage in of_one if stage in shared}
        rows = agreeing([member.rows[0] for member in members])
        yield Origin(tuple(parents), ancestors, (rows,), ((role.name, key),))


def _joined(found: Sequence[Origin], candidates: Sequence[Origin]) -> Iterator[Origin]:
    """Yield each origin with each candidate that agrees with it on all that they share."""
    # Texts of different stages have different ancestors, so each shape is joined on its own.
    by_shape: dict[frozenset[str], dict[tuple[str, ...], dict[Any, list[Origin]]]] = {}
    shapes: dict[frozenset[str], list[Origin]] = {}
    for candidate in candidates:
        shapes.setdefault(frozenset(candidate.ancestors), []).append(candidate)
    for origin in found:
        for shape, of_shape in shapes.items():
            shared = tuple(sorted(shape & origin.ancestors.keys()))
            indexes = by_shape.setdefault(shape, {})
            if shared not in indexes:
                index = indexes[shared] = {}
                for candidate in of_shape:
                    key = tuple(candidate.ancestors[name] for name in shared)
                    index.setdefault(key, []).append(candidate)
            key = tuple(origin.ancestors[name] for name in shared)
            for candidate in indexes[shared].get(key, ()):
                rows = tuple(
                    {**own, **other}
                    for own, other in product(origin.rows, candidate.rows)
                    if all(own[axis] == other[axis] for axis in own.keys() & other.keys())
                )
                if rows:
                    yield Origin(
                        (*origin.parents, *candidate.parents),
                        {**origin.ancestors, **candidate.ancestors},
                        rows,
                        (*origin.groups, *candidate.groups),
                    )


def _paired(
    pipeline: Pipeline,
    definition: StageDefinition,
    found: Sequence[Origin],
    candidates: Sequence[Origin],
) -> Iterator[Origin]:
    """Yield each origin with each other candidate of the same stage that it may be put beside."""
    within = definition.within or COHORT
    shared: Collection[str] = ()
    if within != COHORT:
        above = pipeline.with_ancestors([within]) if within in pipeline else ()
        shared = (COMBO, *above)
    place = {candidate.parents[0].ref: i for i, candidate in enumerate(candidates)}
    groups: dict[Any, list[Origin]] = {}
    for candidate in candidates:
        groups.setdefault(_values(candidate, shared), []).append(candidate)
    count = 0
    for origin in found:
        others = {parent.ref for parent in origin.parents}
        after = max((place.get(ref, -1) for ref in others), default=-1)
        for candidate in groups.get(_values(origin, shared), ()):
            ref = candidate.parents[0].ref
            if ref in others or (definition.judges != "pairs" and place[ref] < after):
                continue
            count += 1
            if count > MOST_PAIRS:
                problem = (
                    f"stages.{definition.name}: more than {MOST_PAIRS:,} choices of parents; name "
                    f"fewer, or what they have in common (within)"
                )
                raise CatalogError("the plan", (problem,))
            yield Origin(
                (*origin.parents, *candidate.parents),
                agreeing([origin.ancestors, candidate.ancestors]),
                (agreeing([origin.rows[0], candidate.rows[0]]),),
                origin.groups,
            )


def _values(origin: Origin, shared: Collection[str]) -> tuple[str | None, ...]:
    return tuple(origin.ancestors.get(name) for name in shared)


def agreeing(mappings: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return what all that say something say alike."""
    agreed: dict[str, str] = {}
    contradicted: set[str] = set()
    for mapping in mappings:
        for key, value in mapping.items():
            if agreed.setdefault(key, value) != value:
                contradicted.add(key)
    return {key: value for key, value in agreed.items() if key not in contradicted}
