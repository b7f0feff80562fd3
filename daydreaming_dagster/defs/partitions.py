"""A dynamic partition per generation, keyed by its gen_id, and one per cohort."""

from collections.abc import Mapping
from typing import Final

import dagster as dg

from daydreaming_dagster.types import STAGES, Stage

PARTITIONS: Final[Mapping[Stage, dg.DynamicPartitionsDefinition]] = {
    stage: dg.DynamicPartitionsDefinition(name=f"{stage}_generations") for stage in STAGES
}

COHORTS: Final = dg.DynamicPartitionsDefinition(name="cohorts")
