"""Entering a score by hand for a judge's answer, where the parser reads none or a wrong one."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.errors import ResponseParseError, ScoreByHandError
from daydreaming_dagster.domain.generation.answers import store_parsed, store_score_by_hand
from daydreaming_dagster.domain.generation.metadata import resolve_generation_metadata
from daydreaming_dagster.domain.generation.state import RawAnswer, read_state
from daydreaming_dagster.domain.parsing.response import ResponseReader, Score
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.ports.gens_store import GensStore, claim_generation


def settle_score(
    store: GensStore,
    catalog: Catalog,
    gen_id: str,
    value: float,
    *,
    maximum: float | None = None,
    note: str | None = None,
) -> Score:
    """Store the score that a person gives a judge's present answer, and return it.

    The stage is the one that scores and has the generation.

    It counts until the answer is replaced, or the score is taken back. Its scale is the template's;
    `maximum` is the best score where the person's scale has another one. A template that changes
    later does not change the score.

    Raises:
        ScoreByHandError: The score is not on its scale, the generation is not an evaluation or has
            no whole answer, or another run makes it. Nothing was written.
        CatalogError: The template is not in the catalog. Nothing was written.
        DataLayerError: The gen_id is none, or what is stored of the generation is malformed.
    """
    for number in (value, maximum):
        if number is not None and not isfinite(number):
            raise ScoreByHandError(gen_id, f"{number} is not a finite number")
    ref = _scoring(store, catalog, gen_id)
    score = _on_scale(gen_id, value, _reader(store, catalog, ref), maximum)
    with _claimed_answer(store, catalog, ref) as answer:
        if not answer.record.is_usable:
            reason = answer.record.unusable or "it was cut off"
            problem = f"its answer gives no text to judge by ({reason}); ask again with --force"
            raise ScoreByHandError(gen_id, problem)
        store_score_by_hand(store, ref, answer, score, note)
    return score


def take_back_score(store: GensStore, catalog: Catalog, gen_id: str) -> Score | None:
    """Remove a person's score; return what the parser reads instead, None if it refuses the answer.

    Raises:
        ScoreByHandError: No person entered the score of the present answer, or another run makes
            the generation. Nothing was written.
        CatalogError: The template is not in the catalog. Nothing was written.
        DataLayerError: The gen_id is none, or what is stored of the generation is malformed.
    """
    ref = _scoring(store, catalog, gen_id)
    reader = _reader(store, catalog, ref)
    with _claimed_answer(store, catalog, ref) as answer:
        stored = read_state(store, catalog.pipeline[ref.stage], gen_id)
        if not stored.scored_by_hand:
            raise ScoreByHandError(gen_id, "nobody entered a score for its present answer")
        record = attrs.evolve(
            stored.parsed_record,
            scored_by=None,
            note=None,
            score=None,
            score_maximum=None,
            score_minimum=None,
        )
        store.write_parsed_metadata(*ref, record.as_document())
        try:
            return store_parsed(store, *ref, reader, answer).score
        except ResponseParseError:
            return None


def _scoring(store: GensStore, catalog: Catalog, gen_id: str) -> GenerationRef:
    pipeline = catalog.pipeline
    there = [stage for stage in pipeline if store.exists(stage, gen_id)]
    for stage in there:
        if pipeline[stage].scores:
            return GenerationRef(stage, gen_id)
    what = f"it belongs to the stage {there[0]}" if there else "there is no such generation"
    scoring = " or ".join(pipeline.scoring)
    raise ScoreByHandError(gen_id, f"{what}; only an {scoring} has a score")


def _reader(store: GensStore, catalog: Catalog, ref: GenerationRef) -> ResponseReader:
    metadata = resolve_generation_metadata(store, *ref)
    return catalog.reader(ref.stage, metadata.template_id)


def _on_scale(gen_id: str, value: float, reader: ResponseReader, maximum: float | None) -> Score:
    least, best = reader.score_minimum, reader.score_maximum if maximum is None else maximum
    if not least < best:
        raise ScoreByHandError(gen_id, f"{least:g} to {best:g} is not a scale")
    if not least <= value <= best:
        other = "; --maximum gives another best score" if maximum is None else ""
        raise ScoreByHandError(gen_id, f"{value:g} is outside {least:g} to {best:g}{other}")
    return Score(value, best, least or None)


@contextmanager
def _claimed_answer(store: GensStore, catalog: Catalog, ref: GenerationRef) -> Iterator[RawAnswer]:
    """Yield the present answer, which no run replaces meanwhile."""
    claim = claim_generation(store, *ref)
    if claim is None:
        raise ScoreByHandError(ref.gen_id, "another run makes it; wait until that ends")
    try:
        answer = read_state(store, catalog.pipeline[ref.stage], ref.gen_id).answer
        if answer is None:
            raise ScoreByHandError(ref.gen_id, "it has no answer yet; run its cohort first")
        yield answer
    finally:
        claim.release()
