"""The scores that are asked next, from those so far. Imports numpy: import it where it is used."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import attrs
import numpy as np

from daydreaming_dagster.domain.cohort.judgment_choice import ScoreChoice, settled_places
from daydreaming_dagster.domain.cohort.planner import PlannedGeneration
from daydreaming_dagster.domain.cohort.spec import MOST_REPLICATES, CohortSpec
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.results.evaluations import Evaluation
from daydreaming_dagster.domain.stages import GenerationRef, StageDefinition
from daydreaming_dagster.domain.statistics.top_scores import (
    TopScores,
    items_in_doubt,
    more_rounds,
    top_scores,
)
from daydreaming_dagster.formatting import counted, plural

_UNREADABLE: Final = 3
"""If so many more scores of a text could not be read than could, no more are asked."""


class _Judge(NamedTuple):
    template_id: str
    llm_model_id: str


@attrs.frozen
class _Cell:
    """What a judge was asked about a text, by replicate, and the scores that it gave."""

    asked: dict[int, float | None] = attrs.field(factory=dict)

    @property
    def scores(self) -> list[float]:
        return [share for _, share in sorted(self.asked.items()) if share is not None]

    @property
    def hopeless(self) -> bool:
        return len(self.asked) - 2 * len(self.scores) >= _UNREADABLE


@attrs.frozen
class GivenScores:
    """The scores that a stage has given the texts of a cohort so far, in rounds.

    A round is one score by each judge, a template with a model.
    """

    texts: tuple[GenerationRef, ...]
    judges: tuple[_Judge, ...]
    _cells: Mapping[tuple[GenerationRef, _Judge], _Cell]

    def standing(self, until: str) -> TopScores | None:
        """Return how sure the first places of a stop rule are; None if there is nothing to tell."""
        places = settled_places(until)
        if places >= len(self.texts):
            return None
        rounds = []
        for text in self.texts:
            scores = [self._cells[text, judge].scores for judge in self.judges]
            rounds.append(np.array([*zip(*scores, strict=False)]).reshape(-1, len(scores)))
        return top_scores(rounds, places)

    @property
    def most_replicates(self) -> int:
        """The highest replicate that may be asked next."""
        highest = max((max(cell.asked, default=0) for cell in self._cells.values()), default=0)
        return min(highest + more_rounds(highest), MOST_REPLICATES)

    def sentence(self, until: str) -> str:
        """Return whether a stop rule holds, and what that says."""
        places, top = settled_places(until), self.standing(until)
        stages = {text.stage for text in self.texts}
        judged = plural(stages.pop()) if len(stages) == 1 else "texts"
        if top is None:
            are = "is" if len(self.texts) == 1 else "are"
            return (
                f"{until}: there {are} only {counted(len(self.texts), 'text')}, so there is nothing"
                f" to settle."
            )
        if len(top.in_doubt):
            one, other = (self.texts[item].gen_id for item in top.in_doubt[0].tolist())
            return (
                f"{until}: not yet. {counted(len(top.in_doubt), 'pair')} of {judged} across place "
                f"{places} {'is' if len(top.in_doubt) == 1 else 'are'} in doubt, most of all "
                f"{one} and {other}."
            )
        names = ", ".join(self.texts[item].gen_id for item in top.order[:places].tolist())
        judges = counted(len(self.judges), "judge")
        return (
            f"{until}: yes, with 95 % however often one looks. If asked for ever, the same "
            f"{judges} would on average give each of {names} a higher score than any other of "
            f"the {judged}. What these judges get wrong alike stays in it."
        )

    def next(self, top: TopScores) -> Iterator[tuple[GenerationRef, _Judge, int]]:
        """Yield the text, judge and replicate of each score that is asked next."""
        hopeless = {item for item in range(len(self.texts)) if self._hopeless(item)}
        for item in items_in_doubt(top, hopeless):
            cells = [self._cells[self.texts[item], judge] for judge in self.judges]
            rounds = min(len(cell.scores) for cell in cells)
            wanted = rounds + more_rounds(rounds)
            for judge, cell in zip(self.judges, cells, strict=True):
                lacking, replicate = wanted - len(cell.scores), 0
                while lacking > 0:
                    replicate += 1
                    if replicate not in cell.asked:
                        lacking -= 1
                        yield self.texts[item], judge, replicate

    def _hopeless(self, item: int) -> bool:
        return any(self._cells[self.texts[item], judge].hopeless for judge in self.judges)


def given_scores(
    evaluations: Iterable[Evaluation], spec: CohortSpec, definition: StageDefinition
) -> GivenScores:
    """Return the scores so far of a stage's judges that the specification names.

    Raises:
        CatalogError: Not all texts have the same judges.
    """
    templates, models = ({*spec.values(axis)} for axis in definition.axes)
    asked: dict[GenerationRef, dict[_Judge, _Cell]] = {}
    for row in evaluations:
        member, score = row.evaluation, row.outcome.score
        judge = _Judge(member.template, member.llm)
        if row.stage == definition.name and member.template in templates and member.llm in models:
            cell = asked.setdefault(row.judged, {}).setdefault(judge, _Cell())
            cell.asked[member.replicate or 1] = None if score is None else score.normalised
    every = set().union(*asked.values())
    for text, of_text in asked.items():
        if lacking := every - of_text.keys():
            named = "/".join(min(lacking))
            problem = f"{text} has no score by {named}; a stop rule needs the same judges for all"
            raise CatalogError(f"the stage {definition.name}", (problem,))
    cells = {(text, judge): cell for text in asked for judge, cell in asked[text].items()}
    return GivenScores(tuple(sorted(asked)), tuple(sorted(every)), cells)


def choose_scores(
    candidates: Iterable[PlannedGeneration],
    given: GivenScores,
    members: Sequence[str],
    choice: ScoreChoice,
) -> list[PlannedGeneration]:
    """Return the scores among the candidates that are asked next; none if the stop rule holds.

    It depends on its arguments alone: after a kill, the same answers give the same choice.
    `members` are the generations of the stage in the cohort.
    """
    top = given.standing(choice.until)
    if top is None:
        return []
    wanted = [*given.next(top)]
    if choice.calls is not None:
        wanted = wanted[: max(choice.calls - len(members), 0)]
    known = {*members}
    found = {
        (one.parents[0], _judge_of(one), one.way.get("replicate")): one
        for one in candidates
        if one.gen_id not in known
    }
    return [found[key] for key in wanted if key in found]


def _judge_of(planned: PlannedGeneration) -> _Judge:
    return _Judge(*(str(planned.way.get(key) or "") for key in ("template_id", "llm_model_id")))
