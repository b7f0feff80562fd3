"""What the judges of a cohort are like."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import TYPE_CHECKING

import attrs

from daydreaming_dagster.application.rate_cohort import read_cohort_ratings
from daydreaming_dagster.application.several_cohorts import gather_cohorts
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.stored import if_there
from daydreaming_dagster.domain.people.canaries import CanaryScore, read_canaries
from daydreaming_dagster.domain.people.passport_sentences import say_what_calls_would_tell
from daydreaming_dagster.domain.people.ratings import Rating
from daydreaming_dagster.domain.results.evaluations import Evaluation
from daydreaming_dagster.domain.results.verdicts import Duel
from daydreaming_dagster.domain.retirements import retirements
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStore, GensStoreWithTemplates

if TYPE_CHECKING:  # numpy is slow to import
    from daydreaming_dagster.domain.people.passport import Passport
    from daydreaming_dagster.domain.statistics.equating import Equating


@attrs.frozen
class KnownJudges:
    """The passports of a cohort's judges, and what to know beside them."""

    passports: "Sequence[Passport]"
    notes: Sequence[str]


def know_judges(
    store: GensStoreWithTemplates, cohorts: CohortStore, cohort_id: str, today: date
) -> KnownJudges:
    """Return the passports of the judges of a cohort. Calls no model and writes nothing.

    Raises:
        CohortNotPlannedError: The cohort was not planned yet.
        CatalogError: The catalogs, the membership or people's ratings are wrong.
        DataLayerError: What is stored of a generation is missing or malformed.
    """
    catalog = cohorts.read_catalog()
    gathered = gather_cohorts(store, cohorts, (cohort_id,), catalog)
    ratings = read_cohort_ratings(store, cohorts, (cohort_id,), catalog.pipeline, gathered.members)
    canaries = read_canaries(store, catalog, gathered.evaluations)
    passports = know_judgments(store, gathered.evaluations, gathered.duels, ratings, canaries)
    notes = [*retirements(catalog.models, (passport.llm for passport in passports), today)]
    if not ratings:
        notes.append(f"no person has rated a text yet: daydream rate {cohort_id}")
    notes += say_what_calls_would_tell(passports, cohort_id)
    return KnownJudges(passports, notes)


def know_judgments(
    store: GensStore,
    evaluations: Sequence[Evaluation],
    duels: Sequence[Duel],
    ratings: Sequence[Rating],
    canaries: Sequence[CanaryScore] = (),
) -> "list[Passport]":
    """Return the passports of those who made these judgments.

    Raises:
        DataLayerError: A text is malformed.
    """
    from daydreaming_dagster.domain.people.passport import JudgedTexts, make_passports

    judged = {row.judged for row in evaluations if row.outcome.score is not None}
    words = {ref: len((if_there(store.read_parsed, *ref) or "").split()) for ref in judged}
    return make_passports(JudgedTexts(evaluations, duels, ratings, words, canaries))


def equate_judges(
    store: GensStoreWithTemplates, cohorts: CohortStore, cohort_id: str, old: str, new: str
) -> "Equating":
    """Return how scores of the judge `new` are brought to the scale of the judge `old`.

    The anchors are the texts of the cohort that both scored. Each is named as in `judges_named`.

    Raises:
        JudgmentsError: They cannot be equated.
        CatalogError: There is no such judge, or the name fits several.
        DaydreamingError: See `know_judges`.
    """
    import numpy as np

    from daydreaming_dagster.domain.people.passport import mean_of_each, scores_of_models
    from daydreaming_dagster.domain.statistics.equating import equate
    from daydreaming_dagster.domain.statistics.judgments import JudgmentsError

    gathered = gather_cohorts(store, cohorts, (cohort_id,), cohorts.read_catalog())
    scores = scores_of_models(gathered.evaluations)
    names = [_the_judge(scores, name) for name in (old, new)]
    first, second = (mean_of_each(scores[name]) for name in names)
    anchors = [ref for ref in first if ref in second]
    try:
        return equate(*(np.array([own[ref] for ref in anchors]) for own in (first, second)))
    except JudgmentsError as error:
        raise JudgmentsError(f"{' and '.join(names)} cannot be equated: {error}") from None


def _the_judge(judges: Collection[str], name: str) -> str:
    found = sorted(judge for judge in judges if f"/{name}/" in f"/{judge}/")
    if len(found) != 1:
        said = f"fits {', '.join(found)}; name one" if found else "is none of the judges"
        raise CatalogError("the judges", (f"{name!r} {said}: {', '.join(sorted(judges))}",))
    return found[0]
