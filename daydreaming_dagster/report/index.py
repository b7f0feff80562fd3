"""The data of a report's page: the rows of its list, and all texts, packed."""

import base64
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from daydreaming_dagster.domain.generation.records import (
    RawRecord,
    ReplacedAnswer,
    without_responses,
)
from daydreaming_dagster.domain.generation.stored import StoredGeneration
from daydreaming_dagster.domain.results.naming import Name, name_combinations, short_id
from daydreaming_dagster.domain.results.report import CohortReport, ReportGeneration
from daydreaming_dagster.domain.stages import GenerationRef, Pipeline
from daydreaming_dagster.formatting import plural
from daydreaming_dagster.report.markdown import first_words, render_markdown, visible
from daydreaming_dagster.report.parts import scores
from daydreaming_dagster.report.people import people_on, scores_by_people
from daydreaming_dagster.types import JsonObject, JsonValue, Stage

ReadGeneration = Callable[[Stage, str], StoredGeneration]

_FIRST_CHARACTERS: Final = 160
"""How much of a text the list shows."""

_FIELDS: Final = (
    "stage",
    "id",
    "label",
    "name",
    "begins",
    "parents",
    "template",
    "llm",
    "replicate",
    "combo",
    "state",
    "stale",
    "doubt",
    "mean",
    "scores",
    "rank",
    "band",
    "chunk",
    "replaced",
    "people",
    "cohorts",
)


def make_index(
    report: CohortReport, names: Mapping[GenerationRef, Name], read_generation: ReadGeneration
) -> tuple[JsonObject, list[str]]:
    """Return what the list of generations shows, searches and filters, and the packed texts."""
    packed = _pack(report, names, read_generation)
    ranks = {rank.ref: rank for rank in report.ranks}
    means = report.ancestor_means()
    by_people = scores_by_people(report.ratings)
    rows: list[JsonValue] = []
    for item in (item for items in report.generations.values() for item in items):
        gen_id, score, rank = item.member.gen_id, item.outcome.score, ranks.get(item.ref)
        given = "" if rank is None else scores(rank.scores)
        if score is not None:
            given = scores([score]) + (" by hand" if item.outcome.by_hand else "")
        chunk, begins, replaced = packed.places[item.ref]
        rows.append(
            [
                item.stage,
                gen_id,
                short_id(gen_id),
                names[item.ref].maker,
                begins,
                [[role, *ref] for role, ref in item.parents],
                item.member.template,
                item.member.llm,
                item.member.replicate,
                item.combo,
                item.outcome.state,
                item.stale,
                item.doubt,
                means.get(item.ref) if rank is None else rank.mean,
                given,
                None if rank is None else rank.rank,
                None if rank is None else rank.band,
                chunk,
                replaced,
                scores(by_people.get(item.ref, [])),
                report.cohorts_of.get(item.ref, ""),
            ]
        )
    index: JsonObject = {
        "cohort": report.cohort_id.replace(" ", " and "),
        "judges": plural(report.pipeline.judge),
        "combos": dict(name_combinations(report)),
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
    return index, packed.chunks


def list_kinds(pipeline: Pipeline, used: Sequence[Stage]) -> list[JsonValue]:
    """Return what the list of generations can show, what is judged first."""
    stages = [
        *(stage for stage in used if stage in pipeline.ranked),
        *(stage for stage in used if stage not in pipeline.ranked),
    ]
    kinds = [(stage, [stage]) for stage in stages]
    if len(pipeline.ranked) > 1:
        kinds.insert(0, (pipeline.judged, [*pipeline.ranked]))
    return [{"name": name, "plural": plural(name), "stages": [*stages]} for name, stages in kinds]


@attrs.define
class _Packed:
    """The texts in chunks, and of each generation: its chunk, its first words, its old answers."""

    chunks: list[str] = attrs.field(factory=list)
    places: dict[GenerationRef, tuple[int, str, int]] = attrs.field(factory=dict)


def _pack(
    report: CohortReport, names: Mapping[GenerationRef, Name], read_generation: ReadGeneration
) -> _Packed:
    """Compress a judged text and its evaluations together.

    A prompt repeats the parent's text, and deflate only finds repetitions that are close. Each
    generation is read once, one after another, so that memory holds only what is compressed.
    """
    packed = _Packed()
    for family in _families(report):
        document: JsonObject = {}
        for item in family:
            texts = read_generation(item.stage, item.member.gen_id)
            earlier = [*_earlier(texts)]
            text = shown_text(texts, item, report)
            begins = "" if text is None else first_words(text, _FIRST_CHARACTERS)
            packed.places[item.ref] = len(packed.chunks), begins, len(earlier)
            document[item.member.gen_id] = {
                **_texts(texts, text, item, report),
                "earlier": earlier,
                "people": [*people_on(item.ref, report.ratings, names)],
            }
        data = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        packed.chunks.append(base64.b64encode(zlib.compress(data, 9)).decode())
    return packed


def _families(report: CohortReport) -> Iterator[Sequence[ReportGeneration]]:
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
    yield from families.values()
    yield from ([item] for item in alone)


def shown_text(texts: StoredGeneration, item: ReportGeneration, report: CohortReport) -> str | None:
    """Return the text of a generation that people read."""
    # The parsed text of a judge is only its verdict; the reasons are in the answer.
    return texts.raw if report.pipeline[item.stage].judges else texts.parsed


def _texts(
    texts: StoredGeneration, text: str | None, item: ReportGeneration, report: CohortReport
) -> JsonObject:
    return {
        "prompt": None if texts.prompt is None else visible(texts.prompt),
        "raw": None if texts.raw is None else visible(texts.raw),
        "html": None if text is None else render_markdown(text),
        "metadata": {
            name: None if document is None else visible(_pretty(document))
            for name, document in (
                ("metadata.json", texts.main_metadata),
                ("raw_metadata.json", without_responses(texts.raw_metadata or {}) or None),
                ("parsed_metadata.json", texts.parsed_metadata),
            )
        },
        "problems": list(texts.unreadable.values()),
        "took": _took(item),
        "concepts": [[concept.name, concept.description] for concept in report.concepts_of(item)],
    }


def _took(item: ReportGeneration) -> str:
    """Return the tokens, seconds and cost of an answer, as far as they are known."""
    outcome = item.outcome
    known = (
        (outcome.prompt_tokens, "{:,} tokens in"),
        (outcome.completion_tokens, "{:,} tokens out"),
        (outcome.duration_seconds, "{:.1f} s"),
        (outcome.cost, "{:.2g} USD"),
    )
    return ", ".join(shown.format(value) for value, shown in known if value is not None)


def _earlier(texts: StoredGeneration) -> Iterator[JsonValue]:
    """Yield the answers that the present one replaced, the first one first, each with its model."""
    replaced = RawRecord.from_document(texts.raw_metadata or {}).replaced
    for document in replaced if isinstance(replaced, list) else ():
        if isinstance(document, dict):
            answer = ReplacedAnswer.from_document(document)
            if answer.text is not None:
                yield [answer.model or "", visible(answer.text)]


def _pretty(document: Mapping[str, JsonValue]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2)
