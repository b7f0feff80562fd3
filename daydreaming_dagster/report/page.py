"""A report as one HTML file. It sends no requests, and nothing in a model's text is executed."""

import base64
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import attrs
import jinja2
import markupsafe

from daydreaming_dagster.domain.generation.stored import StoredGeneration
from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.results.report import CohortReport, ReportGeneration
from daydreaming_dagster.domain.stages import GenerationRef, Pipeline
from daydreaming_dagster.formatting import counted, plural
from daydreaming_dagster.report.figures import Figure, short_id
from daydreaming_dagster.report.markdown import render_markdown, visible
from daydreaming_dagster.report.standalone import (
    content_security_policy,
    json_for_html,
    package_file,
)
from daydreaming_dagster.types import JsonObject, JsonValue, Stage

ReadGeneration = Callable[[Stage, str], StoredGeneration]

_LISTED: Final = 10
"""How many rows a table of the overview shows; the list of generations has all of them."""

_NOT_THERE: Final = "\N{EN DASH}"


def render_page(
    report: CohortReport,
    figures: Sequence[Figure],
    read_generation: ReadGeneration,
    made_at: datetime,
) -> str:
    """Return the report as HTML.

    Calls `read_generation` once per generation, one after another, so that memory holds only the
    compressed texts. The page unpacks a text when a reader opens it.
    """
    style = package_file("report.css")
    script = package_file("reader.js") + package_file("report.js")
    chunks = _Chunks(read_generation)
    used = [
        stage
        for stage in report.pipeline
        if report.generations[stage] or report.pipeline[stage].required
    ] or report.pipeline.names
    kinds = _kinds(report.pipeline, used)
    index = {"kinds": kinds, **_index(report, chunks)}
    environment = make_environment()
    # Below a dollar, cents need more digits. All amounts have the same number, so they align.
    environment.filters["money"] = partial(_money, digits=2 if (report.cost or 0) >= 1 else 4)
    return environment.get_template("report.html.j2").render(
        report=report,
        totals=[total for total in report.stage_totals() if total.stage in used],
        kinds=kinds,
        unpriced=sum(totals.without_cost for totals in report.model_totals()),
        figures=[
            (figure, figure.svg("currentColor") if figure.chart else "") for figure in figures
        ],
        ranks=report.ranks[:_LISTED],
        concerns=_concerns(report),
        listed=_LISTED,
        made_at=made_at,
        style=style,
        script=script,
        csp=content_security_policy(style, script),
        index=json_for_html(index),
        chunks=chunks.packed,
    )


def make_environment() -> jinja2.Environment:
    """Return the environment of the templates of reports, with the filters that they use."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("daydreaming_dagster", "report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for shown in (_breakable, _count, _share, _scores, _cell, short_id, plural, counted):
        environment.filters[shown.__name__.lstrip("_")] = shown
    return environment


@attrs.define
class _Chunks:
    """Compresses a judged text and its evaluations together.

    A prompt repeats the parent's text, and deflate only finds repetitions that are close.
    """

    read_generation: ReadGeneration
    packed: list[str] = attrs.field(factory=list)

    def pack(self, generations: Sequence[ReportGeneration], report: CohortReport) -> int:
        """Return the number of the chunk that holds these generations."""
        document: JsonObject = {
            item.member.gen_id: _texts(
                self.read_generation(item.stage, item.member.gen_id), item, report
            )
            for item in generations
        }
        data = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        self.packed.append(base64.b64encode(zlib.compress(data, 9)).decode())
        return len(self.packed) - 1


def _texts(texts: StoredGeneration, item: ReportGeneration, report: CohortReport) -> JsonValue:
    concepts = [report.concepts[item.level, concept_id] for concept_id in item.concept_ids]
    # The parsed text of a judge is only its verdict; the reasons are in the answer.
    text = texts.raw if report.pipeline[item.stage].judges else texts.parsed
    return {
        "prompt": None if texts.prompt is None else visible(texts.prompt),
        "raw": None if texts.raw is None else visible(texts.raw),
        "html": None if text is None else render_markdown(text),
        "metadata": {
            name: None if document is None else visible(_pretty(document))
            for name, document in (
                ("metadata.json", texts.main_metadata),
                ("raw_metadata.json", texts.raw_metadata),
                ("parsed_metadata.json", texts.parsed_metadata),
            )
        },
        "problems": list(texts.unreadable.values()),
        "concepts": [[concept.name, concept.description] for concept in concepts],
    }


def _index(report: CohortReport, chunks: _Chunks) -> JsonObject:
    """Return the rows that the list of generations shows, searches and filters."""
    ranks = {rank.ref: rank for rank in report.ranks}
    means = report.ancestor_means()
    chunk_of: dict[GenerationRef, int] = {}
    families = {
        item.ref: [item] for stage in report.pipeline.scored for item in report.generations[stage]
    }
    alone: list[ReportGeneration] = []
    for stage, items in report.generations.items():
        for item in items:
            if stage in report.pipeline.scoring and item.parents[0].ref in families:
                families[item.parents[0].ref].append(item)
            elif item.ref not in families:
                alone.append(item)
    for family in (*families.values(), *([item] for item in alone)):
        chunk = chunks.pack(family, report)
        chunk_of |= {item.ref: chunk for item in family}
    rows: list[JsonValue] = []
    for stage in report.pipeline:
        for item in report.generations[stage]:
            gen_id, score, rank = item.member.gen_id, item.outcome.score, ranks.get(item.ref)
            mean = means.get(item.ref) if rank is None else rank.mean
            scores = "" if rank is None else _scores(rank.scores)
            if score is not None:
                scores = _scores([score])
                scores += " by hand" if item.outcome.by_hand else ""
            rows.append(
                [
                    stage,
                    gen_id,
                    short_id(gen_id),
                    [[role, *ref] for role, ref in item.parents],
                    item.member.template,
                    item.member.llm,
                    item.member.replicate,
                    item.combo,
                    item.outcome.state,
                    item.stale,
                    mean,
                    scores,
                    None if rank is None else rank.rank,
                    None if rank is None else rank.band,
                    chunk_of[item.ref],
                ]
            )
    return {
        "cohort": report.cohort_id,
        "judges": plural(report.pipeline.judge),
        "stages": {
            stage: {
                "plural": plural(stage),
                "judges": report.pipeline[stage].judges,
                "judged": stage in report.pipeline.scored,
            }
            for stage in report.pipeline
        },
        "fields": [*_FIELDS],
        "rows": rows,
    }


def _kinds(pipeline: Pipeline, used: Sequence[Stage]) -> list[JsonValue]:
    """Return what the list of generations can show, what is judged first."""
    stages = [
        *(stage for stage in used if stage in pipeline.scored),
        *(stage for stage in used if stage not in pipeline.scored),
    ]
    kinds = [(stage, [stage]) for stage in stages]
    if len(pipeline.scored) > 1:
        kinds.insert(0, (pipeline.judged, [*pipeline.scored]))
    return [{"name": name, "plural": plural(name), "stages": [*stages]} for name, stages in kinds]


_FIELDS: Final = (
    "stage",
    "id",
    "label",
    "parents",
    "template",
    "llm",
    "replicate",
    "combo",
    "state",
    "stale",
    "mean",
    "scores",
    "rank",
    "band",
    "chunk",
)


@attrs.frozen
class _Concern:
    """Generations that need attention; `filter` is their value in the list's filter."""

    title: str
    filter: str
    meaning: str
    rows: Sequence[tuple[ReportGeneration, str]]


def _concerns(report: CohortReport) -> list[_Concern]:
    everything = [item for items in report.generations.values() for item in items]
    return [
        _Concern(
            "Failed",
            "failed",
            "A model answered, but the answer was cut off or the parser cannot read it.",
            [(item, item.outcome.state) for item in everything if item.failed],
        ),
        _Concern(
            "Missing",
            "missing",
            "No model has answered yet.",
            [(item, item.outcome.state) for item in everything if item.missing],
        ),
        _Concern(
            "Stale",
            "stale",
            "The answer belongs to an earlier question: a template, concept, model or parent text "
            "has changed since.",
            [(item, item.stale) for item in everything if item.stale],
        ),
    ]


def _pretty(document: Mapping[str, JsonValue]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2)


def _breakable(combo: str) -> markupsafe.Markup:
    """Return a combination's id with an optional line break after each concept."""
    return markupsafe.Markup("+<wbr>").join(combo.split("+"))


def _count(value: int) -> str:
    return f"{value:,}"


def _share(value: float | None) -> str:
    return _NOT_THERE if value is None else f"{value:.2f}"


def _scores(scores: Sequence[Score]) -> str:
    """Return the scores as given, with the maximum only once if all have the same."""
    maxima = {score.maximum for score in scores}
    if len(maxima) != 1 or None in maxima:
        return ", ".join(map(str, scores))
    return f"{', '.join(f'{score.value:g}' for score in scores)} of {maxima.pop():g}"


def _money(value: float | None, digits: int) -> str:
    return _NOT_THERE if value is None else f"{value:,.{digits}f}"


def _cell(value: object) -> str:
    if value is None:
        return _NOT_THERE
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 1 else f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
