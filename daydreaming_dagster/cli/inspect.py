"""`daydream show` and `daydream check`."""

import json
from contextlib import nullcontext
from typing import Final

import attrs
import click
from rich.progress import track
from rich.rule import Rule

from daydreaming_dagster.application.check_data_root import check_data_root
from daydreaming_dagster.bootstrap import open_data_root
from daydreaming_dagster.cli.console import (
    EXIT_INCOMPLETE,
    cell,
    data_root_option,
    err,
    json_option,
    out,
    say,
    say_json,
)
from daydreaming_dagster.cli.family import family_tree, worth_a_tree
from daydreaming_dagster.data_layer.paths import ARTIFACT_FILENAMES
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.metadata import ancestry
from daydreaming_dagster.domain.generation.records import without_responses
from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.domain.stages import GenerationRef
from daydreaming_dagster.formatting import counted
from daydreaming_dagster.ports.gens_store import GensStore
from daydreaming_dagster.types import Stage

_RULE_WIDTH: Final = 100


@click.command()
@click.argument("stage", help="Its stage, such as essay.")
@click.argument("gen_id")
@data_root_option
@json_option
def show(stage: str, gen_id: str, data_root: str, *, as_json: bool) -> None:
    """Print everything that is stored of a generation and its ancestors, the oldest first.

    If it has several parents, or combines a text that a loop accepted, the tree of its ancestors
    comes first, down to the concepts. On a terminal, the output is paged.
    """
    root = open_data_root(data_root)
    pipeline = root.cohorts.read_pipeline()
    store, known = root.store, pipeline[stage].name
    if not store.exists(known, gen_id):
        raise CatalogError(root.location, (f"there is no generation {stage}/{gen_id}",))
    lineage = ancestry(store, known, gen_id)[::-1]
    if as_json:
        say_json([_stored(store, *member) for member in lineage])
        return
    with out.pager() if out.is_terminal else nullcontext():
        if worth_a_tree(store, pipeline, lineage):
            out.print(family_tree(store, pipeline, GenerationRef(known, gen_id)))
        for member in lineage:
            stored = _stored(store, *member)
            for artifact, name in ARTIFACT_FILENAMES.items():
                heading = Rule(f"{stored['stage']}/{stored['gen_id']}/{name}", align="left")
                out.print(heading, width=None if out.is_terminal else _RULE_WIDTH)
                content = stored[artifact]
                if content is None:
                    out.print("(not there)", style="dim")
                    continue
                if isinstance(content, dict):
                    content = json.dumps(without_responses(content), ensure_ascii=False, indent=2)
                out.print(cell(str(content)), soft_wrap=True)


@click.command()
@data_root_option
@json_option
@click.option("--repair", is_flag=True, help="Delete leftovers of interrupted writes.")
def check(data_root: str, *, as_json: bool, repair: bool) -> None:
    """Verify a data root: cohorts, parents, digests, missing, unreadable and unknown files.

    Changes nothing. With --repair, deletes leftovers of interrupted writes, and nothing else. Exits
    with 1 if something is wrong.
    """
    root = open_data_root(data_root)
    checked = check_data_root(
        root.store,
        root.cohorts,
        root.inspection,
        loops=root.loops,
        repair=repair,
        progress=lambda generations: track(
            generations, "checking", console=err, transient=True, disable=not err.is_terminal
        ),
    )
    wrong, removed = checked.findings, checked.removed
    if as_json:
        document = {
            "generations": checked.generations,
            "findings": [attrs.asdict(finding) for finding in wrong],
            "removed": removed,
        }
        say_json(document)
    else:
        for path in removed:
            say(f"removed {path}")
        for finding in wrong:
            say(f"{finding.kind}: {finding.subject}: {finding.message}")
        say(f"{counted(checked.generations, 'generation')}, {counted(len(wrong), 'finding')}")
    if wrong:
        raise click.exceptions.Exit(EXIT_INCOMPLETE)


def _stored(store: GensStore, stage: Stage, gen_id: str) -> dict[str, object]:
    """Return the artifacts of a generation by name; None is a missing one."""
    stored = read_stored_generation(store, stage, gen_id)
    return {
        "stage": stage,
        "gen_id": gen_id,
        "folder": store.locate(stage, gen_id),
        **{artifact: getattr(stored, artifact) for artifact in ARTIFACT_FILENAMES},
        **{artifact: f"error: {why}" for artifact, why in stored.unreadable.items()},
    }
