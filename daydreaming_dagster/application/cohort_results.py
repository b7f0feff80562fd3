"""The results of a cohort as tables, in files."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from daydreaming_dagster.application.cohort_status import look
from daydreaming_dagster.domain.results.evaluations import (
    read_evaluations,
    with_shown_ids,
    without_stale,
)
from daydreaming_dagster.domain.results.ranking import TextRank, rank_evaluations, with_shown_combos
from daydreaming_dagster.domain.results.refused import RefusedAnswer, refused_answers
from daydreaming_dagster.domain.results.verdicts import read_verdicts, without_stale_verdicts
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates

if TYPE_CHECKING:  # polars takes 0.3 s to import
    import polars as pl

    from daydreaming_dagster.domain.results.tables import ResultTables


@attrs.frozen
class TabulatedCohort:
    """The results of a cohort.

    Attributes:
        tables: All that was judged.
        ranks: The ranking of its judged texts.
        refused: The judges' answers that give no score.
        files: Where the tables are.
    """

    tables: "ResultTables"
    ranks: Sequence[TextRank]
    refused: Sequence[RefusedAnswer]
    files: Sequence[str]


def tabulate_cohort(
    store: GensStoreWithTemplates, cohorts: CohortStore, cohort_id: str, *, fresh: bool = False
) -> TabulatedCohort:
    """Write the tables of a cohort's results, and return them with its ranking.

    Each table is a CSV file. The evaluations are a Parquet file too. Scores that are stale are
    marked; with `fresh`, they are left out.

    Raises:
        CohortNotPlannedError: The cohort was not planned yet.
        CatalogError: The catalogs or the membership are wrong.
        DataLayerError: Metadata of a generation is missing or malformed.
        OSError: A file could not be written.
    """
    from daydreaming_dagster.domain.results.tables import make_result_tables

    members = cohorts.read_membership(cohort_id)
    catalog = cohorts.read_catalog()
    pipeline = catalog.pipeline
    stale = look(store, cohorts, cohort_id, catalog).not_of_today
    read = read_evaluations(store, pipeline, members, catalog.models, stale)
    evaluations = with_shown_ids(read, catalog)
    if fresh:
        evaluations = list(without_stale(evaluations))
    duels = list(read_verdicts(store, pipeline, members, catalog, stale))
    if fresh:
        duels = list(without_stale_verdicts(duels))
    tables = make_result_tables(pipeline, evaluations, duels)
    ranks = with_shown_combos(
        rank_evaluations(store, pipeline, members, evaluations, duels), catalog
    )
    files = cohorts.write_report_files(cohort_id, _as_files(tables))
    refused = list(refused_answers(store, catalog, evaluations))
    return TabulatedCohort(tables, ranks, refused, files)


def _without_formulas(table: "pl.DataFrame") -> "pl.DataFrame":
    """Return the table with `'` before texts that a spreadsheet would take for a formula.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    import polars as pl

    text = pl.col(pl.String)
    return table.with_columns(
        pl.when(text.str.contains(r"^[=+\-@\t\r]")).then("'" + text).otherwise(text).name.keep()
    )


def _as_files(tables: "ResultTables") -> dict[str, bytes]:
    files: dict[str, bytes] = {
        f"{name}.csv": _without_formulas(table).write_csv().encode()
        for name, table in tables.by_name().items()
    }
    parquet = io.BytesIO()
    tables.evaluations.write_parquet(parquet)
    files["evaluations.parquet"] = parquet.getvalue()
    return files
