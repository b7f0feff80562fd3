"""`daydream show` and `daydream check`."""

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Final

import attrs
import typer
from rich.progress import track
from rich.rule import Rule

from adapters.cohort_store.catalog_files import read_catalog
from adapters.cohort_store.cohort_files import (
    list_planned_cohorts,
    read_membership,
)
from adapters.gens_store.filesystem import FilesystemGensStore
from adapters.gens_store.filesystem_inspection import (
    inspect_generation,
    inspect_gens,
    remove_leftovers,
)
from daydreaming_dagster.cli.console import EXIT_INCOMPLETE, AsJson, DataRoot, err, out, pretty
from daydreaming_dagster.data_layer.paths import ARTIFACT_FILENAMES, Paths
from daydreaming_dagster.domain.checks.integrity import Finding, IntegrityCheck, missing_members
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.metadata import ancestry
from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.ports.ids import check_stage
from daydreaming_dagster.types import STAGES, Stage

_RULE_WIDTH: Final = 100


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
        typer.echo(pretty([_stored(store, *member) for member in lineage]))
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
                text = content if isinstance(content, str) else pretty(content)
                out.print(visible(text), markup=False, highlight=False, soft_wrap=True)


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


def visible(text: str) -> str:
    """Return a model's text without what could steer the terminal; the file has it all."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )
