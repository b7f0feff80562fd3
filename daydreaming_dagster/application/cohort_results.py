"""The results of a cohort as tables, in files."""

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from daydreaming_dagster.application.planned_tables import make_planned_tables
from daydreaming_dagster.application.rate_cohort import read_cohort_ratings
from daydreaming_dagster.application.several_cohorts import folder_of, gather_cohorts
from daydreaming_dagster.domain.people.ratings import Rating
from daydreaming_dagster.domain.results.evaluations import Evaluation, without_stale
from daydreaming_dagster.domain.results.judges import judge_of, judges_named, leave_out
from daydreaming_dagster.domain.results.ranking import TextRank, rank_evaluations, with_shown_combos
from daydreaming_dagster.domain.results.refused import RefusedAnswer, refused_answers
from daydreaming_dagster.domain.results.verdicts import Duel, verdicts, without_stale_verdicts
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.ports.cohort_store import CohortStore
from daydreaming_dagster.ports.gens_store import GensStoreWithTemplates
from daydreaming_dagster.types import Stage

if TYPE_CHECKING:  # polars takes 0.3 s to import
    import polars as pl

    from daydreaming_dagster.domain.results.tables import ResultTables


@attrs.frozen
class TabulatedCohort:
    """The results of a cohort.

    Attributes:
        tables: All that was judged.
        ranks: The ranking of its judged texts.
        refused: The judges' answers that give no score.
        files: Where the tables are.
        without: The judges that are left out, as `stage/template/model`.
        notes: Who is left out, and what differs between several cohorts.
        doubts: Why answers of any stage are probably not what they count as, by gen_id.
        evaluations: What the tables are made of.
        people: What people said of the texts, and the judges' means corrected by it; empty if
            nobody said anything.
    """

    tables: "ResultTables"
    ranks: Sequence[TextRank]
    refused: Sequence[RefusedAnswer]
    files: Sequence[str]
    without: Sequence[str] = ()
    notes: Sequence[str] = ()
    doubts: Mapping[Stage, Mapping[str, str]] = attrs.field(factory=dict)
    evaluations: Sequence[Evaluation] = ()
    people: "Mapping[str, pl.DataFrame]" = attrs.field(factory=dict)


def tabulate_cohort(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    cohort_id: str,
    *more: str,
    fresh: bool = False,
    without: Sequence[str] = (),
) -> TabulatedCohort:
    """Write the tables of the results of a cohort, or of several, and return them with the ranking.

    Each table is a CSV file. The evaluations are a Parquet file too. Scores that are stale are
    marked; with `fresh`, they are left out. So are those of the judges in `without` (see
    `judges_named`): then each table has a column `without` that says so.

    Of several cohorts, what they share counts once. The tables say in a column `cohorts` what
    belongs to which, and are in the first cohort's folder, apart from its own.

    Raises:
        CohortNotPlannedError: A cohort was not planned yet.
        CatalogError: The catalogs, a membership or people's ratings are wrong, or `without` names
            no judge.
        DataLayerError: Metadata of a generation is missing or malformed.
        OSError: A file could not be written.
    """
    cohort_ids = tuple(dict.fromkeys((cohort_id, *more)))
    results = gather_results(store, cohorts, cohort_ids, fresh=fresh, without=without)
    folder = folder_of(cohort_ids)
    files = _as_files(results.tables) | _as_csv(results.people)
    made = {f"{folder}{name}": data for name, data in files.items()}
    return attrs.evolve(results, files=cohorts.write_report_files(cohort_id, made))


def gather_results(
    store: GensStoreWithTemplates,
    cohorts: CohortStore,
    cohort_ids: Sequence[str],
    *,
    fresh: bool = False,
    without: Sequence[str] = (),
) -> TabulatedCohort:
    """Return what `tabulate_cohort` returns. Writes nothing.

    Raises:
        DaydreamingError: See `tabulate_cohort`.
    """
    catalog = cohorts.read_catalog()
    pipeline = catalog.pipeline
    gathered = gather_cohorts(store, cohorts, cohort_ids, catalog)
    evaluations, duels = gathered.evaluations, gathered.duels
    if fresh:
        evaluations, duels = list(without_stale(evaluations)), list(without_stale_verdicts(duels))
    judges = [*map(judge_of, evaluations), *map(judge_of, duels)]
    left_out = judges_named(judges, without)
    evaluations, duels = leave_out(evaluations, left_out), leave_out(duels, left_out)
    tables = make_planned_tables(cohorts, cohort_ids, catalog, evaluations, duels)
    if len(cohort_ids) > 1:
        tables = tables.with_cohorts(gathered.cohorts_of)
    if left_out:
        tables = tables.with_column("without", ", ".join(sorted(left_out)))
    ranks = [
        attrs.evolve(rank, cohorts=gathered.cohorts_of.get(rank.ref, "") if cohort_ids[1:] else "")
        for rank in with_shown_combos(
            rank_evaluations(store, pipeline, gathered.members, evaluations, duels), catalog
        )
    ]
    people, uncorrected = _people_tables(
        evaluations,
        read_cohort_ratings(store, cohorts, cohort_ids, pipeline, gathered.members),
    )
    return TabulatedCohort(
        tables,
        ranks,
        list(refused_answers(store, catalog, evaluations)),
        [],
        sorted(left_out),
        [
            *_say_left_out(judges, left_out),
            *([*gathered.notes(ranks), *_parts(evaluations, duels)] if cohort_ids[1:] else ()),
            *uncorrected,
        ],
        gathered.doubts,
        evaluations,
        people,
    )


def _people_tables(
    evaluations: Sequence[Evaluation], ratings: Sequence[Rating]
) -> "tuple[dict[str, pl.DataFrame], Sequence[str]]":
    """Return the tables of people's ratings, and why judges could not be corrected by them."""
    if not ratings:
        return {}, ()
    from daydreaming_dagster.domain.people.corrected import correct_judges
    from daydreaming_dagster.domain.people.tables import make_corrected_table, make_rating_table

    means, notes = correct_judges(evaluations, ratings)
    tables = {"ratings": make_rating_table(ratings), "corrected": make_corrected_table(means)}
    return tables, notes


def _say_left_out(judges: Sequence[str], left_out: Collection[str]) -> Iterator[str]:
    for judge in sorted(left_out):
        yield f"left out: {judge} ({counted(judges.count(judge), 'judgment')})"


def _parts(evaluations: Sequence[Evaluation], duels: Sequence[Duel]) -> Iterator[str]:
    """Yield a warning if some texts have no judge in common with others, even by a chain."""
    part_of: dict[object, object] = {}

    def find(item: object) -> object:
        while part_of.setdefault(item, item) != item:
            item = part_of[item]
        return item

    for row in evaluations:
        if row.outcome.score is not None:
            part_of[find(row.judged)] = find(judge_of(row))
    for duel in verdicts(duels):
        part_of[find(duel.first)] = find(duel.second)
    parts = len({find(item) for item in list(part_of)})
    if parts > 1:
        yield (
            f"the texts fall into {parts} parts that share no judge: what differs between them "
            f"may be the judges, and not the texts"
        )


def without_formulas(table: "pl.DataFrame") -> "pl.DataFrame":
    """Return the table with `'` before texts that a spreadsheet would take for a formula.

    https://owasp.org/www-community/attacks/CSV_Injection
    """
    import polars as pl

    text = pl.col(pl.String)
    return table.with_columns(
        pl.when(text.str.contains(r"^[=+\-@\t\r]")).then("'" + text).otherwise(text).name.keep()
    )


def _as_files(tables: "ResultTables") -> dict[str, bytes]:
    files = _as_csv(tables.by_name())
    parquet = io.BytesIO()
    tables.evaluations.write_parquet(parquet)
    files["evaluations.parquet"] = parquet.getvalue()
    return files


def _as_csv(tables: "Mapping[str, pl.DataFrame]") -> dict[str, bytes]:
    return {
        f"{name}.csv": without_formulas(table).write_csv().encode()
        for name, table in tables.items()
    }
