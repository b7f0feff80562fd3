"""The judged texts in one table, in the order of the ranking. Imports polars: see `tables`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

import polars as pl

from daydreaming_dagster.domain.generation.stored import if_there
from daydreaming_dagster.domain.results.evaluations import Evaluation
from daydreaming_dagster.domain.results.ranking import TextRank, judgment_of
from daydreaming_dagster.domain.results.tables import ResultTables
from daydreaming_dagster.domain.stages import GenerationRef, Pipeline
from daydreaming_dagster.ports.gens_store import GensStore

CONTENT = "content"
"""The column with the text. What a text goes back to is in `<stage>_content`."""


def make_text_table(
    store: GensStore,
    pipeline: Pipeline,
    tables: ResultTables,
    ranks: Sequence[TextRank],
    evaluations: Sequence[Evaluation],
) -> pl.DataFrame:
    """Return a row per judged text: its place, axes and scores, what it goes back to, and itself.

    A column named like each judge has the mean of its scores, as a share of the scale.

    Raises:
        DataLayerError: A text is malformed.
    """
    given: dict[str, dict[str, list[float]]] = {}
    lineages: dict[str, Mapping[str, str]] = {}
    judges: dict[str, None] = {}
    for row in evaluations:
        gen_id = row.judged.gen_id
        lineages[gen_id] = {stage: member.gen_id for stage, member in row.lineage.items()}
        judge, score = judgment_of(row)[1:]
        judges[judge] = None
        if score is not None:
            given.setdefault(gen_id, {}).setdefault(judge, []).append(score.normalised)
    above = [stage for stage in pipeline.judged_lineage if not pipeline[stage].judges]
    above = [stage for stage in above if stage != tables.judged]
    columns: dict[str, list[Any]] = {tables.judged: [rank.gen_id for rank in ranks]}
    for judge in sorted(judges):
        scores = [given.get(rank.gen_id, {}).get(judge) for rank in ranks]
        columns[judge] = [None if found is None else fmean(found) for found in scores]
    for stage in above:
        columns[f"{stage}_{CONTENT}"] = [
            _content(store, stage, lineages.get(rank.gen_id, {}).get(stage)) for rank in ranks
        ]
    columns[CONTENT] = [if_there(store.read_parsed, *rank.ref) for rank in ranks]
    schema = {name: pl.Float64 if name in judges else pl.String for name in columns}
    texts = pl.DataFrame(columns, schema=schema)
    joined = texts.join(tables.ranking, on=tables.judged, how="left", maintain_order="left")
    return joined.select(
        *tables.ranking.columns, *[name for name in columns if name != tables.judged]
    )


def as_markdown(table: pl.DataFrame, judged: str) -> Iterator[tuple[str, str]]:
    """Yield the name and contents of a file for each text, with what is known of it at its head.

    The head is YAML between lines of dashes, as static site generators and Pandoc read it.
    """
    for number, row in enumerate(table.iter_rows(named=True), start=1):
        head = {
            name: value
            for name, value in row.items()
            if value is not None and not name.endswith(CONTENT)
        }
        lines = "\n".join(f"{_yaml(name)}: {_yaml(value)}" for name, value in head.items())
        yield f"{number:03}-{row[judged]}.md", f"---\n{lines}\n---\n\n{row[CONTENT] or ''}\n"


def _yaml(value: object) -> str:
    # JSON is YAML.
    return json.dumps(value, ensure_ascii=False)


def _content(store: GensStore, stage: str, gen_id: str | None) -> str | None:
    return None if gen_id is None else if_there(store.read_parsed, *GenerationRef(stage, gen_id))
