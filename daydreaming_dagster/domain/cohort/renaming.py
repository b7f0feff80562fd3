"""Specifications with the ids of concepts that generations are planned with."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from daydreaming_dagster.domain.catalog import COMBO_SEPARATOR
from daydreaming_dagster.domain.cohort.couplings import Axis
from daydreaming_dagster.domain.cohort.spec import CohortSpec
from daydreaming_dagster.domain.stages import COMBO


def with_planned_ids(spec: CohortSpec, planned: Mapping[str, str]) -> CohortSpec:
    """Return the specification with other ids of concepts: the values of `planned` for its keys.

    So a renamed concept keeps its gen_ids, and its place in the combinations.
    """
    if not planned:
        return spec

    def renamed(concept_ids: Sequence[str]) -> list[str]:
        return [planned.get(concept_id, concept_id) for concept_id in concept_ids]

    def cells(axes: Sequence[Axis], row: Sequence[str]) -> list[str]:
        return [
            COMBO_SEPARATOR.join(renamed(value.split(COMBO_SEPARATOR)))
            if axes[i : i + 1] == [COMBO]
            else value
            for i, value in enumerate(row)
        ]

    axes: Any = spec.axes  # each class that `axes_class` makes is one of attrs
    return attrs.evolve(
        spec,
        axes=attrs.evolve(
            axes, concepts=renamed(axes.concepts), combo=[renamed(combo) for combo in axes.combo]
        ),
        subsets={
            axis: [value for kept_value in kept for value in cells([axis], [kept_value])]
            for axis, kept in spec.subsets.items()
        },
        pairs=[
            attrs.evolve(pairs, allowed=[cells(pairs.axes, row) for row in pairs.allowed])
            for pairs in spec.pairs
        ],
        tuples=[
            attrs.evolve(tuples, rows=[cells(tuples.axes, row) for row in tuples.rows])
            for tuples in spec.tuples
        ],
    )
