"""What a cohort of a million takes: `python -m benchmarks.million [GENERATIONS]`.

Each of its drafts has 9 essays, and each essay 10 evaluations. Whole commands on disk, CPU time and
peak. The texts are links to a few files, since nothing here reads them. A million takes 7 million
names and 9 GB. None of this is a test.
"""
# ruff: noqa: INP001  a program to be run by hand

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from adapters import FilesystemGensStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from benchmarks.loops import COHORT
from benchmarks.pipeline import Row, daydream, print_sections, write_data_root
from daydreaming_dagster.data_layer.paths import ARTIFACT_FILENAMES
from daydreaming_dagster.domain.cohort.index import CohortIndex, Seen, digest_inputs, write_pages
from daydreaming_dagster.types import Stage

_ESSAYS: Final = 9
_EVALUATIONS: Final = 10
_OF_A_DRAFT: Final = 1 + _ESSAYS * (1 + _EVALUATIONS)
_LINKS: Final = 60_000
"""ext4 allows 65,000 to a file."""
_SETTLED_SECONDS: Final = 4.0
"""After it, a generation has a version."""


def million() -> Iterator[Row]:
    """Plan so many generations, plan them again, and look at them when all are done."""
    count = int(os.environ.get("GENERATIONS", "1_000_000"))
    root = Path(mkdtemp())
    write_data_root(root, count // _OF_A_DRAFT)
    with (root / "cohorts" / COHORT / "spec/config.yaml").open("a", encoding="utf-8") as spec:
        spec.write(f"replicates: {{essay: {_ESSAYS}, evaluation: {_EVALUATIONS}}}\n")
    for name, command in (
        ("daydream plan, the first", "plan"),
        ("daydream plan, again", "plan"),
        ("daydream status", "status"),
    ):
        if command == "status":
            _finish(root)
        used = daydream(command, root)
        figure = f"{used.wall:.1f} s, CPU {used.cpu:.1f} s, {used.peak_bytes / 1e6:.0f} MB"
        yield Row(f"{count:,}: {name}", figure, _WANTED[command])


_WANTED: Final = {"plan": "60 s, 500 MB", "status": "10 s, 500 MB"}


def _finish(root: Path) -> None:
    """Give each generation its files, and the cohort the index of a run that found all done."""
    store, cohorts = FilesystemGensStore(root), FilesystemCohortStore(root)
    members = cohorts.read_membership(COHORT)
    _link_texts(store, members)
    time.sleep(_SETTLED_SECONDS)
    above: dict[Stage, Stage] = {"essay": "draft", "evaluation": "essay"}
    pages: dict[Stage, list[bytes]] = {}
    for stage, gen_ids in members.items():
        versions = store.generation_versions(stage)
        parents = [""]
        if stage in above:
            parents = [f"{above[stage]}/{id_}" for id_ in members[above[stage]]]
        # In planned order, the children of a parent follow one another.
        each = len(gen_ids) // len(parents)
        seen = (
            Seen(id_, versions[id_], parents[place // each], "", "", "", f"{id_[-16:]} {id_[-12:]}")
            for place, id_ in enumerate(gen_ids)
        )
        pages[stage] = list(write_pages(seen))
    inputs = digest_inputs(store, cohorts.read_catalog())
    cohorts.write_index(COHORT, CohortIndex(inputs, pages))


def _link_texts(store: FilesystemGensStore, members: Mapping[Stage, Sequence[str]]) -> None:
    names = [name for artifact, name in ARTIFACT_FILENAMES.items() if artifact != "main_metadata"]
    sources = store.data_root / "sources"
    sources.mkdir()
    generations = ((stage, gen_id) for stage, gen_ids in members.items() for gen_id in gen_ids)
    for number, (stage, gen_id) in enumerate(generations):
        for name in names:
            source = sources / f"{name}.{number // _LINKS}"
            if number % _LINKS == 0:
                source.touch()
            os.link(source, store.generation_dir(stage, gen_id) / name)


if __name__ == "__main__":
    if sys.argv[1:]:
        os.environ["GENERATIONS"] = sys.argv.pop(1)
    print_sections({million.__name__: million})
