"""The tables of results, which say what was planned. Imports polars when they are made."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from daydreaming_dagster.application.planned_spec import planned_spec
from daydreaming_dagster.application.stop_rules import say_stop_rules
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.results.evaluations import Evaluation
from daydreaming_dagster.domain.results.verdicts import Duel
from daydreaming_dagster.ports.cohort_store import CohortStore

if TYPE_CHECKING:  # polars is slow to import
    from daydreaming_dagster.domain.results.tables import ResultTables


def make_planned_tables(
    cohorts: CohortStore,
    cohort_ids: Sequence[str],
    catalog: Catalog,
    evaluations: Sequence[Evaluation],
    duels: Sequence[Duel],
) -> "ResultTables":
    """Return the tables of these evaluations and duels.

    They tell the contrasts of the cohort's plan from what is found by looking, and whether its stop
    rules hold is the first remark.

    Raises:
        CatalogError: The specification cannot be read.
    """
    from daydreaming_dagster.domain.results.tables import make_result_tables

    spec = planned_spec(cohorts, cohort_ids, catalog)
    contrasts = () if spec is None else spec.contrasts
    tables = make_result_tables(catalog.pipeline, evaluations, duels, contrasts)
    rules = say_stop_rules(cohorts, cohort_ids, catalog, evaluations)
    return attrs.evolve(tables, remarks=(*rules, *tables.remarks))
