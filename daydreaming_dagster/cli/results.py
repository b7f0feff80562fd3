"""`daydream results` and `daydream report`."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import attrs
import click
from rich.table import Table

from daydreaming_dagster.application.cohort_report import DrawnPage, draw_report, write_report
from daydreaming_dagster.application.cohort_results import TabulatedCohort, tabulate_cohort
from daydreaming_dagster.application.loop_report import draw_loop_report, write_loop_report
from daydreaming_dagster.bootstrap import DataRoot, open_data_root, write_file
from daydreaming_dagster.cli.console import (
    EXIT_INCOMPLETE,
    cell,
    cohorts_argument,
    cohorts_or_loop_argument,
    complain,
    data_root_option,
    err,
    fresh_option,
    json_option,
    note,
    out,
    output_option,
    refuse_url,
    say,
    say_json,
    without_option,
)
from daydreaming_dagster.cli.grouping import doubtful
from daydreaming_dagster.cli.names import loops_of
from daydreaming_dagster.domain.results.ranking import TextRank
from daydreaming_dagster.domain.results.refused import RefusedAnswer
from daydreaming_dagster.formatting import counted, plural

if TYPE_CHECKING:  # polars is slow to import
    from polars import DataFrame

    from daydreaming_dagster.report.figure import Figure

_SHOWN_TEXTS: Final = 100
_SHOWN_SCORES: Final = 4
_SHOWN_REFUSED: Final = 20
_SHOWN_IN_LINES: Final = 20
"""How many texts are shown if each takes several lines."""
_TEXT_WIDTH: Final = 31
"""The room for an id in the last column."""
_NOTED: Final = ("duels", "not scored", "stale", "by hand")
"""Columns that few texts have a value in."""
_LEFT_OUT: Final = ("lowest", "highest", "spread", "stale", "missing", "planned")
"""What tables lack on a narrow terminal, the first ones first. The files have all."""


@click.command()
@cohorts_argument
@data_root_option
@fresh_option
@without_option
@json_option
def results(
    cohort_ids: tuple[str, ...],
    data_root: str,
    *,
    fresh: bool,
    without: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the results of a cohort as tables, and show the ranking.

    One row per evaluation (CSV and Parquet), judged texts, templates, models, agreement of the
    judges, duels and their judges, and the evaluations that are missing: in the cohort's folder
    reports/. Several cohorts are ranked together, what they share once, and it is said in what
    they differ.
    """
    root = open_data_root(data_root)
    tabulated = tabulate_cohort(root.store, root.cohorts, *cohort_ids, fresh=fresh, without=without)
    tables = tabulated.tables
    if as_json:
        every = {**tables.by_name(), **tabulated.people}
        shown = {name: table.to_dicts() for name, table in every.items()}
        refused = [attrs.asdict(answer) for answer in tabulated.refused]
        doubts = {stage: of_stage for stage, of_stage in tabulated.doubts.items() if of_stage}
        said = {"without": tabulated.without, "notes": tabulated.notes, "doubtful": doubts}
        say_json({**shown, "refused": refused, "files": tabulated.files, **said})
    else:
        _print_results(tabulated)
    if stale := sum(rank.stale for rank in tabulated.ranks):
        why = f"`daydream status {cohort_ids[0]}` says why; --fresh leaves them out"
        note(f"{counted(stale, 'score')} stale, and counted: {why}")
    for line in doubtful(tabulated.doubts):
        note(line)
    if not as_json:
        _list_refused(tabulated.refused)
    if tables.missing.height:
        complain(f"{counted(tables.missing.height, 'evaluation')} without a score: see missing.csv")
    if undecided := tables.duels["first_wins"].null_count():
        complain(f"{counted(undecided, 'duel')} without a verdict: see the state in duels.csv")
    if tables.missing.height or undecided:
        raise click.exceptions.Exit(EXIT_INCOMPLETE)


def _print_results(tabulated: TabulatedCohort) -> None:
    for line in tabulated.notes:
        say(line)
    tables = tabulated.tables
    print_ranking(tabulated.ranks, tables.judged, [*tables.found, *tables.remarks])
    for title, table in (
        ("effects (a finding is beyond chance; other differences are not)", _found(tabulated)),
        ("templates", tabulated.tables.templates),
        ("models", tabulated.tables.models),
        ("agreement of judges (1 is perfect, 0 is chance)", tabulated.tables.agreement),
    ):
        if table.height:
            _print_table(title, table)
    if tabulated.tables.duels.height:
        _print_table("judges of duels", _odds_with_intervals(tabulated.tables.duel_judges))
    if "corrected" in tabulated.people and tabulated.people["corrected"].height:
        _print_table("what people would give (0 to 1)", tabulated.people["corrected"])
    for file in tabulated.files:
        say(file)


def _found(tabulated: TabulatedCohort) -> "DataFrame":
    """Return the effects that the terminal shows: findings, or else the levels of each factor."""
    effects = tabulated.tables.effects.drop("error", "p")
    found = effects.filter(effects["finding"])
    return found if found.height else effects.filter(effects["than"].is_null()).drop("than")


@click.command()
@cohorts_or_loop_argument
@data_root_option
@output_option("The file; else reports/report.html in its folder.")
@click.option(
    "--figures",
    type=click.Path(path_type=Path),
    callback=refuse_url,
    help="Write the figures to this folder too, as SVG and PNG.",
)
@without_option
@click.option(
    "--watch", is_flag=True, help="Write no file: show the report in a browser while a run goes on."
)
def report(
    names: tuple[str, ...],
    data_root: str,
    *,
    output: Path | None,
    figures: Path | None,
    without: tuple[str, ...],
    watch: bool,
) -> None:
    """Write a report of a cohort as one HTML file, with every text to read and search.

    Of several cohorts, writes one report with one ranking, and what they share once.

    The report of a loop shows the accepted texts, the best first, and how its rounds went. The file
    needs no network. It shows what is there: a cohort or a loop need not be done.

    With --watch, prints an address that only this machine can reach. The page there shows what is
    new, and changes nothing. Ctrl-C ends it.
    """
    if watch:
        if output is not None or figures is not None:
            raise click.BadParameter("--watch writes no file: leave out --output and --figures")
        if names[1:]:
            raise click.BadParameter("--watch is for one cohort")
        _watch(open_data_root(data_root), names[0], without)
        return
    with err.status("writing the report"):
        files = _write_report(open_data_root(data_root), names, output, figures, without)
    for file in files:
        say(file)


def _watch(root: DataRoot, name: str, without: Sequence[str]) -> None:
    from daydreaming_dagster.application.watch_cohort import WatchedCohort
    from daydreaming_dagster.cli.watch import watch

    if loops_of(root, name) is not None:
        raise click.BadParameter("--watch is for a cohort: name the cohort of a round")
    watch(WatchedCohort(root.store, root.cohorts, name, without), say)


def _write_report(
    root: DataRoot,
    names: Sequence[str],
    output: Path | None,
    figures: Path | None,
    without: Sequence[str],
) -> list[str]:
    """Write the report of cohorts or of a loop and its figures, and return the files."""
    now = datetime.now(UTC)
    name, *more = names
    loops = loops_of(root, name)
    for each in names if more else ():
        if loops_of(root, each) is not None:
            raise click.BadParameter(f"{each} is a loop: the report of a loop has no other name")
    if loops is not None and without:
        raise click.BadParameter("--without is for the report of a cohort")
    drawn: DrawnPage
    if output is None:
        if loops is None:
            drawn, file = write_report(root.store, root.cohorts, name, now, without, more=more)
        else:
            drawn, file = write_loop_report(root.store, root.cohorts, loops, name, now)
        files = [file]
    else:
        if loops is None:
            drawn = draw_report(root.store, root.cohorts, name, now, without, more=more)
        else:
            drawn = draw_loop_report(root.store, root.cohorts, loops, name, now)
        write_file(output, drawn.page.encode())
        files = [str(output)]
    if figures is not None:
        files += _write_figures(drawn.figures, figures)
    return files


def _write_figures(figures: "Sequence[Figure]", folder: Path) -> Iterator[str]:
    """Write each figure that has something to show as SVG and PNG, and yield the files."""
    for figure in figures:
        if figure.chart is not None:
            for ending, data in (("svg", figure.svg().encode()), ("png", figure.png())):
                file = folder / f"{figure.name}.{ending}"
                write_file(file, data)
                yield str(file)


def print_ranking(ranks: Sequence[TextRank], judged: str, remarks: Sequence[str] = ()) -> None:
    """Print the first judged texts, one per line; the table has every one in full.

    `judged` is what they are called, see `Pipeline.judged`; `remarks` follow the sentence on the
    best.
    """
    from daydreaming_dagster.domain.results.sentences import say_who_is_best
    from daydreaming_dagster.domain.statistics.sentences import how_sure

    places = [rank.place for rank in ranks]
    for sentence in (say_who_is_best(places, judged, how_sure), *remarks):
        out.print(cell(sentence), soft_wrap=not out.is_terminal)
    sources = sorted({rank.place.source for rank in ranks if rank.place is not None}, reverse=True)
    of_scores = sources in ([], ["scores"])
    unit = "1.00 is the best" if of_scores else "by duels, the chance to beat the average one"
    by = " and by ".join(sources) or "score"
    table = Table(title=f"{plural(judged)} by {by} ({unit}), with the ranks they may have")
    columns = _fitted(_ranking_columns(ranks, judged), _axes(ranks), judged)
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=name != judged)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(cell, row))
    out.print(table)
    more = len(ranks) - table.row_count
    if more:
        note(f"note: {more:,} more; {plural(judged)}.csv has all")


def _ranking_columns(ranks: Sequence[TextRank], judged: str) -> dict[str, list[str]]:
    """Return the cells of the first texts by column; what all lack is left out."""
    columns: dict[str, list[str]] = {
        name: [] for name in ("ranks", "estimate", "95 %", "scores", judged)
    }
    for rank in ranks[:_SHOWN_TEXTS]:
        shown = ", ".join(str(score) for score in rank.scores[:_SHOWN_SCORES])
        more = len(rank.scores) - _SHOWN_SCORES
        columns["ranks"].append(rank.band)
        columns["estimate"].append("-" if rank.place is None else f"{rank.place.item.estimate:.2f}")
        columns["95 %"].append(rank.interval)
        columns["scores"].append(f"{shown}, {more} more" if more > 0 else shown)
        columns[judged].append(rank.gen_id)
    if any(rank.duels for rank in ranks):
        columns["duels"] = [str(rank.duels or "") for rank in ranks[:_SHOWN_TEXTS]]
    if any(rank.unscored for rank in ranks):
        columns["not scored"] = [str(rank.unscored or "") for rank in ranks[:_SHOWN_TEXTS]]
    if any(rank.stale for rank in ranks):
        columns["stale"] = [str(rank.stale or "") for rank in ranks[:_SHOWN_TEXTS]]
    if any(rank.by_hand for rank in ranks):
        columns["by hand"] = [str(rank.by_hand or "") for rank in ranks[:_SHOWN_TEXTS]]
    if not any(columns["scores"]):
        del columns["scores"]
    return columns


def _axes(ranks: Sequence[TextRank]) -> dict[str, list[str]]:
    """Return what tells the first texts apart by axis; what all share would only take room."""
    axes = {
        axis: [getattr(rank, axis) for rank in ranks[:_SHOWN_TEXTS]]
        for axis in ("cohorts", "combo_id", "template_id", "llm_model_id")
    }
    return {axis: cells for axis, cells in axes.items() if len(set(cells)) > 1}


def _fitted(
    columns: dict[str, list[str]], axes: dict[str, list[str]], judged: str
) -> dict[str, list[str]]:
    """Return the columns and axes if the terminal is wide enough.

    Otherwise the first texts have several lines in the last column: what tells them apart, their
    ids, and what only some have. Without room for that, the scores are left out.
    """
    if _width(columns | axes) <= out.width:
        return columns | axes
    combos = [combo.replace("+", " + ") for combo in axes.pop("combo_id", [])]
    makers = [", ".join(filter(None, values)) for values in zip(*axes.values(), strict=True)]
    notes = {name: columns.pop(name) for name in _NOTED if name in columns}
    parts = [part for part in (combos, makers, columns.pop(judged)) if part]
    parts += [
        [f"{name}: {count}" if count else "" for count in cells] for name, cells in notes.items()
    ]
    texts = ["\n".join(filter(None, lines)) for lines in zip(*parts, strict=True)]
    if _width(columns) + _TEXT_WIDTH > out.width:
        columns.pop("scores", None)
    return {name: cells[:_SHOWN_IN_LINES] for name, cells in [*columns.items(), (judged, texts)]}


def _width(columns: Mapping[str, Sequence[str]]) -> int:
    """Return how wide a table with these columns is."""
    return 1 + sum(3 + max(map(len, (name, *cells))) for name, cells in columns.items())


def _odds_with_intervals(judges: "DataFrame") -> "DataFrame":
    """Return the table of the judges of duels with each interval in the cell of its estimate."""
    import polars as pl

    for name in ("first_odds", "discrimination"):
        value, low, high = (pl.col(f"{name}{end}").round(2) for end in ("", "_low", "_high"))
        judges = judges.with_columns(pl.format("{} ({} to {})", value, low, high).alias(name))
        judges = judges.drop(f"{name}_low", f"{name}_high")
    return judges


def _list_refused(refused: Sequence[RefusedAnswer]) -> None:
    if not refused:
        return
    for answer in refused[:_SHOWN_REFUSED]:
        line = f"{answer.gen_id}: {answer.reason}; the answer ends: {answer.end}"
        note(" ".join(line.split()))
    if len(refused) > _SHOWN_REFUSED:
        note(f"{len(refused) - _SHOWN_REFUSED:,} more refused answers; --json lists all")
    note("to enter a score yourself, without a call: daydream settle GEN_ID SCORE")


def _print_table(title: str, table: "DataFrame") -> None:
    if "by_hand" in table.columns and not table["by_hand"].sum():
        table = table.drop("by_hand")
    columns = {name: [*map(_shown, table[name])] for name in table.columns}
    for name in _LEFT_OUT:
        if _width(columns) > out.width:
            columns.pop(name, None)
    shown = Table(title=title)
    for name in columns:
        shown.add_column(name, overflow="fold")
    for row in zip(*columns.values(), strict=True):
        shown.add_row(*map(cell, row))
    out.print(shown)


def _shown(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{round(value, 2) + 0.0:.2f}"  # a rounded zero has no sign
    return str(value)
