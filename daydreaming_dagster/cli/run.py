"""`daydream run`."""

import os
import signal
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from adapters.cohort_store.catalog_files import read_catalog
from adapters.cohort_store.cohort_files import read_cohort_index, read_membership
from adapters.gens_store.filesystem import FilesystemGensStore
from daydreaming_dagster.cli.console import EXIT_INCOMPLETE, CohortId, DataRoot, complain, err, note
from daydreaming_dagster.cli.interruption import loading
from daydreaming_dagster.cli.monitor import RunMonitor
from daydreaming_dagster.cli.results import print_ranking
from daydreaming_dagster.data_layer.paths import Paths
from daydreaming_dagster.domain.cohort.progress import StageStatus
from daydreaming_dagster.domain.cohort.staleness import look_at_cohort
from daydreaming_dagster.domain.generation.cancellation import CancellationToken
from daydreaming_dagster.domain.results.ranking import rank_essays
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.formatting import counted

Concurrency = Annotated[
    int | None,
    typer.Option(
        "--concurrency",
        "-j",
        min=1,
        help="Calls under way at once for each model without a limit in llm_models.csv."
        " Without it, as many as the endpoint takes.",
    ),
]


def run(
    cohort_id: CohortId,
    data_root: DataRoot = Path("data"),
    concurrency: Concurrency = None,
    *,
    stale: Annotated[
        bool,
        typer.Option("--stale", help="Replace answers to what is no longer asked (see status)."),
    ] = False,
    force: Annotated[
        list[str] | None,
        typer.Option(
            "--force", metavar="GEN_ID", help="Ask again for this generation; repeatable."
        ),
    ] = None,
    max_calls: Annotated[
        int | None, typer.Option("--max-calls", min=0, help="Make no more model calls than this.")
    ] = None,
    max_cost: Annotated[
        float | None, typer.Option("--max-cost", min=0, help="Spend no more than this, in USD.")
    ] = None,
) -> None:
    """Generate what a planned cohort still lacks, with Dagster, and rank its essays.

    Every answer is stored as soon as it arrives, and none is asked for again: after an
    interruption, or when some generations failed, run it again. An answer that is replaced is
    kept beside the new one. Ctrl-C and SIGTERM wait for the answers under way; a second one
    does not.
    """
    # Dagster takes a second to import, which the other commands need not wait for.
    with loading():
        from daydreaming_dagster.bootstrap import BASE_URL_VARIABLE, compose_language_model
        from daydreaming_dagster.defs.launch import open_instance, run_cohort

    members = read_membership(Paths(data_root), cohort_id)
    store = FilesystemGensStore(data_root)
    catalog = read_catalog(store.paths)
    base_url = os.environ.get(BASE_URL_VARIABLE, "")
    switch, monitor = CancellationToken(), RunMonitor(err, members)
    resources = {
        "gens_store": store,
        "catalog": catalog,
        "language_model": compose_language_model(catalog.models.values(), base_url, concurrency),
        "stop": switch,
        "listener": monitor,
        "data_root": str(data_root),
    }
    config = {
        "stale": stale,
        "again": force or [],
        "max_calls": max_calls,
        "max_cost": max_cost,
    }
    home = Path(os.environ.get("DAGSTER_HOME") or data_root / "dagster_home")
    with (
        _stopped_by_signals(switch),
        open_instance(home) as instance,
        monitor,
        # Dagster takes the signals of the main thread for itself, so it gets another one.
        ThreadPoolExecutor(max_workers=1) as thread,
    ):
        done = thread.submit(run_cohort, instance, resources, cohort_id, config).result()
    for generated in monitor.failed:
        complain(f"{generated.stage}/{generated.gen_id}: {generated.error}")
    try:
        ranks = rank_essays(store, members)
        if any(rank.scores for rank in ranks):
            print_ranking(ranks)
    except DaydreamingError as error:  # of a generation that cannot be read; the rest is made
        complain(f"no ranking: {error}")
    if switch.reason:
        complain(f"stopped: {switch.reason}")
    left_stale = monitor.stale
    if not done or force:
        index = read_cohort_index(store.paths, cohort_id)
        looked = look_at_cohort(store, catalog, members, index)
        left_stale = sum(map(len, looked.stale.values()))
        if not done:
            _say_what_is_left(looked.stages.values(), left_stale if stale else 0)
    if left_stale and not stale:
        note(
            f"{counted(left_stale, 'answer')} stale: `daydream status {cohort_id}` says why, "
            f"and --stale replaces them"
        )
    if not done:
        raise typer.Exit(EXIT_INCOMPLETE)


@contextmanager
def _stopped_by_signals(switch: CancellationToken) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the run of the block, the second of them at once."""
    interrupted = False

    def handle(number: int, _frame: object) -> None:
        nonlocal interrupted
        if interrupted:
            err.show_cursor()  # which the bars hide
            # The store survives a kill at any time, and so does Dagster's.
            os._exit(128 + number)
        interrupted = True
        switch.stop(f"interrupted by {signal.Signals(number).name}")
        note("interrupted: waiting for the answers under way; interrupt again to drop them")

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_what_is_left(stages: Collection[StageStatus], stale: int) -> None:
    """Say what a run did not do, and what helps; `stale` are the answers it was to replace."""
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
