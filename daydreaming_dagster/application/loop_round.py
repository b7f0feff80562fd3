"""The steps of a loop's round: choose pairs, write texts, judge them."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial

import attrs

from daydreaming_dagster.application.loop_canaries import (
    CanaryPlan,
    plan_canaries,
    read_canaries,
)
from daydreaming_dagster.application.loop_gate import RoundGate
from daydreaming_dagster.application.loop_measures import Memory, measure_round
from daydreaming_dagster.application.loop_memory import LoopMemory
from daydreaming_dagster.application.loop_plan import cohort_of_round, plan_round
from daydreaming_dagster.application.loop_rulings import read_rulings
from daydreaming_dagster.application.loop_runs import RoundInterruptedError, RoundRuns
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.planner import PlannedGeneration
from daydreaming_dagster.domain.cohort.planning import CohortPlan
from daydreaming_dagster.domain.cohort.spec import CohortSpec
from daydreaming_dagster.domain.cohort.spending import known_spending, known_sum
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.state import read_state
from daydreaming_dagster.domain.loop.decisions import Decision, decide, reject_near_duplicate
from daydreaming_dagster.domain.loop.gate import KnownText
from daydreaming_dagster.domain.loop.journal import (
    Chosen,
    Decided,
    Journal,
    Round,
    Written,
    WrittenText,
)
from daydreaming_dagster.domain.loop.measures import CanaryScores
from daydreaming_dagster.domain.loop.planned_texts import (
    LEAST_JUDGEMENTS,
    descriptions,
    judged_by,
    judged_texts,
)
from daydreaming_dagster.domain.loop.sampler import Choice, ExploringSampler, PairSampler
from daydreaming_dagster.domain.loop.spec import LoopSpec
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.errors import MissingArtifactError
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.ports.loop_store import LoopStore
from daydreaming_dagster.types import Stage

_NOVELTY_OF_BEST = 10
"""The number of best texts whose novelty is averaged."""


@attrs.frozen
class LoopRound:
    """The steps of a round. Each can be repeated after an interruption and comes to the same.

    Attributes:
        store: The generations.
        cohorts: The catalogs, and the cohorts that the rounds make.
        loops: The loops.
        loop_id: The loop.
        spec: Its specification, which has no mistakes.
        sampler: Its sampler.
        catalog: The catalog with the concepts that the loop accepted.
        journal: What it did so far.
        memory: What it combines, and what new texts are compared with.
        runs: Runs its cohorts.
        gate: Holds back near-duplicates.
        allow_missing: That of `make_plan`.
    """

    store: GensStoreWithTemplates
    cohorts: CohortStore
    loops: LoopStore
    loop_id: str
    spec: LoopSpec
    sampler: PairSampler
    catalog: Catalog
    journal: Journal
    memory: LoopMemory
    runs: RoundRuns
    gate: RoundGate
    allow_missing: bool

    def choose_pairs(self, number: int) -> Chosen:
        """Return the pairs of a new round.

        Raises:
            CatalogError: A cohort with the id of the round's exists, the text of an accepted
                concept is missing, or the round could not be made of them.
            SamplerError: The sampler broke the rules.
        """
        cohort_id = cohort_of_round(self.loop_id, number)
        if cohort_id in self.cohorts.list_cohorts():
            problem = f"the cohort {cohort_id!r} exists already; rename it, or the loop"
            raise CatalogError(f"loop {self.loop_id}", (problem,))
        concept_ids = self.memory.concept_ids()
        known = frozenset(concept_ids)
        trials = [each for each in self.journal.trials() if known.issuperset(each.pair)]
        sampler = ExploringSampler(self.spec.sampler, self.sampler, self.spec.exploration)
        seed = f"{self.spec.seed}/{number}"
        choices = sampler.choose(concept_ids, trials, self.spec.pairs, seed)
        self._plan(cohort_id, choices)  # finds what is wrong with the cohort before it is recorded
        self.gate.check()
        self._plan_canaries()
        return Chosen(cohort_id, seed, len(concept_ids), tuple(choices))

    def write_texts(self, begun: Round) -> Written:
        """Make the texts of a round, and hold back near-duplicates.

        Raises:
            RoundInterruptedError: The run ended early, or made no text.
            CatalogError: The specification of the round's cohort is wrong, or texts cannot be
                embedded. Nothing was asked.
        """
        plan = self._full_plan(begun)
        self.gate.check()
        self._plan_canaries()  # refuses what is wrong with them before anything is asked
        self.runs.run(begun.chosen.cohort_id, self._members(plan), self._wanted)
        new: list[KnownText] = []
        written: list[WrittenText] = []
        for planned in judged_texts(self.catalog.pipeline, plan):
            with suppress(MissingArtifactError):  # it failed, and the run said so
                text = self.store.read_parsed(planned.stage, planned.text_id)
                new.append(KnownText(planned.text_id, text, frozenset(planned.pair)))
                written.append(
                    WrittenText(planned.stage, planned.text_id, planned.pair, sha256(text))
                )
        if not written:
            reason = "no text of the round was made; mend what the run reported"
            raise RoundInterruptedError(reason)
        held = self.gate.hold_back(begun, new)
        return Written(tuple(written), held.threshold, held.texts, held.embeddings)

    def judge_texts(self, begun: Round, written: Written) -> Decided:
        """Judge the texts that were not held back, and decide about them and about deferred ones.

        Raises:
            RoundInterruptedError: The run ended early.
        """
        held = {each.text_id for each in written.held_back}
        passed = {each.text_id for each in written.texts} - held
        plan = self._full_plan(begun)
        members = self._members(plan)
        self.runs.run(begun.chosen.cohort_id, members, partial(self._wanted, judged=passed))
        canaries = self._judge_canaries(members)
        scores: dict[str, tuple[float, ...]] = {}
        for planned in judged_texts(self.catalog.pipeline, plan):
            if planned.text_id in passed:
                states = (
                    read_state(self.store, self.catalog.pipeline[stage], gen_id)
                    for stage, gen_id in planned.judgements
                )
                given = (state.score for state in states)
                scores[planned.text_id] = tuple(
                    score.normalised for score in given if score is not None
                )
        decisions = self._decide(written, scores)
        before = set(self.journal.accepted())
        accepted = [
            each.text_id
            for each in decisions
            if each.verdict == "accept" and each.text_id not in before
        ]
        texts = {
            text.text_id: self.store.read_parsed(text.stage, text.text_id)
            for text in (*self.journal.texts(), *written.texts)
            if text.text_id in accepted
        }
        if self.spec.feedback.distil is not None:
            described = self._describe(begun, members, passed, texts)
        else:
            described = texts
        for text_id, text in described.items():
            level = self.spec.cohort.description_level
            self.loops.write_concept(self.loop_id, level, text_id, text)
        best = [each.text_id for each in decisions if each.text_id in passed][:_NOVELTY_OF_BEST]
        memory = Memory([*self.memory.descriptions()], [*self.memory.earlier_texts(begun)])
        measures = measure_round(self.store, self.journal, begun, written, memory, texts, best)
        answers = known_spending(self.store, self.catalog, members)
        cost = known_sum([answers, written.embedding_cost])
        return Decided(
            scores, tuple(decisions), attrs.evolve(measures, cost=cost, canaries=canaries)
        )

    def _judge_canaries(self, members: dict[Stage, list[str]]) -> CanaryScores | None:
        """Return what the judges give the canaries in this round; `members` gets the judgments."""
        plan = self._plan_canaries()
        if plan is None:
            return None
        for stage, gen_ids in plan.members().items():
            members[stage] += gen_ids
        self.cohorts.write_spec(plan.cohort_id, plan.spec)
        self.runs.run(plan.cohort_id, members, lambda _planned: True)
        return read_canaries(self.store, self.catalog, self.spec, plan, self.journal)

    def _plan_canaries(self) -> CanaryPlan | None:
        return plan_canaries(
            self.store, self.cohorts, self.catalog, self.loop_id, self.spec, self.journal
        )

    def _members(self, plan: CohortPlan) -> dict[Stage, list[str]]:
        return {stage: plan.gen_ids(stage) for stage in self.catalog.pipeline}

    def _wanted(
        self,
        planned: PlannedGeneration,
        judged: Collection[str] = (),
        kept: Collection[str] = (),
    ) -> bool:
        """Return whether a generation is a text, judges one of `judged`, or is one of `kept`."""
        distil = self.spec.feedback.distil
        if planned.gen_id in kept:
            return True
        if distil is not None and distil in self.catalog.pipeline.with_ancestors([planned.stage]):
            return False  # made for accepted texts alone
        text_id = judged_by(self.catalog.pipeline, planned)
        return text_id is None or text_id in judged

    def _describe(
        self,
        begun: Round,
        members: dict[Stage, list[str]],
        passed: Collection[str],
        accepted: Mapping[str, str],
    ) -> dict[str, str]:
        """Return descriptions of accepted texts, made by the stage `distil` in their rounds.

        A text whose description fails is taken whole. `members` gets those of earlier rounds, whose
        cost counts for this one.

        Raises:
            RoundInterruptedError: A run ended early.
        """
        stage = self.spec.feedback.distil or ""
        known = {*self.journal.accepted(), *accepted}
        described = dict(accepted)
        for each in (*self.journal.rounds[: begun.number - 1], begun):
            texts = () if each.written is None else each.written.texts
            if accepted.keys().isdisjoint(text.text_id for text in texts):
                continue
            found = descriptions(self._full_plan(each), stage)
            new = {text_id: found[text_id] for text_id in found if text_id in accepted}
            if each.number != begun.number:
                members[stage] += new.values()
            judged = passed if each.decided is None else each.decided.scores.keys()
            kept = {gen_id for text_id, gen_id in found.items() if text_id in known}
            self.runs.run(
                each.chosen.cohort_id, members, partial(self._wanted, judged=judged, kept=kept)
            )
            for text_id, gen_id in new.items():
                with suppress(MissingArtifactError):  # it failed, and the run said so
                    described[text_id] = self.store.read_parsed(stage, gen_id)
        return described

    def _full_plan(self, begun: Round) -> CohortPlan:
        """Return the plan of a round's cohort with all judgements, and write its specification."""
        spec, plan = self._plan(begun.chosen.cohort_id, begun.chosen.choices)
        self.cohorts.write_spec(begun.chosen.cohort_id, spec)
        return plan

    def _plan(self, cohort_id: str, choices: Sequence[Choice]) -> tuple[CohortSpec, CohortPlan]:
        """Return the specification and the plan of a round's cohort. Writes nothing.

        Raises:
            CatalogError: The cohort is wrong, or a text would have fewer than two judgements.
        """
        spec, plan = plan_round(
            self.store,
            self.cohorts,
            self.loop_id,
            self.spec,
            self.catalog,
            cohort_id,
            [choice.pair for choice in choices],
            allow_missing=self.allow_missing,
        )
        if any(
            len(text.judgements) < LEAST_JUDGEMENTS
            for text in judged_texts(self.catalog.pipeline, plan)
        ):
            problem = (
                "each text needs at least two judgements, or nobody can say how sure its score is; "
                "add a template or a model that judges, or replicates"
            )
            raise CatalogError(f"loop {self.loop_id}", (f"cohort: {problem}",))
        return spec, plan

    def _decide(self, written: Written, scores: Mapping[str, Sequence[float]]) -> list[Decision]:
        """Return decisions on the round's texts, on deferred ones, and on those a person named."""
        digests = {text.text_id: text.digest for text in (*self.journal.texts(), *written.texts)}
        rulings = read_rulings(
            self.store,
            self.cohorts,
            self.loops,
            self.catalog.pipeline,
            self.loop_id,
            self.journal,
        )
        last = {text_id: each.verdict for text_id, each in self.journal.decisions().items()}
        undecided = {*scores}
        undecided |= {each for each, verdict in last.items() if verdict == "defer"}
        undecided |= {each for each, said in rulings.items() if said.verdict != last.get(each)}
        selection = self.spec.selection
        held = [
            reject_near_duplicate(each.text_id, each.digest, selection)
            for each in written.held_back
            if each.text_id not in undecided
        ]
        decided_about = {
            text_id: digest for text_id, digest in digests.items() if text_id in undecided
        }
        all_scores = {**self.journal.scores(), **scores}
        return [*decide(decided_about, all_scores, rulings, selection), *held]
