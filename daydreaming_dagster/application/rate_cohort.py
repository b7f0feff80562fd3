"""People's ratings of a cohort's texts: the page that asks for them, and reading what came back."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from daydreaming_dagster.domain.errors import NothingToRateError
from daydreaming_dagster.domain.generation.state import COMPLETE, read_state
from daydreaming_dagster.domain.people.rating_files import holds_ratings
from daydreaming_dagster.domain.people.ratings import Rating, read_ratings
from daydreaming_dagster.domain.people.sheet import KEY_SUFFIX, RatingSheet, make_sheet
from daydreaming_dagster.domain.stages import GenerationRef, Pipeline
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.types import Stage

RATINGS: Final = 30
"""How many questions a sheet has if nobody says otherwise."""


@attrs.frozen
class WrittenSheet:
    """A sheet, how many minutes it takes, and where its page and its key are."""

    sheet: RatingSheet
    minutes: int
    page: str
    key: str


def write_rating_sheet(
    store: GensStore, cohorts: CohortStore, cohort_id: str, seed: int, ratings: int = RATINGS
) -> WrittenSheet:
    """Write a page that asks a person about texts of a cohort, and the key to its tokens.

    The key is written first: without it, nobody knows what a rating is about.

    Raises:
        NothingToRateError: No text that is judged is done.
        CohortNotPlannedError: The cohort was not planned yet.
        CatalogError: The stages or the membership are wrong.
        DataLayerError: What is stored of a text is malformed.
        OSError: A file could not be written.
    """
    from daydreaming_dagster.report.rating_page import minutes_to_rate, render_rating_page

    members, pipeline = cohorts.read_membership(cohort_id), cohorts.read_pipeline()
    found = _texts(store, pipeline, members)
    texts = {ref: text for ref, text in found.items() if text is not None and text.strip()}
    if not texts:
        raise NothingToRateError(cohort_id, " or ".join(pipeline.ranked))
    sheet = make_sheet(texts, ratings, seed)
    shown = {text.token: texts[text.ref] for text in sheet.texts}
    document = f"{json.dumps(sheet.as_document(), indent=2)}\n"
    files = {
        f"{sheet.sheet}{KEY_SUFFIX}": document.encode(),
        f"{sheet.sheet}.html": render_rating_page(sheet, shown).encode(),
    }
    key, page = cohorts.write_rating_files(cohort_id, files)
    return WrittenSheet(sheet, minutes_to_rate(sheet, shown), page, key)


def read_cohort_ratings(
    store: GensStore,
    cohorts: CohortStore,
    cohort_ids: Sequence[str],
    pipeline: Pipeline,
    members: Mapping[Stage, Sequence[str]],
) -> list[Rating]:
    """Return what people said of cohorts' texts; those that changed since are marked.

    `members` are those of all these cohorts.

    Raises:
        CatalogError: A file of ratings is wrong. Lists every problem with its file and line.
        DataLayerError: What is stored of a text is malformed.
    """
    written = {cohort_id: cohorts.read_rating_files(cohort_id) for cohort_id in cohort_ids}
    rated = {
        cohort_id: files for cohort_id, files in written.items() if any(map(holds_ratings, files))
    }
    texts = _texts(store, pipeline, members) if rated else {}
    return [
        rating
        for cohort_id, files in rated.items()
        for rating in read_ratings(files, texts, f"ratings of {cohort_id}")
    ]


def _texts(
    store: GensStore, pipeline: Pipeline, members: Mapping[Stage, Sequence[str]]
) -> dict[GenerationRef, str | None]:
    """Return the texts that are scored or compared, None for one that is not done."""
    texts: dict[GenerationRef, str | None] = {}
    for stage in pipeline.ranked:
        for gen_id in members.get(stage, ()):
            stored = read_state(store, pipeline[stage], gen_id)
            done = stored.state in COMPLETE
            texts[GenerationRef(stage, gen_id)] = stored.artifacts.parsed if done else None
    return texts
