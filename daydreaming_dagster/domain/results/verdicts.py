"""What judges said of two texts each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.generation.metadata import resolve_generation_metadata
from daydreaming_dagster.domain.generation.state import STATE_ARTIFACTS
from daydreaming_dagster.domain.results.evaluations import (
    GenerationOutcome,
    Lineage,
    Member,
    judge_name,
    make_member,
    parents_of,
    read_lineages,
    read_outcome,
)
from daydreaming_dagster.domain.stages import GenerationRef, Pipeline
from daydreaming_dagster.ports.gens_store import GensStore, read_ahead
from daydreaming_dagster.types import Stage

FIRST_WINS: Final[Mapping[str, float]] = {"first": 1.0, "second": 0.0, "tie": 0.5}
"""The share of the win that the text shown first gets, by the parsed text of a verdict."""


@attrs.frozen
class Duel:
    """A duel of two texts, judged or not.

    Attributes:
        stage: The stage that compares.
        member: The generation that judges, with its template, model and replicate.
        first: The text that is shown first.
        second: The text that is shown second.
        outcome: What came of it.
        first_wins: 1 if the first won, 0 if the second did, 0.5 for a tie; None without a verdict.
        lineages: What the first and the second go back to.
        stale: Why its verdict is not one to today's question; `""` if it is.
    """

    stage: Stage
    member: Member
    first: GenerationRef
    second: GenerationRef
    outcome: GenerationOutcome
    first_wins: float | None
    lineages: tuple[Lineage, Lineage]
    stale: str = ""

    @property
    def texts(self) -> tuple[GenerationRef, GenerationRef]:
        """The two texts, the first shown first."""
        return self.first, self.second

    @property
    def judge(self) -> str:
        """Who judged: a template with a model."""
        return judge_name(self.stage, self.member.template, self.member.llm)


def read_verdicts(
    store: GensStore,
    pipeline: Pipeline,
    members: Mapping[Stage, Sequence[str]],
    catalog: Catalog | None = None,
    stale: Mapping[Stage, Mapping[str, str]] | None = None,
) -> Iterator[Duel]:
    """Yield every duel of a cohort in planned order, those without a verdict too.

    `catalog` has the prices, and the ids of concepts as the researcher knows them; `stale` says why
    those are stale that are.

    Raises:
        MissingArtifactError: A member, or a text that it goes back to, has no main metadata.
        MalformedArtifactError: Metadata of one of them is malformed.
        InvalidMetadataError: Metadata of one of them lacks what its stage needs.
    """
    lineages = read_lineages(store, pipeline, members)
    for stage in pipeline.comparing:
        wanted = (*STATE_ARTIFACTS, "main_metadata")
        for gen_id, view in read_ahead(store, stage, members.get(stage, ()), wanted):
            ref = GenerationRef(stage, gen_id)
            main = resolve_generation_metadata(view, *ref)
            member = make_member(store, ref, main)
            model = None if catalog is None else catalog.models.get(member.llm)
            outcome = read_outcome(view, pipeline[stage], gen_id, model)
            said = view.read_parsed(*ref).strip() if outcome.state == "done" else ""
            first, second = parents_of(pipeline, main, ref)[:2]
            why = (stale or {}).get(stage, {}).get(gen_id, "")
            above = lineages.of(first), lineages.of(second)
            if catalog is not None:
                one, other = (
                    attrs.evolve(lineage, combo=catalog.shown_combo(lineage.combo))
                    for lineage in above
                )
                above = one, other
            yield Duel(stage, member, first, second, outcome, FIRST_WINS.get(said), above, why)


def verdicts(duels: Iterable[Duel]) -> list[Duel]:
    """Return the duels that have a verdict."""
    return [duel for duel in duels if duel.first_wins is not None]


def without_stale_verdicts(duels: Iterable[Duel]) -> Iterator[Duel]:
    """Yield the duels, those that are stale without their verdicts."""
    for duel in duels:
        if duel.stale and duel.first_wins is not None:
            outcome = attrs.evolve(duel.outcome, state="stale")
            yield attrs.evolve(duel, outcome=outcome, first_wins=None)
        else:
            yield duel
