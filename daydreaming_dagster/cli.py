"""The command line: plan a cohort, run it, look at what came of it."""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import attrs
import typer
from rich.console import Console
from rich.progress import track
from rich.rule import Rule
from rich.table import Table

from adapters.experiment_files import (
    list_cohorts,
    list_planned_cohorts,
    read_catalog,
    read_cohort_index,
    read_membership,
)
from adapters.filesystem_gens_store import FilesystemGensStore
from adapters.filesystem_inspection import inspect_generation, inspect_gens, remove_leftovers
from daydreaming_dagster.cohorts import (
    estimate_cohort,
    record_cohort,
    report_cohort,
    tabulate_cohort,
    write_figures,
)
from daydreaming_dagster.data_layer.generation_metadata import ancestry
from daydreaming_dagster.data_layer.ids import check_stage
from daydreaming_dagster.data_layer.paths import ARTIFACT_FILENAMES, Paths
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.freshness import look_at_cohort
from daydreaming_dagster.domain.integrity import Finding, IntegrityCheck, missing_members
from daydreaming_dagster.domain.plan_estimate import PlanEstimate
from daydreaming_dagster.domain.planning import CohortPlan
from daydreaming_dagster.domain.results import EssayRank, StageStatus, rank_essays
from daydreaming_dagster.domain.stopping import StopSwitch
from daydreaming_dagster.domain.stored_generation import read_stored_generation
from daydreaming_dagster.errors import DaydreamingError
from daydreaming_dagster.interruption import loading
from daydreaming_dagster.run_monitor import RunMonitor
from daydreaming_dagster.types import STAGES, Stage
from daydreaming_dagster.wording import counted, money

if TYPE_CHECKING:  # polars is slow to import
    from polars import DataFrame

EXIT_INCOMPLETE: Final = 1
"""Something is not as it should be: generations are not done, or a check found something."""
EXIT_WRONG: Final = 2
"""The input is wrong; nothing was asked."""

DEMO_COHORT: Final = "demo"
_FIRST_ROWS: Final = 5
_SHOWN_ESSAYS: Final = 100
_SHOWN_SCORES: Final = 4
_RULE_WIDTH: Final = 100

app = typer.Typer(
    help="Experiments in which language models daydream: plan a cohort, run it, rank its essays.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
# What is no terminal takes any line; a table that is cut there is of no use.
out = Console(width=None if sys.stdout.isatty() else 1_000)
err = Console(stderr=True)

DataRoot = Annotated[
    Path,
    typer.Option("--data-root", "-d", envvar="DAYDREAM_DATA_ROOT", help="Folder of the data."),
]
CohortId = Annotated[str, typer.Argument(metavar="COHORT", help="Folder below cohorts/.")]
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
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command line. Exits with 0, `EXIT_INCOMPLETE`, `EXIT_WRONG`, or typer's 130."""
    try:
        app()
    except DaydreamingError as error:
        _complain(f"error: {error}")
        sys.exit(EXIT_WRONG)


def _print_version(asked: bool) -> None:  # noqa: FBT001  so typer calls it
    if asked:
        typer.echo(version("daydreaming-dagster"))
        raise typer.Exit


@app.callback()
def _before_all(
    *,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None: ...


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put the example data root.")] = Path(
        "demo_data"
    ),
) -> None:
    """Try it all: copy the examples, plan their cohort and run it with a small local model.

    The model runs on this machine's CPU, without a key. It shows how an experiment goes, not
    what a good model would write: its essays are simple, its scores mean little.
    """
    _copy_examples(folder)
    plan(DEMO_COHORT, folder)
    run(DEMO_COHORT, folder)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
) -> None:
    """Make a data root with the examples, to be changed into one's own experiment."""
    if (folder / "1_raw").exists():
        raise CatalogError(str(folder), ("the folder is a data root already",))
    _copy_examples(folder)
    typer.echo(f"{folder} is a data root with the cohort {DEMO_COHORT!r}. Next:")
    typer.echo(f"  export DAYDREAM_DATA_ROOT={folder.absolute()}")
    typer.echo(f"  daydream plan {DEMO_COHORT} --dry-run   # what it would ask, and cost")
    typer.echo(f"  daydream plan {DEMO_COHORT}")
    typer.echo(f"  daydream run {DEMO_COHORT}")


@app.command()
def plan(
    cohort_id: CohortId,
    data_root: DataRoot = Path("data"),
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write nothing; say what it would ask and cost.")
    ] = False,
) -> None:
    """Work out the generations of a cohort and write down how each is to be made.

    Asks no model. Planning again changes nothing that is there, and says what an edit of a
    template, a concept or a model made stale.
    """
    if dry_run:
        _print_estimate(*estimate_cohort(data_root, cohort_id))
        return
    recorded = record_cohort(data_root, cohort_id)
    for notice in recorded.plan.notices:
        _note(f"note: {notice}")
    created, found = recorded.record.created, recorded.record.found
    counts = ", ".join(counted(len(recorded.plan.gen_ids(stage)), stage) for stage in STAGES)
    typer.echo(f"cohort {cohort_id}: {counts} ({created} new, {found} there already)")
    shared = {stage: n for stage, n in recorded.record.shared_by_stage.items() if n}
    if shared:
        counts = ", ".join(counted(n, stage) for stage, n in shared.items())
        typer.echo(f"shared with cohorts planned before: {counts}")
    if recorded.stale is not None and recorded.stale.inputs:
        inputs = ", ".join(f"{kind} {name}" for kind, name in recorded.stale.inputs)
        direct, inherited = recorded.stale.direct.total(), recorded.stale.inherited.total()
        _note(
            f"changed since the last plan: {inputs}; stale: {counted(direct, 'generation')} made "
            f"with it, {inherited} through their parents"
        )


@app.command()
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
        from daydreaming_dagster.defs.launch import open_instance, run_cohort
        from daydreaming_dagster.defs.resources import BASE_URL_VARIABLE, compose_language_model

    members = read_membership(Paths(data_root), cohort_id)
    store = FilesystemGensStore(data_root)
    catalog = read_catalog(store.paths)
    base_url = os.environ.get(BASE_URL_VARIABLE, "")
    switch, monitor = StopSwitch(), RunMonitor(err, members)
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
        _complain(f"{generated.stage}/{generated.gen_id}: {generated.error}")
    try:
        ranks = rank_essays(store, members)
        if any(rank.scores for rank in ranks):
            _print_ranking(ranks)
    except DaydreamingError as error:  # of a generation that cannot be read; the rest is made
        _complain(f"no ranking: {error}")
    if switch.reason:
        _complain(f"stopped: {switch.reason}")
    left_stale = monitor.stale
    if not done or force:
        index = read_cohort_index(store.paths, cohort_id)
        looked = look_at_cohort(store, catalog, members, index)
        left_stale = sum(map(len, looked.stale.values()))
        if not done:
            _say_what_is_left(looked.stages.values(), left_stale if stale else 0)
    if left_stale and not stale:
        _note(
            f"{counted(left_stale, 'answer')} stale: `daydream status {cohort_id}` says why, "
            f"and --stale replaces them"
        )
    if not done:
        raise typer.Exit(EXIT_INCOMPLETE)


@app.command()
def status(
    cohort_id: Annotated[str | None, typer.Argument(metavar="[COHORT]")] = None,
    data_root: DataRoot = Path("data"),
    *,
    as_json: AsJson = False,
) -> None:
    """Show how far a cohort is, and what is stale and why; without one, list the cohorts."""
    paths = Paths(data_root)
    if cohort_id is None:
        known = list_cohorts(paths)
        if not known:
            _note(f"no cohort below {paths.cohorts_dir}; `daydream init` makes a data root")
        typer.echo(_pretty(known) if as_json else "\n".join(known))
        return
    members = read_membership(paths, cohort_id)
    store = FilesystemGensStore(data_root)
    seen = read_cohort_index(paths, cohort_id)
    looked = look_at_cohort(store, read_catalog(paths), members, seen)
    stale = looked.stale
    if as_json:
        typer.echo(
            _pretty(
                {
                    stage: {**attrs.asdict(state), "stale": stale[stage]}
                    for stage, state in looked.stages.items()
                }
            )
        )
        return
    table = Table("stage", title=f"cohort {cohort_id}")
    for heading in ("planned", "done", "not parsed", "missing", "stale"):
        table.add_column(heading, justify="right")
    for stage, state in looked.stages.items():
        counts = (
            state.planned,
            state.done,
            len(state.unparsed),
            len(state.missing),
            len(stale[stage]),
        )
        table.add_row(stage, *map(str, counts))
    out.print(table)
    for stage, reasons in stale.items():
        for gen_id, reason in reasons.items():
            _note(f"stale: {stage}/{gen_id}: {reason}")


@app.command()
def results(
    cohort_id: CohortId, data_root: DataRoot = Path("data"), *, as_json: AsJson = False
) -> None:
    """Write the results of a cohort as tables, and show the ranking.

    A row an evaluation (CSV and Parquet), essays, templates, models, agreement of the judges,
    and the evaluations that are missing: in the cohort's folder reports/.
    """
    tabulated = tabulate_cohort(data_root, cohort_id)
    tables = tabulated.tables
    if as_json:
        shown = {
            name: table.to_dicts() for name, table in attrs.asdict(tables, recurse=False).items()
        }
        typer.echo(_pretty({**shown, "files": [str(file) for file in tabulated.files]}))
    else:
        _print_ranking(tabulated.ranks)
        for title, table in (
            ("templates", tables.templates),
            ("models", tables.models),
            ("agreement of judges (1 is perfect, 0 is chance)", tables.agreement),
        ):
            _print_table(title, table)
        for file in tabulated.files:
            typer.echo(file)
    if tables.missing.height:
        _complain(
            f"{counted(tables.missing.height, 'evaluation')} without a score: see missing.csv"
        )
        raise typer.Exit(EXIT_INCOMPLETE)


@app.command()
def tail(
    cohort_id: CohortId,
    data_root: DataRoot = Path("data"),
    *,
    interval: Annotated[
        float, typer.Option("--interval", min=0.1, help="Seconds between two looks.")
    ] = 1.0,
    as_json: AsJson = False,
) -> None:
    """Follow a cohort that runs elsewhere: a line for each generation that is done or not parsed.

    Ends when all are done, or with Ctrl-C. --json prints an object a line.
    """
    members = read_membership(Paths(data_root), cohort_id)
    store = FilesystemGensStore(data_root)
    index = read_cohort_index(store.paths, cohort_id)
    seen: dict[str, str] | None = None
    while True:
        looked = look_at_cohort(store, None, members, index)
        states, index = looked.stages.values(), looked.index
        now: dict[str, str] = {}
        for state in states:
            for gen_id in members[state.stage]:
                now[f"{state.stage}/{gen_id}"] = "done"
            now |= {f"{state.stage}/{gen_id}": "not parsed" for gen_id in state.unparsed}
            now |= {f"{state.stage}/{gen_id}": "missing" for gen_id in state.missing}
        # What was there before is a count, not news.
        for name, what in now.items() if seen is not None else ():
            if what not in ("missing", (seen or {}).get(name)):
                record = {"generation": name, "state": what}
                typer.echo(json.dumps(record) if as_json else f"{name} {what}")
        if seen is None and not as_json:
            counts = ", ".join(
                f"{state.done:,} of {counted(state.planned, state.stage)}" for state in states
            )
            typer.echo(f"cohort {cohort_id}: {counts} done")
        seen = now
        if not any(state.todo for state in states):
            return
        time.sleep(interval)


@app.command()
def show(
    stage: Annotated[str, typer.Argument(help="draft, essay or evaluation.")],
    gen_id: Annotated[str, typer.Argument()],
    data_root: DataRoot = Path("data"),
    *,
    as_json: AsJson = False,
) -> None:
    """Print everything that is stored of a generation and of those that it was made from.

    The oldest comes first. On a terminal it is paged.
    """
    store = FilesystemGensStore(data_root)
    known = check_stage(stage)
    if not store.exists(known, gen_id):
        problem = f"there is no generation {stage}/{gen_id}"
        raise CatalogError(str(store.paths.gens_root), (problem,))
    lineage = [*reversed([*ancestry(store, known, gen_id)])]
    if as_json:
        typer.echo(_pretty([_stored(store, *member) for member in lineage]))
        return
    with out.pager() if out.is_terminal else nullcontext():
        for member in lineage:
            stored = _stored(store, *member)
            for artifact, name in ARTIFACT_FILENAMES.items():
                heading = Rule(f"{stored['stage']}/{stored['gen_id']}/{name}", align="left")
                out.print(heading, width=None if out.is_terminal else _RULE_WIDTH)
                content = stored[artifact]
                if content is None:
                    out.print("(not there)", style="dim")
                    continue
                text = content if isinstance(content, str) else _pretty(content)
                out.print(_visible(text), markup=False, highlight=False, soft_wrap=True)


@app.command()
def check(
    data_root: DataRoot = Path("data"),
    *,
    as_json: AsJson = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Delete leftovers of interrupted writes.")
    ] = False,
) -> None:
    """Verify a data root: cohorts, parents, digests, missing, unreadable and unknown files.

    Changes nothing; with --repair, deletes what interrupted writes left, and nothing else.
    Exits with 1 when something is wrong.
    """
    paths = Paths(data_root)
    store = FilesystemGensStore(data_root)
    known: dict[Stage, frozenset[str]] = {
        stage: frozenset(store.list_generations(stage)) for stage in STAGES
    }
    findings = list(inspect_gens(paths))
    try:
        catalog = read_catalog(paths)
    except CatalogError as error:
        catalog = None
        findings.append(Finding("catalog", str(paths.raw_dir), str(error)))
    memberships: dict[str, dict[Stage, list[str]]] = {}
    for cohort_id in list_planned_cohorts(paths):
        try:
            memberships[cohort_id] = read_membership(paths, cohort_id)
        except CatalogError as error:
            subject = str(paths.cohort_membership_csv(cohort_id))
            findings.append(Finding("membership", subject, str(error)))
    findings += missing_members(known, memberships)
    verify = IntegrityCheck(known, catalog)
    generations: list[tuple[Stage, str]] = [
        (stage, gen_id) for stage in STAGES for gen_id in sorted(known[stage])
    ]
    for stage, gen_id in track(
        generations, "checking", console=err, transient=True, disable=not err.is_terminal
    ):
        findings += inspect_generation(paths, stage, gen_id)
        findings += verify.check(read_stored_generation(store, stage, gen_id))
    removed = remove_leftovers(findings) if repair else []
    wrong = [finding for finding in findings if finding.subject not in removed]
    if as_json:
        document = {
            "generations": len(generations),
            "findings": [attrs.asdict(finding) for finding in wrong],
            "removed": removed,
        }
        typer.echo(json.dumps(document, ensure_ascii=False, indent=2))
    else:
        for path in removed:
            typer.echo(f"removed {path}")
        for finding in wrong:
            typer.echo(f"{finding.kind}: {finding.subject}: {finding.message}")
        typer.echo(f"{counted(len(generations), 'generation')}, {counted(len(wrong), 'finding')}")
    if wrong:
        raise typer.Exit(EXIT_INCOMPLETE)


@app.command()
def report(
    cohort_id: CohortId,
    data_root: DataRoot = Path("data"),
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file; else reports/report.html of the cohort."),
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Write the figures to this folder too, as SVG and PNG.")
    ] = None,
) -> None:
    """Write a report of a cohort as one HTML file, with every essay to read and search.

    The file needs no network. It shows what is there: a cohort need not be done.
    """
    try:
        with err.status("writing the report"):
            reported = report_cohort(data_root, cohort_id, datetime.now(UTC), output)
            written = [] if figures is None else write_figures(reported.figures, figures)
    except OSError as error:
        if isinstance(error, DaydreamingError):
            raise
        _complain(f"error: cannot write {error.filename}: {error.strerror}")
        raise typer.Exit(EXIT_WRONG) from None
    for file in (reported.file, *written):
        typer.echo(file)


def _copy_examples(folder: Path) -> None:
    """Make `folder` a data root with the examples, all of them or none, unless it is one."""
    if (folder / "1_raw").is_dir():
        return
    if folder.exists() and any(folder.iterdir()):
        problem = "the folder holds something else; name one that is new or empty"
        raise CatalogError(str(folder), (problem,))
    packaged = Path(__file__).parent / "examples"
    source = packaged if packaged.is_dir() else Path(__file__).parents[1] / "examples/data_root"
    partial = folder.absolute().with_name(f".{folder.absolute().name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial, ignore=shutil.ignore_patterns("__pycache__"))
    partial.replace(folder.absolute())


@contextmanager
def _stopped_by_signals(switch: StopSwitch) -> Iterator[None]:
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
        _note("interrupted: waiting for the answers under way; interrupt again to drop them")

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
        _complain(
            f"{counted(missing, 'generation')} not done; the same command goes on with what is left"
        )
    if unparsed:
        _complain(
            f"{counted(unparsed, 'answer')} not read as a text or a score; the same command tries "
            f"again, and --force GEN_ID asks again"
        )


def _print_ranking(ranks: Sequence[EssayRank]) -> None:
    """Print the first essays, each on a line; essays.csv has all of all of them."""
    columns: dict[str, list[str]] = {name: [] for name in ("rank", "mean", "scores", "essay")}
    for place, rank in enumerate(ranks[:_SHOWN_ESSAYS], start=1):
        shown = ", ".join(str(score) for score in rank.scores[:_SHOWN_SCORES])
        more = len(rank.scores) - _SHOWN_SCORES
        columns["rank"].append(str(place) if rank.scores else "-")
        columns["mean"].append("-" if rank.mean is None else f"{rank.mean:.2f}")
        columns["scores"].append(f"{shown}, {more} more" if more > 0 else shown)
        columns["essay"].append(rank.gen_id)
    if any(rank.unscored for rank in ranks):
        columns["not scored"] = [str(rank.unscored or "") for rank in ranks[:_SHOWN_ESSAYS]]
    table = Table(title="essays by mean score (1.00 is the best)")
    for name, cells in columns.items():
        table.add_column(name, no_wrap=True, min_width=max(map(len, (name, *cells))))
    # What all essays share would only take the room of what tells them apart.
    axes = [
        axis
        for axis in ("combo_id", "template_id", "llm_model_id")
        if len({getattr(rank, axis) for rank in ranks}) > 1
    ]
    room = out.width - sum((column.min_width or 0) + 3 for column in table.columns) - 1
    for axis in axes:
        columns[axis] = [getattr(rank, axis) for rank in ranks[:_SHOWN_ESSAYS]]
        table.add_column(
            axis, no_wrap=True, overflow="ellipsis", max_width=max(8, room // len(axes) - 3)
        )
    for row in zip(*columns.values(), strict=True):
        table.add_row(*row)
    out.print(table)
    if len(ranks) > _SHOWN_ESSAYS:
        _note(f"note: {len(ranks) - _SHOWN_ESSAYS} more; essays.csv has all")


def _print_table(title: str, table: "DataFrame") -> None:
    shown = Table(*table.columns, title=title)
    for row in table.iter_rows():
        shown.add_row(*map(_cell, row))
    out.print(shown)


def _stored(store: FilesystemGensStore, stage: Stage, gen_id: str) -> dict[str, object]:
    """Return all that is stored of a generation by artifact; None is what is not there."""
    stored = read_stored_generation(store, stage, gen_id)
    return {
        "stage": stage,
        "gen_id": gen_id,
        "folder": str(store.reserve_generation(stage, gen_id, create=False)),
        **{artifact: getattr(stored, artifact) for artifact in ARTIFACT_FILENAMES},
        **{artifact: f"error: {why}" for artifact, why in stored.unreadable.items()},
    }


def _print_estimate(planned: CohortPlan, estimate: PlanEstimate) -> None:
    for notice in planned.notices:
        _note(f"note: {notice}")
    table = Table("stage", title=f"cohort {planned.cohort_id}, nothing written")
    for heading in ("generations", "model calls", "tokens in", "tokens out", "cost, USD"):
        table.add_column(heading, justify="right")
    for stage, of_stage in estimate.stages.items():
        table.add_row(
            stage,
            *(
                f"{count:,}"
                for count in (
                    of_stage.generations,
                    of_stage.calls,
                    of_stage.prompt_tokens,
                    of_stage.completion_tokens,
                )
            ),
            "-" if of_stage.cost is None else money(of_stage.cost),
        )
    out.print(table)
    if estimate.unpriced:
        _note(f"without a price in llm_models.csv: {', '.join(estimate.unpriced)}")
    for row in islice(planned.rows(), _FIRST_ROWS):
        typer.echo("  ".join(f"{axis}={value}" for axis, value in row.items() if value))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _note(message: str) -> None:
    err.print(message, style="yellow", markup=False, highlight=False, soft_wrap=True)


def _complain(message: str) -> None:
    err.print(message, style="red", markup=False, highlight=False, soft_wrap=True)


def _pretty(document: object) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2)


def _visible(text: str) -> str:
    """Return a model's text without what could steer the terminal; the file has it all."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )


if __name__ == "__main__":
    main()
