"""A loop's specification, as the researcher writes it."""

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.renaming import with_planned_ids
from daydreaming_dagster.domain.cohort.spec import (
    FILE_PREFIX,
    CohortSpec,
    ReadColumns,
    make_cohort_spec,
    spec_problems,
)
from daydreaming_dagster.domain.documents import (
    NOT_IN_DOCUMENT,
    Path,
    Problem,
    structure_valid,
    suggestion,
    without_consequences,
)
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.loop.decisions import Selection
from daydreaming_dagster.domain.loop.measures import StopRules
from daydreaming_dagster.domain.loop.pairs import PAIR, Pair
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages import Pipeline

MOST_PAIRS: Final = 100_000
"""A round of more pairs than this is a mistake: the loop would learn nothing in between."""

_COHORT: Final = "cohort"
_CONCEPTS: Final = "concepts"


@attrs.frozen
class GateRules:
    """When a text is held back before it is judged.

    `false_positives` is the share of texts on unrelated concepts that may be held back.
    `embedding` is the model that embeds texts, to find those that say the same in other words; None
    compares their words alone.
    """

    false_positives: float = 0.01
    embedding: str | None = None


@attrs.frozen
class Feedback:
    """How an accepted text becomes the description of a concept.

    `distil` is the stage that describes it; None means that it is taken whole.
    """

    distil: str | None = None


@attrs.frozen
class Canaries:
    """gen_ids of stored texts that are known to be good, or bad; judged again in each round."""

    good: list[str] = attrs.field(factory=list)
    bad: list[str] = attrs.field(factory=list)


@attrs.frozen
class LoopSpec:
    """A loop as its `spec.yaml` defines it.

    Each round tries pairs of concepts, judges what comes of them, and adds accepted texts to the
    concepts of later rounds.

    Attributes:
        concepts: The concepts to begin with; all concepts in `1_raw` if none is listed.
        sampler: The name of the sampler.
        exploration: The share of pairs that is chosen at random, whatever was learned.
        pairs: The number of pairs per round.
        seed: What random choices depend on.
        cohort: What each round makes of its pairs, as in a cohort's specification, but without
            concepts.
        gate: When a text is held back.
        selection: When a text is accepted.
        feedback: How an accepted text becomes a concept.
        canaries: Texts that show whether the judges change; none are judged by default.
        stop: When the loop ends.
        problems: The mistakes in the document. The specification was made without those parts.
    """

    concepts: list[str] = attrs.field(factory=list)
    sampler: str = "thompson"
    exploration: float = 0.1
    pairs: int = 20
    seed: int = 0
    cohort: CohortSpec = attrs.field(factory=CohortSpec, metadata={NOT_IN_DOCUMENT: True})
    gate: GateRules = attrs.field(factory=GateRules)
    selection: Selection = attrs.field(factory=Selection)
    feedback: Feedback = attrs.field(factory=Feedback)
    canaries: Canaries = attrs.field(factory=Canaries)
    stop: StopRules = attrs.field(factory=StopRules)
    problems: tuple[Problem, ...] = attrs.field(default=(), metadata={NOT_IN_DOCUMENT: True})

    def with_planned_ids(self, planned: Mapping[str, str]) -> "LoopSpec":
        """Return the specification with the ids that generations are planned with."""
        concepts = [planned.get(concept_id, concept_id) for concept_id in self.concepts]
        cohort = with_planned_ids(self.cohort, planned)
        return attrs.evolve(self, concepts=concepts, cohort=cohort)

    def seeds(self, catalog: Catalog) -> list[str]:
        """Return the concepts to begin with."""
        concepts = catalog.concepts.values()
        return self.concepts or [each.concept_id for each in concepts if not each.accepted]

    def cohort_of(self, pairs: Collection[Pair]) -> CohortSpec:
        """Return the specification of the cohort that a round makes of these pairs."""
        axes = self.cohort.axes.with_combos(pairs)
        return attrs.evolve(self.cohort, axes=axes)


def make_loop_spec(
    document: object, read_columns: ReadColumns, pipeline: Pipeline = SHIPPED
) -> LoopSpec:
    """Return the specification that a parsed YAML document describes, for these stages.

    `concepts`, and the lists in `cohort`, may come from CSV files, `@file:seeds.csv`, as in a
    cohort's specification. Mistakes in the document end up in `problems`.
    """
    if not isinstance(document, dict):
        spec, invalid = structure_valid({} if document is None else document, LoopSpec)
        return attrs.evolve(spec, problems=tuple(invalid))
    own: dict[Any, Any] = dict(document)
    cohort = make_cohort_spec(own.pop(_COHORT, None), read_columns, pipeline)
    problems = [attrs.evolve(each, path=(_COHORT, *each.path)) for each in cohort.problems]
    named = own.get(_CONCEPTS)
    if isinstance(named, str) and named.startswith(FILE_PREFIX):
        try:
            rows = read_columns(named.removeprefix(FILE_PREFIX), [_CONCEPTS])
            own[_CONCEPTS] = [cell for (cell,) in rows]
        except CatalogError as error:
            problems += [Problem((_CONCEPTS,), problem) for problem in error.problems]
            del own[_CONCEPTS]
    spec, invalid = structure_valid(own, LoopSpec)
    cohort = attrs.evolve(cohort, problems=())
    return attrs.evolve(spec, cohort=cohort, problems=(*problems, *invalid))


def loop_problems(
    spec: LoopSpec,
    known_concepts: Collection[str],
    samplers: Collection[str],
    pipeline: Pipeline = SHIPPED,
) -> list[Problem]:
    """Return all mistakes of a specification, also those that its document shows.

    Those that only templates and models can show come with the plan of a round.
    """
    found = [
        *_own_problems(spec, known_concepts, samplers),
        *_feedback_problems(spec, pipeline),
        *_cohort_problems(spec, pipeline),
    ]
    return [*spec.problems, *without_consequences(found, spec.problems)]


def _own_problems(
    spec: LoopSpec, known_concepts: Collection[str], samplers: Collection[str]
) -> Iterator[Problem]:
    if spec.sampler not in samplers:
        reason = (
            f"there is no sampler {spec.sampler!r}; known are {', '.join(sorted(samplers))}"
            f"{suggestion(spec.sampler, samplers)}"
        )
        yield Problem(("sampler",), reason)
    seen: set[str] = set()
    for i, concept_id in enumerate(spec.concepts):
        if concept_id not in known_concepts:
            # No suggestion: with 100,000 concepts, each would take a second to find.
            yield Problem((_CONCEPTS, i), f"there is no concept {concept_id!r}")
        if concept_id in seen:
            yield Problem((_CONCEPTS, i), f"{concept_id!r} is listed before")
        seen.add(concept_id)
    if len(seen or known_concepts) < PAIR:
        yield Problem((_CONCEPTS,), "expected at least two concepts", of_whole=True)
    if not 1 <= spec.pairs <= MOST_PAIRS:
        yield Problem(("pairs",), f"expected 1 to {MOST_PAIRS:,}, found {spec.pairs}")
    shares: list[tuple[Path, float]] = [
        (("exploration",), spec.exploration),
        (("gate", "false_positives"), spec.gate.false_positives),
    ]
    for path, share in shares:
        if not 0 < share <= 1:
            yield Problem(path, f"expected a share above 0, at most 1, found {share}")
    yield from _selection_problems(spec.selection)
    yield from _stop_problems(spec.stop)
    yield from _canary_problems(spec)


def _canary_problems(spec: LoopSpec) -> Iterator[Problem]:
    if spec.stop.most_canary_drift is not None and not (spec.canaries.good or spec.canaries.bad):
        reason = "the loop has no canaries; name some, or remove the rule"
        yield Problem(("stop", "most_canary_drift"), reason)
    canaries = [*spec.canaries.good, *spec.canaries.bad]
    for text_id in sorted({each for each in canaries if canaries.count(each) > 1}):
        yield Problem(("canaries",), f"{text_id!r} is named twice")


def _selection_problems(selection: Selection) -> Iterator[Problem]:
    if not 0 <= selection.bar <= 1:
        reason = f"expected a share of the scale, 0 to 1, found {selection.bar}"
        yield Problem(("selection", "bar"), reason)
    # With less, a text could be accepted and rejected at once.
    if not _EVEN < selection.certainty < 1:
        reason = f"expected a probability above 0.5 and below 1, found {selection.certainty}"
        yield Problem(("selection", "certainty"), reason)
    if selection.most is not None and selection.most < 1:
        yield Problem(("selection", "most"), f"expected at least 1, found {selection.most}")


_EVEN: Final = 0.5


def _stop_problems(stop: StopRules) -> Iterator[Problem]:
    for name in ("rounds", "rounds_without_acceptance"):
        count = getattr(stop, name)
        if count is not None and count < 1:
            yield Problem(("stop", name), f"expected at least 1, found {count}")
    if stop.max_cost is not None and not (stop.max_cost >= 0 and math.isfinite(stop.max_cost)):
        yield Problem(("stop", "max_cost"), f"expected an amount in USD, found {stop.max_cost}")
    rate = stop.least_accepted_per_dollar
    if rate is not None and not (rate >= 0 and math.isfinite(rate)):
        reason = f"expected a number of texts per USD, found {rate}"
        yield Problem(("stop", "least_accepted_per_dollar"), reason)
    for name in ("least_chance_of_new", "least_novelty", "most_drift", "most_canary_drift"):
        share = getattr(stop, name)
        if share is not None and not 0 <= share <= 1:
            yield Problem(("stop", name), f"expected 0 to 1, found {share}")


def _feedback_problems(spec: LoopSpec, pipeline: Pipeline) -> Iterator[Problem]:
    stage, path = spec.feedback.distil, ("feedback", "distil")
    if stage is None:
        return
    if stage not in pipeline:
        reason = f"there is no stage {stage!r}{suggestion(stage, pipeline)}"
        yield Problem(path, reason)
        return
    definition = pipeline[stage]
    parent = definition.only_parent
    if parent is None or not {*parent.stages} & {*pipeline.scored} or definition.judges:
        scored = " or ".join(pipeline.scored)
        yield Problem(path, f"{stage!r} must be made from one text of {scored}, and judge nothing")
    elif stage in pipeline.judged_lineage:
        yield Problem(path, f"what is judged is made from {stage!r}; name another stage")
    elif [len(spec.cohort.axes.values(axis)) for axis in definition.axes] != [1, 1]:
        yield Problem(path, f"name one template and one model for {stage!r} in cohort.axes")
    elif spec.cohort.replicates.get(stage, 1) != 1:
        yield Problem(path, f"{stage!r} describes each text once; remove its replicates")


def _cohort_problems(spec: LoopSpec, pipeline: Pipeline) -> Iterator[Problem]:
    axes = spec.cohort.axes
    for name in ("concepts", "k", "combo"):
        if getattr(axes, name):
            reason = "the loop chooses what is combined; list its concepts in `concepts`"
            yield Problem((_COHORT, "axes", name), reason)
    if spec.cohort.texts:
        yield Problem((_COHORT, "texts"), "a loop makes its texts itself; leave them out")
    if spec.cohort.scores:
        reason = "a loop asks as many scores of each text of a round; leave it out"
        yield Problem((_COHORT, "scores"), reason, of_whole=True)
    if not pipeline.scoring:
        reason = "no stage scores, so a loop cannot decide; add one with `judges: scores`"
        yield Problem((_COHORT,), reason, of_whole=True)
    for definition in pipeline.stages:
        if definition.judges == "pairs" and spec.cohort.uses(definition):
            reason = (
                f"{definition.name!r} says which of two texts is better, not how good they are, so "
                f"no text of a round can be above the bar; leave it out, and run it on a cohort"
            )
            yield Problem((_COHORT, "axes", definition.axes[0]), reason, of_whole=True)
    for problem in spec_problems(spec.cohort, pipeline):
        if problem.path[:2] not in (("axes", "concepts"), ("axes", "k"), ("axes", "combo")):
            yield attrs.evolve(problem, path=(_COHORT, *problem.path))
