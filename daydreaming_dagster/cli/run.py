"""`daydream run`."""

from collections.abc import Collection
from contextlib import suppress

import click

from daydreaming_dagster.application.batch_status import waiting_of_cohort
from daydreaming_dagster.application.cohort_status import look
from daydreaming_dagster.application.run_cohort import CohortRun, RunOptions, run_cohort
from daydreaming_dagster.application.run_listener import NullRunListener, RunListener
from daydreaming_dagster.application.started_run import StartedRun
from daydreaming_dagster.application.stop_rules import say_stop_rules
from daydreaming_dagster.batch_bootstrap import compose_batches
from daydreaming_dagster.bootstrap import (
    DataRoot,
    compose_language_model,
    key_prefix,
    open_data_root,
)
from daydreaming_dagster.cli.console import (
    EXIT_INCOMPLETE,
    NumberRange,
    WholeNumberRange,
    cohort_argument,
    complain,
    concurrency_option,
    data_root_option,
    max_cost_option,
    note,
    say,
    terminal,
)
from daydreaming_dagster.cli.grouping import failure_lines
from daydreaming_dagster.cli.interruption import stopped_by_signals
from daydreaming_dagster.cli.monitor import RunMonitor
from daydreaming_dagster.cli.unusable_templates import note_unusable_templates
from daydreaming_dagster.defs.home import leave_mark, prepare_home, take_mark
from daydreaming_dagster.defs.recorder_process import RecordedRun, record
from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.cohort.progress import StageStatus
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.results.evaluations import read_evaluations
from daydreaming_dagster.domain.results.ranking import rank_texts, with_shown_combos
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.locations import absolute_location
from daydreaming_dagster.ports.language_model import LanguageModel


@click.command()
@cohort_argument
@data_root_option
@concurrency_option
@click.option("--stale", is_flag=True, help="Replace stale answers (see `daydream status`).")
@click.option(
    "--force", multiple=True, metavar="GEN_ID", help="Generate this one again; repeatable."
)
@click.option(
    "--max-calls", type=WholeNumberRange(min=0), help="Make at most this many model calls."
)
@max_cost_option
@click.option(
    "--max-cost-total",
    type=NumberRange(min=0),
    help="Spend at most this much, in USD, in all runs of the cohort together.",
)
@click.option(
    "--batch", is_flag=True, help="Ask by batch where the endpoint can: cheaper, within a day."
)
@click.option(
    "--cancel-batches",
    is_flag=True,
    help="Cancel this cohort's batches and keep what was answered.",
)
@click.option(
    "--until",
    help="Ask for more scores, or duels chosen by doubt, until this is certain, such as"
    " 'top 3 settled'. Scores need a limit, too.",
)
def run(
    cohort_id: str,
    data_root: str,
    concurrency: int | None,
    *,
    stale: bool,
    force: tuple[str, ...],
    max_calls: int | None,
    max_cost: float | None,
    max_cost_total: float | None,
    batch: bool,
    cancel_batches: bool,
    until: str | None,
) -> None:
    """Generate what a planned cohort still lacks, with Dagster, and rank what was judged.

    Every answer is stored as soon as it arrives and reused later. After an interruption, or if some
    generations failed, run the command again. A replaced answer is kept beside the new one. Ctrl-C
    and SIGTERM wait for the answers in flight; a second one does not. Batches go on without the
    run.
    """
    if batch and cancel_batches:
        raise click.BadParameter("--batch and --cancel-batches exclude each other; choose one")
    root = open_data_root(absolute_location(data_root))
    options = RunOptions(
        stale, force, max_calls, max_cost, max_cost_total, batch, cancel_batches, until
    )
    if not run_and_rank(root, cohort_id, options, concurrency):
        raise click.exceptions.Exit(EXIT_INCOMPLETE)


def run_and_rank(
    root: DataRoot, cohort_id: str, options: RunOptions, concurrency: int | None
) -> bool:
    """Run the cohort, print the outcome, and return whether all of it is done.

    Raises:
        DaydreamingError: It cannot be run.
    """
    root.cohorts.read_membership(cohort_id)  # reports a wrong name first
    catalog, token = root.cohorts.read_catalog(), CancellationToken()
    with (
        terminal() as console,
        stopped_by_signals(token, console),
        RunMonitor(console) as monitor,
    ):
        model = compose_language_model(catalog, concurrency, root)
        done = _make(root, cohort_id, options, catalog, model, token, monitor)
    for line in failure_lines(monitor.failed, monitor.reasons):
        complain(line)
    for notice in monitor.notices:
        note(notice)
    _show_ranking(root, catalog, cohort_id)
    _say_stop_rules(root, catalog, cohort_id, options)
    if token.reason and not done:
        complain(f"stopped: {token.reason}")
    _say_what_is_left(root, catalog, cohort_id, options, done=done, left_stale=monitor.stale)
    return done


def _make(
    root: DataRoot,
    cohort_id: str,
    options: RunOptions,
    catalog: Catalog,
    model: LanguageModel,
    token: CancellationToken,
    monitor: RunMonitor,
) -> bool:
    """Make what the cohort lacks, record it in Dagster, and return whether all of it is done."""
    prefix, home = key_prefix(), prepare_home(root)
    batches = compose_batches(root, catalog)

    def run_it(listener: RunListener) -> CohortRun:
        return run_cohort(
            root.store,
            root.cohorts,
            model,
            cohort_id,
            options,
            token=token,
            listener=listener,
            catalog=catalog,
            batches=batches,
        )

    members = root.cohorts.read_membership(cohort_id)
    recorded = take_mark(home, prefix, cohort_id, members)
    with StartedRun(token, monitor) as started:
        plan = started.start(run_it).plan()
        if recorded and plan.changes_nothing and plan.members == members:
            done = started.follow(NullRunListener()).complete
        else:
            run = RecordedRun(home, root.location, cohort_id, options, prefix)
            done = record(run, started, token, monitor.not_recorded)
        if done:  # the run may have added duels to what it planned first
            made = started.follow(NullRunListener()).plan
            leave_mark(home, prefix, cohort_id, made.members)
    return done


def _show_ranking(root: DataRoot, catalog: Catalog, cohort_id: str) -> None:
    try:
        members = root.cohorts.read_membership(cohort_id)
        judges = (*catalog.pipeline.scoring, *catalog.pipeline.comparing)
        if not any(members.get(stage) for stage in judges):
            return  # without the statistics, which are slow to import
        ranks = with_shown_combos(rank_texts(root.store, catalog.pipeline, members), catalog)
    except DaydreamingError as error:  # a generation is unreadable; the others are done
        complain(f"no ranking: {error}")
        return
    if any(rank.scores or rank.duels for rank in ranks):
        # Imported here because the calls come first, and it is slow to import.
        from daydreaming_dagster.cli.results import print_ranking

        print_ranking(ranks, catalog.pipeline.judged)


def _say_stop_rules(root: DataRoot, catalog: Catalog, cohort_id: str, options: RunOptions) -> None:
    """Say whether the rules of scores hold that the run was to ask until."""
    with suppress(DaydreamingError):  # what is unreadable was said
        members = root.cohorts.read_membership(cohort_id)
        evaluations = read_evaluations(root.store, catalog.pipeline, members)
        for line in say_stop_rules(root.cohorts, [cohort_id], catalog, evaluations, options.until):
            say(line)


def _say_what_is_left(
    root: DataRoot,
    catalog: Catalog,
    cohort_id: str,
    options: RunOptions,
    *,
    done: bool,
    left_stale: int,
) -> None:
    """Say what a run did not do and what helps; `left_stale` counts answers it left on purpose."""
    note_unusable_templates(root, cohort_id, catalog)
    if not done or options.force:
        looked = look(root.store, root.cohorts, cohort_id, catalog)
        left_stale = sum(map(len, looked.stale.values()))
        if waiting_of_cohort(root.batches, looked):
            note(
                f"batches go on without this command: `daydream run {cohort_id} --batch` takes "
                f"their answers, and --cancel-batches cancels them"
            )
        if not done:
            _say_what_is_missing(looked.stages.values(), left_stale if options.stale else 0)
    if left_stale and not options.stale:
        note(
            f"{counted(left_stale, 'answer')} stale: `daydream status {cohort_id}` says why, "
            f"and --stale replaces them"
        )


def _say_what_is_missing(stages: Collection[StageStatus], stale: int) -> None:
    missing = sum(len(of_stage.missing) for of_stage in stages) + stale
    unparsed = sum(len(of_stage.unparsed) for of_stage in stages)
    if missing:
        complain(
            f"{counted(missing, 'generation')} not done; the same command goes on with what is left"
        )
    if unparsed:
        complain(
            f"{counted(unparsed, 'answer')} not read as a text or a score; the same command tries "
            f"again, and --force GEN_ID asks again"
        )
