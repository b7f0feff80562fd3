"""How far a cohort is, and which of its stored answers went stale."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import Final

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.index import (
    UNKNOWN_PARENTS,
    CohortIndex,
    Seen,
    digest_inputs,
    write_pages,
)
from daydreaming_dagster.domain.cohort.progress import StageStatus
from daydreaming_dagster.domain.generation.answers import why_outdated
from daydreaming_dagster.domain.generation.doubts import (
    answer_key,
    doubts_about,
    has_any_of,
    hashes_of,
    repeated_answers,
    repeated_hashes,
)
from daydreaming_dagster.domain.generation.metadata import (
    known_parents,
    resolve_generation_metadata,
)
from daydreaming_dagster.domain.generation.prompts import render_planned_input
from daydreaming_dagster.domain.generation.recipe import make_recipe, why_stale
from daydreaming_dagster.domain.generation.state import (
    COMPLETE,
    GenerationState,
    State,
    read_state,
    readable_state,
)
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages import GenerationRef, Pipeline, StageDefinition
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.ports.errors import ArtifactError, StorageUnavailableError
from daydreaming_dagster.ports.gens_store import (
    ARTIFACTS,
    READ_TOGETHER,
    GensStoreWithTemplates,
    versions_of,
)
from daydreaming_dagster.types import Stage


@attrs.frozen
class CohortState:
    """How far a cohort is, which of its answers are stale and why, and what of it can be kept.

    Attributes:
        stages: How far each stage is.
        stale: Why those answers are stale that are, by gen_id.
        outdated: Why the answers of others have to be parsed again, which costs nothing: their
            template is read otherwise now. They count as not parsed.
        unknown_finish: The finish reasons of answers that nobody knows to be whole.
        doubts: Why answers are probably not what they count as, see `domain.generation.doubts`.
        index: What makes the next look short.
    """

    stages: Mapping[Stage, StageStatus]
    stale: Mapping[Stage, Mapping[str, str]]
    outdated: Mapping[Stage, Mapping[str, str]]
    unknown_finish: Mapping[Stage, Mapping[str, str]]
    doubts: Mapping[Stage, Mapping[str, str]]
    index: CohortIndex = attrs.field(repr=False)

    @property
    def not_of_today(self) -> dict[Stage, dict[str, str]]:
        """Why texts and scores are not those of today's questions and parsers, by gen_id."""
        return {stage: {**self.outdated[stage], **self.stale[stage]} for stage in self.stale}


def look_at_cohort(
    store: GensStoreWithTemplates,
    catalog: Catalog | None,
    members: Mapping[Stage, Sequence[str]],
    index: CohortIndex,
    pipeline: Pipeline | None = None,
) -> CohortState:
    """Return the state of a cohort. What did not change since `index` was made is not read.

    Stale are the generations with an answer to another question than today's, those of which a
    parent has no text any more, and the descendants of both: what these answer is about to change.
    One whose prompt cannot be made (the store lacks its parent, say) is not stale. Without a
    catalog, nothing is; `pipeline` says the stages then (default: the shipped ones).
    """
    if catalog is not None:
        pipeline = catalog.pipeline
    elif pipeline is None:
        pipeline = SHIPPED
    inputs = "" if catalog is None else digest_inputs(store, catalog)
    before = index.with_inputs(inputs)
    versions = _versions_of_stages(store, [stage for stage in pipeline if members.get(stage)])
    looks: dict[Stage, _StageLook] = {}
    for definition in pipeline.stages:
        stage = definition.name
        gen_ids, of_stage = members.get(stage, ()), versions.pop(stage, {})
        looks[stage] = _look_at_stage(store, catalog, definition, gen_ids, of_stage, before, looks)
    seen = CohortIndex(inputs, {stage: look.pages for stage, look in looks.items()})
    return CohortState(
        {stage: look.status for stage, look in looks.items()},
        {stage: look.stale for stage, look in looks.items()},
        {stage: look.outdated for stage, look in looks.items()},
        {stage: look.notes["unknown_finish"] for stage, look in looks.items()},
        _all_doubts(looks, members, seen),
        seen,
    )


def _versions_of_stages(
    store: GensStoreWithTemplates, stages: Sequence[Stage]
) -> dict[Stage, Mapping[str, str]]:
    """Return the versions that the store knows. The listings of a bucket wait side by side."""
    if not stages:
        return {}
    with ThreadPoolExecutor(len(stages)) as pool:
        return dict(zip(stages, pool.map(partial(versions_of, store), stages), strict=True))


def _all_doubts(
    looks: Mapping[Stage, "_StageLook"], members: Mapping[Stage, Sequence[str]], seen: CohortIndex
) -> dict[Stage, dict[str, str]]:
    """Return the doubts about each answer, and about answers that are there twice."""
    doubts = {stage: dict(look.notes["doubts"]) for stage, look in looks.items()}

    def keys_of(stage: Stage) -> Iterator[tuple[str, str]]:
        yield from ((row.gen_id, row.answers) for row in seen.rows(stage))
        yield from looks[stage].answers_not_kept.items()

    repeated = repeated_hashes(chain.from_iterable(look.hashes for look in looks.values()))
    suspects: dict[Stage, dict[str, str]] = {}
    for stage in looks if repeated else ():
        found = {id_: keys for id_, keys in keys_of(stage) if has_any_of(keys, repeated)}
        suspects[stage] = _in_order(members.get(stage, ()), found)
    for (stage, gen_id), message in repeated_answers(suspects):
        own = doubts[stage].get(gen_id)
        doubts[stage][gen_id] = message if own is None else f"{own}; {message}"
    return doubts


_NOTES: Final = ("unknown_finish", "doubts", "answers")
"""What is noted of an answer, as `Seen` has it."""


@attrs.frozen
class _StageLook:
    """What was seen of a stage.

    Attributes:
        status: How far its generations are.
        pages: Those whose next look this one can save, as `CohortIndex.pages` has them.
        stale: Why those of them that are stale are.
        outdated: Why an answer has to be parsed again, by gen_id.
        notes: What is noted of the answers, by its name in `_NOTES` and gen_id, without `answers`.
        answers_not_kept: The `answers` of those that are on no page.
        hashes: The hashes of all `answers`.
        same: Those whose staleness is as it was: they, their ancestors and all inputs are.
        to_make: Those without a text that counts, though their answer may be there.
    """

    status: StageStatus
    pages: list[bytes]
    stale: dict[str, str]
    outdated: dict[str, str]
    notes: dict[str, dict[str, str]]
    answers_not_kept: dict[str, str]
    hashes: "array[int]"
    same: set[str]
    to_make: set[str]


def _look_at_stage(  # noqa: PLR0913, PLR0917  a stage, what it is seen with, what was seen before
    store: GensStoreWithTemplates,
    catalog: Catalog | None,
    definition: StageDefinition,
    gen_ids: Sequence[str],
    versions: Mapping[str, str],
    index: CohortIndex,
    looks: Mapping[Stage, _StageLook],
) -> _StageLook:
    stage = definition.name

    def is_same(parents: str) -> bool:
        return catalog is None or _are_same(parents, looks)

    before = index.recall(stage, gen_ids, versions, is_same)
    others = [gen_id for gen_id in gen_ids if gen_id not in before.settled]
    current = {gen_id: row.version for gen_id, row in before.unchanged.items()}
    # Before anything is read: what changes meanwhile has another version at the next look.
    changed = [gen_id for gen_id in others if gen_id not in current]
    current |= {id_: version for id_ in changed if (version := versions.get(id_)) is not None}
    states: dict[str, State] = {}
    parents: dict[str, str] = {}
    stale: dict[str, str] = {}
    outdated: dict[str, str] = {}
    notes: dict[str, dict[str, str]] = {name: {} for name in _NOTES}
    all_of_it = catalog is not None
    for gen_id, view in zip(others, _read_ahead(store, stage, others), strict=True):
        stored = read_state(view, definition, gen_id)
        known = before.unchanged.get(gen_id)
        states[gen_id] = "done" if known is not None else readable_state(stored)
        if states[gen_id] == "not answered":
            continue
        noted = _notes_on(stored, all_of_it=all_of_it) if known is None else known.notes
        for name, texts in notes.items():
            if text := noted.get(name):
                texts[gen_id] = text
        if catalog is None:
            continue
        ref = GenerationRef(stage, gen_id)
        parents[gen_id], reason, otherwise = _why_stale(view, catalog, ref, stored, looks)
        if otherwise is not None and states[gen_id] in COMPLETE:
            outdated[gen_id], states[gen_id] = otherwise, "not parsed"
        if reason is not None:
            stale[gen_id] = reason
    of_others = StageStatus.of(stage, states)
    todo = set(of_others.todo)
    kept = {gen_id: None for gen_id in others if gen_id in current and gen_id not in todo}
    rows = [
        Seen(
            gen_id,
            current[gen_id],
            parents.get(gen_id, UNKNOWN_PARENTS),
            stale.get(gen_id, ""),
            **{name: texts.get(gen_id, "") for name, texts in notes.items()},
        )
        for gen_id in kept
    ]

    def with_settled(name: str, found: dict[str, str]) -> dict[str, str]:
        known = {row.gen_id: text for row in before.noted if (text := getattr(row, name))}
        return _in_order(gen_ids, {**known, **found}) if known else found

    answers = notes.pop("answers")
    return _StageLook(
        status=attrs.evolve(
            of_others,
            planned=of_others.planned + len(before.settled),
            done=of_others.done + len(before.settled),
        ),
        pages=[*before.pages, *write_pages([*before.rows, *rows])],
        stale=with_settled("stale", stale),
        outdated=outdated,
        notes={name: with_settled(name, found) for name, found in notes.items()},
        answers_not_kept={id_: keys for id_, keys in answers.items() if id_ not in kept},
        hashes=before.hashes + hashes_of(answers.values()),
        same=before.settled,
        to_make=todo - outdated.keys(),
    )


def _read_ahead(
    store: GensStoreWithTemplates, stage: Stage, gen_ids: Sequence[str]
) -> Iterator[GensStoreWithTemplates]:
    """Yield a view for each generation that has read it and, if reading is slow, its parents."""
    for start in range(0, len(gen_ids), READ_TOGETHER):
        some = gen_ids[start : start + READ_TOGETHER]
        view = store.read_many(stage, some, ARTIFACTS)
        if view is not store:
            parents: dict[Stage, dict[str, None]] = {}
            for gen_id in some:
                for parent in known_parents(view, GenerationRef(stage, gen_id)):
                    parents.setdefault(parent.stage, {})[parent.gen_id] = None
            for of_stage, of_parents in parents.items():
                view = view.read_many(of_stage, list(of_parents), ["parsed"])
        for _ in some:
            yield view


def _notes_on(stored: GenerationState, *, all_of_it: bool) -> dict[str, str]:
    """Return the notes on an answer; not `all_of_it` if its texts are not to be read for them."""
    try:
        record, artifacts = stored.raw_record, stored.artifacts
        if not all_of_it:
            return {"unknown_finish": record.unknown_finish or ""}
        return {
            "unknown_finish": record.unknown_finish or "",
            "doubts": "; ".join(doubts_about(record, artifacts.prompt)),
            "answers": answer_key(record, artifacts.raw or ""),
        }
    except ArtifactError:  # its state says so
        return {}


def _why_stale(
    store: GensStoreWithTemplates,
    catalog: Catalog,
    ref: GenerationRef,
    stored: GenerationState,
    looks: Mapping[Stage, _StageLook],
) -> tuple[str, str | None, str | None]:
    """Return its parents (`""`: none), why it is stale, and why it is outdated."""
    parents, outdated = "", None
    try:
        metadata = resolve_generation_metadata(store, *ref)
        parents = " ".join(str(parent.ref) for parent in metadata.parents)
        if stored.answer is None:
            return parents, None, None
        outdated = why_outdated(stored, catalog.reader(ref.stage, metadata.template_id))
        for parent in metadata.parents:
            of_stage, gen_id = parent.ref
            if of_stage not in looks:
                continue
            if gen_id in looks[of_stage].stale:
                return parents, f"its {of_stage} {gen_id} is stale", outdated
            if gen_id in looks[of_stage].to_make:
                return parents, f"its {of_stage} {gen_id} has no text", outdated
        recipe = make_recipe(store, catalog, *ref, metadata)
        prompt = render_planned_input(store, catalog, ref.gen_id, metadata, recipe)
        reason = why_stale(stored.question, recipe, prompt)
        # A kill may leave the prompt of the answer before; the next run writes its own.
        if reason is None and stored.artifacts.prompt not in (None, prompt):
            outdated = "its prompt was not written"
    except StorageUnavailableError:  # it says nothing of this generation
        raise
    except DaydreamingError:
        reason = None
    return parents, reason, outdated


def _are_same(parents: str, looks: Mapping[Stage, _StageLook]) -> bool:
    """Return whether the staleness of all these parents is as it was; False if they are unknown."""
    for parent in parents.split():
        stage, _, gen_id = parent.partition("/")
        if stage not in looks or gen_id not in looks[stage].same:
            return False
    return True


def _in_order(gen_ids: Sequence[str], texts: dict[str, str]) -> dict[str, str]:
    return {gen_id: texts[gen_id] for gen_id in gen_ids if gen_id in texts} if texts else texts
