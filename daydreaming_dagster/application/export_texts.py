"""One table of a cohort's judged texts with the texts themselves, for a paper."""

import io
import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from daydreaming_dagster.application.cohort_results import (
    TabulatedCohort,
    gather_results,
    without_formulas,
)
from daydreaming_dagster.domain.exchange.inspect_log import make_inspect_log
from daydreaming_dagster.domain.exchange.promptfoo_results import make_promptfoo_results
from daydreaming_dagster.domain.exchange.scores import SentScore, SentText
from daydreaming_dagster.domain.generation.metadata import resolve_generation_metadata
from daydreaming_dagster.domain.generation.stored import if_there
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.types import JsonObject

if TYPE_CHECKING:  # polars is slow to import
    import polars as pl

ExportForm = Literal["csv", "parquet", "markdown", "inspect", "promptfoo"]


def export_texts(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    cohort_ids: Sequence[str],
    form: ExportForm,
    made_at: datetime,
    *,
    fresh: bool = False,
    without: Sequence[str] = (),
) -> dict[str, bytes]:
    """Return the files of an export by name. Writes nothing.

    `csv` and `parquet` are one file each, `texts.csv` or `texts.parquet`; `markdown` is a file per
    text; `inspect` and `promptfoo` are results as these tools read them, made at `made_at`. In a
    CSV file, a text that a spreadsheet would take for a formula has a `'` before it; the others
    have each text as it is. `fresh` and `without` are those of `tabulate_cohort`.

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
        case "inspect":
            document = make_inspect_log(cohort_ids[0], _sent(store, results, table), made_at)
            return {"texts.inspect.json": _as_json(document)}
        case "promptfoo":
            document = make_promptfoo_results(cohort_ids[0], _sent(store, results, table), made_at)
            return {"texts.promptfoo.json": _as_json(document)}


def _as_json(document: JsonObject) -> bytes:
    return f"{json.dumps(document, ensure_ascii=False, indent=1)}\n".encode()


def _sent(
    store: GensStoreWithTemplates, results: TabulatedCohort, table: "pl.DataFrame"
) -> list[SentText]:
    """Return the texts that there are, in the order of the ranking, with their scores."""
    from daydreaming_dagster.domain.results.text_table import CONTENT

    scores: dict[GenerationRef, list[SentScore]] = {}
    for row in results.evaluations:
        if row.outcome.score is None:
            continue
        main = resolve_generation_metadata(store, row.stage, row.evaluation.gen_id)
        sent = SentScore(
            f"{row.evaluation.template}/{row.evaluation.llm}",
            row.evaluation.template,
            row.evaluation.gen_id,
            row.evaluation.replicate or 1,
            row.outcome.score,
            if_there(store.read_raw, row.stage, row.evaluation.gen_id) or "",
            main.record.imported,
        )
        scores.setdefault(row.judged, []).append(sent)
    left_out = {results.tables.judged, *(name for name in table.columns if name.endswith(CONTENT))}
    return [
        SentText(
            rank.ref,
            if_there(store.read_prompt, *rank.ref) or "",
            known[CONTENT],
            rank.llm_model_id,
            {
                name: value
                for name, value in known.items()
                if value is not None and name not in left_out
            },
            scores.get(rank.ref, []),
        )
        for rank, known in zip(results.ranks, table.iter_rows(named=True), strict=True)
        if known[CONTENT] is not None
    ]
