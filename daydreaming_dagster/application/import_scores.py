"""Scores that other tools gave to stored texts, as a cohort of these texts and evaluations."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from math import isclose

import attrs

from daydreaming_dagster.domain.digests import as_id, sha256
from daydreaming_dagster.domain.documents import suggestion
from daydreaming_dagster.domain.errors import CatalogError, CohortNotPlannedError
from daydreaming_dagster.domain.exchange.scores import EVALUATIONS, ForeignScore, Scales
from daydreaming_dagster.domain.generation.metadata import (
    FORMAT_VERSION,
    resolve_generation_metadata,
)
from daydreaming_dagster.domain.generation.records import (
    MainRecord,
    ParentRecord,
    ParsedRecord,
    RawRecord,
)
from daydreaming_dagster.domain.generation.stored import if_there
from daydreaming_dagster.domain.parsing.response import Score
from daydreaming_dagster.domain.stages import GenerationRef, Pipeline
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.errors import ArtifactError
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.ports.ids import check_id, is_id
from daydreaming_dagster.types import Stage


@attrs.frozen
class ImportedScores:
    """What came of an import.

    Attributes:
        texts: The texts that got scores.
        evaluations: The scores, each an evaluation of one of them.
        left: What could not be imported, each with the reason.
    """

    texts: Sequence[GenerationRef]
    evaluations: Sequence[GenerationRef]
    left: Sequence[str]


def import_scores(
    store: GensStore,
    cohorts: CohortStore,
    cohort_id: str,
    scores: Iterable[ForeignScore],
    scales: Scales,
) -> ImportedScores:
    """Store the scores that are about stored texts, and make them the members of a cohort.

    A text is found by its gen_id, or by its words; if both are known, they have to agree. Importing
    again changes nothing. A score that was exported from here is the evaluation that it was, and no
    other judgment. The cohort has no specification, and a later import adds to it.

    Raises:
        CatalogError: The cohort has a specification, or `scales` names a scorer that gave none of
            the scores. Nothing was written.
        CohortBusyError: Another run or import holds the cohort. Nothing was written.
        InvalidIdError: The name of the cohort is not a safe name.
        OSError: The storage refused.
    """
    if check_id("cohort_id", cohort_id) in cohorts.list_cohorts():
        problem = f"the cohort {cohort_id!r} has a specification; name a new one"
        raise CatalogError("the data root", (problem,))
    scores = list(scores)
    _check_scorers(scales, {given.scorer for given in scores})
    pipeline = cohorts.read_pipeline()
    texts = _Texts(store, pipeline)
    found: dict[GenerationRef, None] = {}
    evaluations: dict[GenerationRef, None] = {}
    left: list[str] = []
    with cohorts.hold(cohort_id):
        for given in scores:
            try:
                text = texts.find(given)
                score = given.score(scales)
                evaluation = _exported(store, pipeline, text, given, score)
                if evaluation is None:
                    evaluation = _store(store, pipeline, cohort_id, text, given, score)
            except UnicodeEncodeError:
                left.append(
                    f"{given.place}: it has half of a surrogate pair, which no file can hold"
                )
                continue
            except (LookupError, ArtifactError) as error:
                left.append(f"{given.place}: {error}")
                continue
            found[text] = None
            evaluations[evaluation] = None
        if evaluations:
            _add_members(cohorts, cohort_id, pipeline, [*found, *evaluations])
    return ImportedScores(list(found), list(evaluations), left)


def _check_scorers(scales: Scales, scorers: Collection[str]) -> None:
    problems = [
        f"--scale names {name!r}, which gave no score{suggestion(name, scorers)}; scorers are "
        f"{', '.join(sorted(scorers)) or 'not in the file'}"
        for name in scales
        if name not in scorers
    ]
    if problems:
        raise CatalogError("the scales", tuple(problems))


def _add_members(
    cohorts: CohortStore, cohort_id: str, pipeline: Pipeline, refs: Sequence[GenerationRef]
) -> None:
    try:
        members = cohorts.read_membership(cohort_id)
    except CohortNotPlannedError:
        members = {stage: [] for stage in pipeline}
    for ref in refs:
        if ref.gen_id not in members[ref.stage]:
            members[ref.stage].append(ref.gen_id)
    cohorts.write_membership(cohort_id, members)


@attrs.define
class _Texts:
    """The stored texts that can be scored."""

    store: GensStore
    pipeline: Pipeline
    _by_digest: dict[str, list[GenerationRef]] | None = None

    def find(self, given: ForeignScore) -> GenerationRef:
        """Return the text that a score is about.

        Raises:
            LookupError: There is none, it has other words, or several have these words.
            UnicodeEncodeError: Its words are not text.
        """
        words = sha256(given.text.strip())
        for stage in self.pipeline.scored:
            if is_id(given.text_id) and self.store.exists(stage, given.text_id):
                ref = GenerationRef(stage, given.text_id)
                if sha256((if_there(self.store.read_parsed, *ref) or "").strip()) != words:
                    raise LookupError(f"it judged another text than {ref}")
                return ref
        if self._by_digest is None:
            self._by_digest = {}
            for stage in self.pipeline.scored:
                for gen_id in self.store.list_generations(stage):
                    text = if_there(self.store.read_parsed, stage, gen_id)
                    if text is not None:
                        ref = GenerationRef(stage, gen_id)
                        self._by_digest.setdefault(sha256(text.strip()), []).append(ref)
        if not given.text.strip() or words not in self._by_digest:
            raise LookupError("no stored text has these words")
        ref, *others = self._by_digest[words]
        if others:
            raise LookupError(f"{ref} and {others[0]} have these words; name one by its gen_id")
        return ref


def _exported(
    store: GensStore, pipeline: Pipeline, text: GenerationRef, given: ForeignScore, score: Score
) -> GenerationRef | None:
    """Return the evaluation that an exported score is; None if it is not in this data root.

    Raises:
        LookupError: The evaluation has another score.
        DataLayerError: What is stored of it is malformed.
    """
    if not is_id(given.evaluation_id):
        return None
    for stage in pipeline.scoring:
        ref = GenerationRef(stage, given.evaluation_id)
        if store.exists(*ref) and any(
            parent.ref == text for parent in resolve_generation_metadata(store, *ref).parents
        ):
            stored = ParsedRecord.from_document(
                if_there(store.read_parsed_metadata, *ref) or {}
            ).judged
            if stored is None or not isclose(stored.normalised, score.normalised, abs_tol=1e-9):
                shown = "no score" if stored is None else f"the score {stored.value:g}"
                raise LookupError(
                    f"it was exported from {ref}, which has {shown} now; to import it as another"
                    f" judgment, take {EVALUATIONS!r} out of the text's metadata"
                )
            return ref
    return None


def _store(  # noqa: PLR0917  a score, what it is about, and where it goes
    store: GensStore,
    pipeline: Pipeline,
    cohort_id: str,
    text: GenerationRef,
    given: ForeignScore,
    score: Score,
) -> GenerationRef:
    """Store a score as an evaluation, and return it. One that is there stays as it is.

    Raises:
        LookupError: No stage scores such a text alone, or another cohort has imported the score on
            another scale.
        DataLayerError: What is stored of the text is malformed.
    """
    stage = _scoring(pipeline, text.stage)
    role = pipeline[stage].parents[0].name
    key = repr((text, given.scorer, given.model, given.replicate, given.source))
    digest = as_id(hashlib.sha256(key.encode()).digest())
    ref = GenerationRef(stage, f"{pipeline[stage].id_prefix}_{digest}")
    if _is_stored(store, ref, score, cohort_id):
        return ref
    about = resolve_generation_metadata(store, *text)
    main = MainRecord(
        format_version=FORMAT_VERSION,
        gen_id=ref.gen_id,
        cohort_id=cohort_id,
        stage=stage,
        mode="llm",
        template_id=given.scorer,
        llm_model_id=given.model,
        replicate=given.replicate,
        parent_gen_id=text.gen_id,
        parents=[ParentRecord(role, *text)],
        combo_id=about.combo_id or None,
        imported=given.source,
    )
    raw = RawRecord(
        mode="llm", model=given.model, finish_reason="stop", raw_sha256=sha256(given.explanation)
    )
    words = f"{score.value:g}\n"
    parsed = ParsedRecord(
        raw_sha256=raw.raw_sha256,
        parsed_sha256=sha256(words),
        score=score.value,
        score_maximum=score.maximum,
        score_minimum=score.minimum,
    )
    store.write_main_metadata(*ref, main.as_document())
    store.write_raw_metadata(*ref, raw.as_document())
    store.write_raw(*ref, given.explanation)
    store.write_parsed_metadata(*ref, parsed.as_document())
    store.write_parsed(*ref, words)
    return ref


def _is_stored(store: GensStore, ref: GenerationRef, score: Score, cohort_id: str) -> bool:
    """Return whether a score is imported already; False if this cohort has it on another scale.

    Raises:
        LookupError: Another cohort has it on another scale.
        DataLayerError: What is stored of it is malformed.
    """
    parsed = if_there(store.read_parsed_metadata, *ref)
    if parsed is None or if_there(store.read_parsed, *ref) is None:
        return False
    stored = ParsedRecord.from_document(parsed).judged
    if stored == score:
        return True
    if stored is None:
        return False
    owner = resolve_generation_metadata(store, *ref).record.cohort_id
    if owner != cohort_id:
        scale = f"{stored.minimum or 0:g} to {stored.maximum:g}"
        raise LookupError(
            f"the cohort {owner!r} has it on the scale {scale} already; import it into that cohort"
            f" to change the scale"
        )
    return False


def _scoring(pipeline: Pipeline, judged: Stage) -> Stage:
    for stage in pipeline.scoring:
        only = pipeline[stage].only_parent
        if only is not None and judged in only.stages:
            return stage
    raise LookupError(f"no stage scores a text of the stage {judged} alone")
