"""What a report says about a cohort, gathered from the store and the catalog."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from daydreaming_dagster.domain.catalog import DEFAULT_LEVEL, Catalog
from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.cohort.staleness import look_at_cohort
from daydreaming_dagster.domain.generation.metadata import Parent, resolve_generation_metadata
from daydreaming_dagster.domain.generation.state import FAILED, STATE_ARTIFACTS
from daydreaming_dagster.domain.results.evaluations import (
    Evaluation,
    GenerationOutcome,
    Member,
    make_member,
    read_evaluations,
    read_outcome,
    with_shown_ids,
)
from daydreaming_dagster.domain.results.judges import judge_of, judges_named, leave_out
from daydreaming_dagster.domain.results.ranking import (
    Judgment,
    TextRank,
    judgment_of,
    mean_share,
    rank_evaluations,
    with_shown_combos,
)
from daydreaming_dagster.domain.results.report_totals import (
    CellMean,
    FiveNumbers,
    JudgeScores,
    ModelTotals,
    StageTotals,
)
from daydreaming_dagster.domain.results.verdicts import Duel, read_verdicts
from daydreaming_dagster.domain.stages import GenerationRef, Pipeline
from daydreaming_dagster.ports.gens_store import GensStore, GensStoreWithTemplates, read_ahead
from daydreaming_dagster.types import Stage

if TYPE_CHECKING:  # numpy is slow to import
    from daydreaming_dagster.domain.people.corrected import CorrectedMean
    from daydreaming_dagster.domain.people.passport import Passport
    from daydreaming_dagster.domain.people.ratings import Rating


@attrs.frozen
class ReportConcept:
    """A concept as the catalog has it now; `description` is `""` where it lacks it."""

    concept_id: str
    name: str
    description: str


@attrs.frozen
class ReportGeneration:
    """A generation as a report lists it.

    Attributes:
        stage: Its stage.
        member: Its template, model and replicate.
        parents: Its parents with their roles, none if it is made from concepts.
        combo: The combination of concepts that it goes back to.
        outcome: What came of it and what it took.
        stale: Why the present answer is not one to today's question, `""` where it is.
        concept_ids: If it is made from concepts, which, in their order.
        level: The level of detail of their descriptions.
        doubt: Why the answer is probably not what it counts as, `""` if nothing says so.
    """

    stage: Stage
    member: Member
    parents: tuple[Parent, ...]
    combo: str
    outcome: GenerationOutcome
    stale: str = ""
    concept_ids: tuple[str, ...] = ()
    level: str = ""
    doubt: str = ""

    @property
    def ref(self) -> GenerationRef:
        """Which generation it is."""
        return GenerationRef(self.stage, self.member.gen_id)

    @property
    def failed(self) -> bool:
        """Whether there is an answer that cannot be used."""
        return self.outcome.state in FAILED

    @property
    def missing(self) -> bool:
        """Whether there is no answer."""
        return self.outcome.state == "not answered"


@attrs.frozen
class CohortReport:
    """All that a report of a cohort says, but for the texts: `read_stored_generation` has them.

    Attributes:
        cohort_id: Which cohort; of several, all of them with spaces between them.
        generations: All of them by stage, in planned order.
        evaluations: The evaluations again, with their lineage.
        ranks: The judged texts, the best first.
        concepts: What the first stages are made of, by level of detail and concept_id.
        duels: The duels of its texts, where a stage compares.
        without: The judges that are left out of all but `generations`.
        ratings: What people said of its texts.
        effects: The rows of the table of effects; None if they are to be computed.
        cohorts_of: Of several cohorts, those of each generation, with spaces between them.
        differences: In what several cohorts differ, in sentences.
        passports: What each judge is like.
        corrected: What people would give to the texts of each level of a factor.
        notes: What else is to be known of judges and people, in sentences.
    """

    cohort_id: str
    pipeline: Pipeline
    generations: Mapping[Stage, Sequence[ReportGeneration]]
    evaluations: Sequence[Evaluation]
    ranks: Sequence[TextRank]
    concepts: Mapping[tuple[str, str], ReportConcept]
    duels: Sequence[Duel] = ()
    without: Sequence[str] = ()
    ratings: "Sequence[Rating]" = ()
    effects: Sequence[Mapping[str, object]] | None = None
    cohorts_of: Mapping[GenerationRef, str] = attrs.field(factory=dict)
    differences: Sequence[str] = ()
    passports: "Sequence[Passport]" = ()
    corrected: "Sequence[CorrectedMean]" = ()
    notes: Sequence[str] = ()

    def stage_totals(self) -> list[StageTotals]:
        """Return the numbers of each stage."""
        return [
            StageTotals(
                stage,
                planned=len(generations),
                done=sum(not (item.failed or item.missing) for item in generations),
                failed=sum(item.failed for item in generations),
                missing=sum(item.missing for item in generations),
                stale=sum(bool(item.stale) for item in generations),
                cost=_sum_of_known(item.outcome.cost for item in generations),
            )
            for stage, generations in self.generations.items()
        ]

    def model_totals(self) -> list[ModelTotals]:
        """Return what each model took at each stage. Copies ask no model."""
        answered: dict[tuple[Stage, str], list[GenerationOutcome]] = {}
        for generations in self.generations.values():
            for item in generations:
                if item.member.llm and not item.missing:
                    answered.setdefault((item.stage, item.member.llm), []).append(item.outcome)
        return [_model_totals(stage, llm, outcomes) for (stage, llm), outcomes in answered.items()]

    def cell_means(self) -> list[CellMean]:
        """Return how each template and model of each stage was judged, sorted by name."""
        found: dict[tuple[Stage, str, str], list[Judgment]] = {}
        for row in self.evaluations:
            for stage, member in row.lineage.items():
                found.setdefault((stage, member.template, member.llm), []).append(judgment_of(row))
        return [
            CellMean(*key, mean_share(given), sum(one.score is not None for one in given))
            for key, given in sorted(found.items(), key=lambda item: self._axis_order(item[0]))
        ]

    def ancestor_means(self) -> dict[GenerationRef, float]:
        """Return the mean of the scores of what goes back to each generation, see `mean_share`.

        The mean of an evaluation is its own score. Generations without a score are left out.
        """
        found: dict[GenerationRef, list[Judgment]] = {}
        for row in self.evaluations:
            for stage, member in row.lineage.items():
                found.setdefault(GenerationRef(stage, member.gen_id), []).append(judgment_of(row))
        means = {ref: mean_share(given) for ref, given in found.items()}
        return {ref: mean for ref, mean in means.items() if mean is not None}

    def concepts_of(self, item: ReportGeneration) -> list[ReportConcept]:
        """Return the concepts that a generation is made from directly, in their order."""
        return [self.concepts[item.level, concept_id] for concept_id in item.concept_ids]

    def _axis_order(self, key: tuple[Stage, str, str]) -> tuple[int, str, str]:
        stage, template, llm = key
        return self.pipeline.names.index(stage), template, llm

    def judge_scores(self) -> list[JudgeScores]:
        """Return what scores each judge gave, sorted by template and model."""
        given: dict[tuple[str, str], list[float | None]] = {}
        for row in self.evaluations:
            template = row.evaluation.template
            # Templates of different stages can have the same name.
            name = template if len(self.pipeline.scoring) == 1 else f"{row.stage}/{template}"
            judge = name, row.evaluation.llm
            share = None if row.outcome.score is None else row.outcome.score.normalised
            given.setdefault(judge, []).append(share)
        return [
            JudgeScores(
                *judge,
                tuple(sorted(share for share in shares if share is not None)),
                shares.count(None),
            )
            for judge, shares in sorted(given.items())
        ]

    @property
    def cost(self) -> float | None:
        """What all answers with a known cost came to, in USD; None if no cost is known."""
        return _sum_of_known(totals.cost for totals in self.model_totals())


def gather_report(  # noqa: PLR0913, PLR0917  the last one came later
    store: GensStoreWithTemplates,
    catalog: Catalog,
    cohort_id: str,
    members: Mapping[Stage, Sequence[str]],
    index: CohortIndex,
    without: Sequence[str] = (),
) -> CohortReport:
    """Return what there is to say about a cohort with these members. Writes nothing.

    `index` saves finding out again what is stale. The judges in `without` are left out, see
    `judges_named`.

    Raises:
        CatalogError: `without` names no judge.
        MissingArtifactError: A member, or a text that it goes back to, has no main metadata.
        MalformedArtifactError: Metadata of one of them is malformed.
        InvalidMetadataError: Metadata of one of them lacks what its stage needs.
    """
    pipeline = catalog.pipeline
    generations: dict[Stage, list[ReportGeneration]] = {stage: [] for stage in pipeline}
    concepts: dict[tuple[str, str], ReportConcept] = {}
    combos: dict[GenerationRef, str] = {}
    state = look_at_cohort(store, catalog, members, index)
    stale = state.not_of_today
    read = read_evaluations(store, pipeline, members, catalog.models, stale)
    evaluations = with_shown_ids(read, catalog)
    for stage in pipeline:
        wanted = (*STATE_ARTIFACTS, "main_metadata")
        for gen_id, view in read_ahead(store, stage, members.get(stage, ()), wanted):
            why_stale = stale[stage].get(gen_id, "")
            item = _generation(view, catalog, GenerationRef(stage, gen_id), why_stale)
            # A generation is of the combination of its parents, if they agree.
            above = {combos.get(parent.ref, item.combo) for parent in item.parents}
            combo = above.pop() if len(above) == 1 else item.combo
            combos[GenerationRef(stage, gen_id)] = combo
            doubt = state.doubts[stage].get(gen_id, "")
            generations[stage].append(attrs.evolve(item, combo=combo, doubt=doubt))
            for concept_id in item.concept_ids:
                concepts[item.level, concept_id] = _concept(catalog, concept_id, item.level)
    duels = list(read_verdicts(store, pipeline, members, catalog, stale))
    left_out = judges_named([*map(judge_of, evaluations), *map(judge_of, duels)], without)
    evaluations, duels = leave_out(evaluations, left_out), leave_out(duels, left_out)
    ranks = with_shown_combos(
        rank_evaluations(store, pipeline, members, evaluations, duels), catalog
    )
    judges = tuple(sorted(left_out))
    return CohortReport(
        cohort_id, pipeline, generations, evaluations, ranks, concepts, duels, judges
    )


def _generation(
    store: GensStore, catalog: Catalog, ref: GenerationRef, stale: str
) -> ReportGeneration:
    metadata = resolve_generation_metadata(store, *ref)
    member = make_member(store, ref, metadata)
    definition, model = catalog.pipeline[ref.stage], catalog.models.get(member.llm)
    outcome = read_outcome(store, definition, ref.gen_id, model)
    return ReportGeneration(
        ref.stage,
        member,
        metadata.parents,
        catalog.shown_combo(metadata.combo_id),
        outcome,
        stale,
        tuple(metadata.record.concept_ids or ()),
        metadata.record.description_level or DEFAULT_LEVEL,
    )


def _sum_of_known(costs: Iterable[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None


def _concept(catalog: Catalog, concept_id: str, level: str) -> ReportConcept:
    entry = catalog.concepts.get(concept_id)
    if entry is None:
        return ReportConcept(concept_id, concept_id, "")
    concept = entry.at(level)
    return ReportConcept(entry.shown_id, concept.name, concept.content)


def _model_totals(stage: Stage, llm: str, outcomes: Sequence[GenerationOutcome]) -> ModelTotals:
    return ModelTotals(
        stage,
        llm,
        answers=len(outcomes),
        prompt_tokens=sum(outcome.prompt_tokens or 0 for outcome in outcomes),
        completion_tokens=sum(outcome.completion_tokens or 0 for outcome in outcomes),
        cost=_sum_of_known(outcome.cost for outcome in outcomes),
        without_cost=sum(outcome.cost is None for outcome in outcomes),
        seconds=FiveNumbers.of(
            [
                outcome.duration_seconds
                for outcome in outcomes
                if outcome.duration_seconds is not None
            ]
        ),
    )
