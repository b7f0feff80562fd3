"""What a researcher writes down to define a cohort."""

from collections.abc import Mapping

import attrs

from daydreaming_dagster.domain.catalog import DEFAULT_LEVEL
from daydreaming_dagster.domain.language_model import SamplingParameters
from daydreaming_dagster.types import Stage


@attrs.frozen
class Axes:
    """What varies: a cohort is every combination of one value of each axis.

    Concepts are combined in all ways of taking `k` of `concepts`, or as listed in `combo`.
    Templates and models are named by their ids in the catalogs.
    """

    draft_template: list[str]
    draft_llm: list[str]
    essay_template: list[str]
    evaluation_template: list[str]
    evaluation_llm: list[str]
    essay_llm: list[str] = attrs.field(factory=list)
    concepts: list[str] = attrs.field(factory=list)
    k: int | None = None
    combo: list[list[str]] = attrs.field(factory=list)

    def templates(self, stage: Stage) -> list[str]:
        """Return the template ids of a stage."""
        ids: list[str] = getattr(self, f"{stage}_template")
        return ids

    def models(self, stage: Stage) -> list[str]:
        """Return the model ids of a stage."""
        ids: list[str] = getattr(self, f"{stage}_llm")
        return ids


@attrs.frozen
class CohortSpec:
    """A cohort as its `spec/config.yaml` defines it.

    `replicates` says how often each stage asks the same question (default 1), `sampling`
    how its models are asked (default: as the endpoint likes).
    """

    axes: Axes
    description_level: str = DEFAULT_LEVEL
    replicates: Mapping[Stage, int] = attrs.field(factory=dict)
    sampling: Mapping[Stage, SamplingParameters] = attrs.field(factory=dict)
