"""`daydream judges`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import attrs
import typer
from rich.table import Table

from daydreaming_dagster.application.judge_passports import equate_judges, know_judges
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.cli.console import (
    DEFAULT_DATA_ROOT,
    CohortArgument,
    DataRootOption,
    JsonOption,
    cell,
    note,
    out,
    say,
    say_json,
)

if TYPE_CHECKING:  # numpy is slow to import
    from daydreaming_dagster.domain.people.passport import Passport
    from daydreaming_dagster.domain.statistics.equating import Equating
    from daydreaming_dagster.domain.statistics.measures import Measure


def judges(
    cohort_id: CohortArgument,
    data_root: DataRootOption = DEFAULT_DATA_ROOT,
    *,
    equate: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="OLD NEW",
            help="Bring the scores of a new judge to the scale of an old one, by texts of both.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what each judge is like: whom it agrees with, and what it prefers.

    Each number has a 95 % interval, and the number of texts, pairs or duels that it rests on. No
    model is called.
    """
    root = open_data_root(data_root)
    if equate is not None:
        _print_equating(equate_judges(root.store, root.cohorts, cohort_id, *equate), as_json)
        return
    known = know_judges(root.store, root.cohorts, cohort_id, datetime.now(UTC).date())
    if as_json:
        say_json(
            {
                "judges": [attrs.asdict(passport) for passport in known.passports],
                "notes": [*known.notes],
            }
        )
        return
    from daydreaming_dagster.domain.people.passport import say_who_agrees

    if sentence := say_who_agrees(known.passports):
        say(sentence)
    for passport in known.passports:
        _print_passport(passport)
    for line in known.notes:
        note(line)


def _print_equating(line: "Equating", as_json: bool) -> None:  # noqa: FBT001  as the command has it
    if as_json:
        say_json(attrs.asdict(line))
        return
    say(
        f"old = {line.intercept:.3f} + {line.slope:.3f} * new, both as shares of their scales; an"
        f" equated score is within {1.96 * line.error:.2f} of the old judge's in 95 % of texts"
    )
    say(
        f"they correlate by {line.correlation.value:.2f} ({_bounds(line.correlation)}) on"
        f" {line.correlation.n} texts"
    )


def _print_passport(passport: "Passport") -> None:
    from daydreaming_dagster.domain.people.passport import MEASURES

    table = Table("measure", "value", "95 %", "n", title=cell(passport.judge))
    for name, measure in passport.measures.items():
        if measure.value is not None:
            table.add_row(MEASURES[name], f"{measure.value:.2f}", _bounds(measure), str(measure.n))
    if not table.row_count:
        note(f"{passport.judge}: too few scores to say anything")
        return
    out.print(table)


def _bounds(measure: "Measure") -> str:
    if measure.low is None or measure.high is None:
        return "-"
    return f"{measure.low:.2f} to {measure.high:.2f}"
