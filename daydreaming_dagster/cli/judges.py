"""`daydream judges`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import attrs
import click
from rich.table import Table

from daydreaming_dagster.application.judge_canaries import judge_canaries
from daydreaming_dagster.application.judge_passports import (
    KnownJudges,
    equate_judges,
    know_judges,
)
from daydreaming_dagster.application.run_cohort import RunOptions
from daydreaming_dagster.bootstrap import DataRoot, compose_language_model, open_data_root
from daydreaming_dagster.cli.console import (
    EXIT_INCOMPLETE,
    NumberRange,
    WholeNumberRange,
    cell,
    cohort_argument,
    complain,
    concurrency_option,
    data_root_option,
    json_option,
    note,
    out,
    say,
    say_json,
    terminal,
)
from daydreaming_dagster.cli.grouping import failure_lines
from daydreaming_dagster.cli.interruption import stopped_by_signals
from daydreaming_dagster.cli.monitor import RunMonitor
from daydreaming_dagster.domain.errors import ResponseParseError
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.locations import absolute_location

if TYPE_CHECKING:  # numpy is slow to import
    from daydreaming_dagster.domain.people.passport import Passport
    from daydreaming_dagster.domain.statistics.equating import Equating
    from daydreaming_dagster.domain.statistics.measures import Measure


@click.command()
@cohort_argument
@data_root_option
@click.option(
    "--equate",
    nargs=2,
    metavar="OLD NEW",
    help="Bring the scores of a new judge to the scale of an old one, by texts of both.",
)
@click.option(
    "--canaries",
    type=WholeNumberRange(min=2),
    help="First let each judge score this many copies of texts that order the best score."
    " This calls models, at most 100 times.",
)
@concurrency_option
@click.option(
    "--max-calls",
    type=WholeNumberRange(min=0),
    help="With --canaries: make at most this many calls.",
)
@click.option(
    "--max-cost", type=NumberRange(min=0), help="With --canaries: spend at most this, in USD."
)
@json_option
def judges(  # noqa: PLR0913  the options of a command
    cohort_id: str,
    data_root: str,
    *,
    equate: tuple[str, str] | None,
    canaries: int | None,
    concurrency: int | None,
    max_calls: int | None,
    max_cost: float | None,
    as_json: bool,
) -> None:
    """Show what each judge is like: whom it agrees with, and what it prefers.

    Each number has a 95 % interval, and the number of texts, pairs or duels that it rests on.
    Without --canaries, no model is called. Canaries count in no result and in no other cohort.
    After an interruption, run the command again.
    """
    if equate is not None and canaries is not None:
        raise click.BadParameter("--equate and --canaries exclude each other; choose one")
    if canaries is None and (max_calls is not None or max_cost is not None):
        raise click.BadParameter("--max-calls and --max-cost need --canaries")
    root = open_data_root(absolute_location(data_root))
    if equate is not None:
        _print_equating(equate_judges(root.store, root.cohorts, cohort_id, *equate), as_json)
        return
    unanswered = 0
    if canaries is not None:
        limits = RunOptions(max_calls=max_calls, max_cost=max_cost)
        unanswered = _ask_about_canaries(root, cohort_id, canaries, limits, concurrency)
    known = know_judges(root.store, root.cohorts, cohort_id, datetime.now(UTC).date())
    if as_json:
        say_json(
            {
                "judges": [attrs.asdict(passport) for passport in known.passports],
                "notes": [*known.notes],
            }
        )
    else:
        _print_passports(known)
    if unanswered:
        complain(
            f"canaries without an answer: {unanswered}; the same command goes on with what is left"
        )
        raise click.exceptions.Exit(EXIT_INCOMPLETE)


def _ask_about_canaries(
    root: DataRoot, cohort_id: str, count: int, limits: RunOptions, concurrency: int | None
) -> int:
    """Let the judges score canaries; return how many have no answer yet."""
    root.cohorts.read_membership(cohort_id)  # reports a wrong name first
    catalog, token = root.cohorts.read_catalog(), CancellationToken()
    model = compose_language_model(catalog, concurrency, root)
    with (
        terminal() as console,
        stopped_by_signals(token, console),
        RunMonitor(console) as monitor,
    ):
        unanswered = judge_canaries(
            root.store,
            root.cohorts,
            model,
            cohort_id,
            count,
            limits,
            token=token,
            listener=monitor,
            catalog=catalog,
        )
    # The passport counts the answers without a score.
    failed = [each for each in monitor.failed if not isinstance(each.error, ResponseParseError)]
    for line in failure_lines(failed, monitor.reasons):
        complain(line)
    if token.reason is not None:
        complain(f"stopped: {token.reason}")
    return unanswered


def _print_passports(known: KnownJudges) -> None:
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
    bounds = "" if line.correlation.low is None else f" ({_bounds(line.correlation)})"
    say(f"they correlate by {line.correlation.value:.2f}{bounds} on {line.correlation.n} texts")


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
