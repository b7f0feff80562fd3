"""A cache of what was seen of a cohort, so that only changed generations are read again."""

import json
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Final, NamedTuple

import attrs

from daydreaming_dagster.domain.catalog import Catalog
from daydreaming_dagster.domain.digests import sha256
from daydreaming_dagster.domain.documents import structure
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.generation.doubts import hashes_of
from daydreaming_dagster.ports.errors import ArtifactError
from daydreaming_dagster.ports.gens_store import Templates
from daydreaming_dagster.types import Stage

INDEX_VERSION: Final = 7
"""To be raised with this format, with what counts as done, and with how prompts are made."""

PAGE_ROWS: Final = 1_000
"""How many generations a page has."""

UNKNOWN_PARENTS: Final = "?"
"""Stands for the parents of a generation whose staleness was not looked at."""


class Seen(NamedTuple):
    """A generation that was seen to be done.

    Attributes:
        gen_id: Its id.
        version: Its version (see `Versions`) when it was seen.
        parents: Its parents as `stage/gen_id`, with spaces between them; `""` if it is made from
            concepts, `UNKNOWN_PARENTS` if its staleness was not looked at.
        stale: Why it is stale, `""` if it is not.
        unknown_finish: The finish reason if its meaning is unknown, else `""`.
        doubts: Why its answer is doubtful by itself, see `doubts_about`.
        answers: What only one answer has, see `answer_key`.
    """

    gen_id: str
    version: str
    parents: str
    stale: str
    unknown_finish: str
    doubts: str
    answers: str

    @property
    def notes(self) -> dict[str, str]:
        """What is noted of its answer, by the names of the attributes."""
        return {
            "unknown_finish": self.unknown_finish,
            "doubts": self.doubts,
            "answers": self.answers,
        }


@attrs.frozen
class Recalled:
    """What an index still says of the members of a stage.

    Attributes:
        settled: Those whose staleness is as it was, too: nothing of them is read.
        unchanged: The others that are done as they were.
        pages: The pages that tell of settled ones alone.
        rows: The settled ones on other pages.
        noted: The settled ones that have something to be told.
        hashes: The hashes of their `answers`, see `hashes_of`.
    """

    settled: set[str]
    unchanged: dict[str, Seen]
    pages: list[bytes]
    rows: list[Seen]
    noted: list[Seen]
    hashes: "array[int]"


@attrs.frozen
class CohortIndex:
    """Generations that were seen to be done, by stage, and whether they were stale.

    It holds what `look_at_cohort` found and says nothing about other generations, nor about one
    that has another version now.

    Attributes:
        inputs: The digest of the catalogs and templates that staleness was seen with.
        pages: The generations, in no order. A page is the JSON of a list of `Seen`: as objects, a
            million of them would take a gigabyte.
    """

    inputs: str = ""
    pages: dict[Stage, list[bytes]] = attrs.field(factory=dict, repr=False)

    def rows(self, stage: Stage) -> Iterator[Seen]:
        """Yield the generations of a stage."""
        return chain.from_iterable(map(read_page, self.pages.get(stage, ())))

    def with_inputs(self, inputs: str) -> "CohortIndex":
        """Return what the index says with these inputs: with others, nothing about staleness."""
        if inputs == self.inputs:
            return self
        pages: dict[Stage, list[bytes]] = {}
        for stage in self.pages:
            rows = (row._replace(parents=UNKNOWN_PARENTS, stale="") for row in self.rows(stage))
            pages[stage] = list(write_pages(rows))
        return CohortIndex(inputs, pages)

    def recall(
        self,
        stage: Stage,
        gen_ids: Sequence[str],
        versions: Mapping[str, str],
        is_same: Callable[[str], bool],
    ) -> Recalled:
        """Return what the index still says of these generations.

        `is_same` tells of the `parents` of a generation whether they are as they were.
        """
        left, recalled = set(gen_ids), Recalled(set(), {}, [], [], [], array("q"))
        for page in self.pages.get(stage, ()):
            settled: list[Seen] = []
            for row in read_page(page):
                if row.gen_id not in left or versions.get(row.gen_id) != row.version:
                    continue
                if is_same(row.parents):
                    left.discard(row.gen_id)
                    settled.append(row)
                else:
                    recalled.unchanged[row.gen_id] = row
            if len(settled) == PAGE_ROWS:
                recalled.pages.append(page)
            else:
                recalled.rows.extend(settled)
            recalled.hashes.extend(hashes_of(row.answers for row in settled))
            recalled.noted.extend(
                row for row in settled if row.stale or row.unknown_finish or row.doubts
            )
        recalled.settled.update(gen_id for gen_id in gen_ids if gen_id not in left)
        return recalled

    def as_lines(self) -> Iterator[bytes]:
        """Yield the lines of JSON that describe the index: a header, then each page."""
        counts = {stage: len(pages) for stage, pages in self.pages.items()}
        header = _Header(INDEX_VERSION, self.inputs, counts)
        yield json.dumps(attrs.asdict(header)).encode()
        yield from chain.from_iterable(self.pages.values())

    @classmethod
    def from_lines(cls, lines: Sequence[bytes]) -> "CohortIndex":
        """Return the index that the lines describe; an empty one if they are of another version."""
        try:
            header = structure(json.loads(lines[0]), _Header, "")
            if header.version != INDEX_VERSION or sum(header.pages.values()) != len(lines) - 1:
                return cls()
            rest = iter(lines[1:])
            pages = {stage: list(islice(rest, count)) for stage, count in header.pages.items()}
        except (IndexError, TypeError, ValueError, RecursionError, CatalogError):
            return cls()
        return cls(header.inputs, pages)


@attrs.frozen
class _Header:
    version: int
    inputs: str
    pages: dict[str, int]


def read_page(page: bytes) -> list[Seen]:
    """Return the generations of a page; none if it is damaged."""
    try:
        rows = json.loads(page)
        "".join(chain.from_iterable(rows))  # fails unless all are texts
        return list(map(Seen._make, rows))
    except (TypeError, ValueError, RecursionError):
        return []


def write_pages(rows: Iterable[Seen]) -> Iterator[bytes]:
    """Yield the pages of these generations."""
    remaining = iter(rows)
    while page := list(islice(remaining, PAGE_ROWS)):
        yield json.dumps(page, separators=(",", ":")).encode()


def digest_inputs(store: Templates, catalog: Catalog) -> str:
    """Return a digest of all that prompts and questions are made from, besides generations."""
    sources: dict[tuple[Stage, str], str] = {}
    for key in catalog.templates:
        try:
            sources[key] = store.read_template(*key)
        except ArtifactError as error:
            sources[key] = str(error)
    # Prices and limits are in no question.
    models = {name: (model.model, model.provider) for name, model in catalog.models.items()}
    inputs = (sources, catalog.templates, catalog.concepts, models)
    entries = [sorted(of_kind.items()) for of_kind in inputs]
    return sha256(repr((entries, catalog.pipeline.stages)))
