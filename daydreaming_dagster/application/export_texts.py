"""One table of a cohort's judged texts with the texts themselves, for a paper."""

import io
from collections.abc import Sequence
from typing import Literal

from daydreaming_dagster.application.cohort_results import gather_results, without_formulas
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates

ExportForm = Literal["csv", "parquet", "markdown"]


def export_texts(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    cohort_ids: Sequence[str],
    form: ExportForm,
    *,
    fresh: bool = False,
    without: Sequence[str] = (),
) -> dict[str, bytes]:
    """Return the files of an export by name. Writes nothing.

    `csv` and `parquet` are one file each, `texts.csv` or `texts.parquet`; `markdown` is a file per
    text. In a CSV file, a text that a spreadsheet would take for a formula has a `'` before it; the
    others have each text as it is. `fresh` and `without` are those of `tabulate_cohort`.

    Raises:
        DaydreamingError: See `tabulate_cohort`.
    """
    from daydreaming_dagster.domain.results.text_table import as_markdown, make_text_table

    results = gather_results(store, cohorts, cohort_ids, fresh=fresh, without=without)
    pipeline, tables = cohorts.read_pipeline(), results.tables
    table = make_text_table(store, pipeline, tables, results.ranks, results.evaluations)
    match form:
        case "csv":
            return {"texts.csv": without_formulas(table).write_csv().encode()}
        case "parquet":
            data = io.BytesIO()
            table.write_parquet(data)
            return {"texts.parquet": data.getvalue()}
        case "markdown":
            return {name: text.encode() for name, text in as_markdown(table, tables.judged)}
