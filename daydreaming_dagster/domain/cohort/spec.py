"""A cohort's specification, as the researcher writes it."""

import copy
import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Annotated, Any, Final, Literal, Self, TypeAlias

import attrs

from daydreaming_dagster.domain.catalog import COMBO_SEPARATOR, DEFAULT_LEVEL
from daydreaming_dagster.domain.cohort.couplings import Axis, Coupling, balanced
from daydreaming_dagster.domain.cohort.judgment_choice import (
    DuelChoice,
    ScoreChoice,
    choice_problems,
)
from daydreaming_dagster.domain.cohort.sampling import sampling_problems
from daydreaming_dagster.domain.documents import (
    NOT_IN_DOCUMENT,
    Path,
    Problem,
    structure_valid,
    suggestion,
)
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.domain.stages import COMBO, Pipeline, StageDefinition
from daydreaming_dagster.ports.language_model import SamplingParameters

FILE_PREFIX: Final = "@file:"
"""The prefix of values from a CSV file next to the specification: `@file:items.csv`."""

MOST_REPLICATES: Final = 10_000
"""More replicates than this are a mistake that would fill the memory."""

StageName: TypeAlias = Annotated[str, "stage"]
"""The name of a stage of the pipeline, so that a document that names another is refused."""

_AXES: Final = "axes"


class ConceptAxes:
    """The axes of a cohort, which consists of every combination of one value per axis.

    Concepts are combined in every way to take `k` of `concepts`, each in the order of their ids, or
    as listed in `combo`, in the given order. `axes_class` adds the axes of the stages: templates
    and models are ids in the catalogs. An axis that is not listed gets its values from `pairs` and
    `tuples`.
    """

    __slots__ = ()

    concepts: list[str]
    k: int | None
    combo: list[list[str]]

    def values(self, axis: Axis) -> list[str]:
        """Return the values that are listed for an axis."""
        if axis != COMBO:
            listed: list[str] = getattr(self, axis, [])
            return listed
        if self.combo:
            return [COMBO_SEPARATOR.join(combo) for combo in self.combo if combo]
        chosen = combinations(sorted(self.concepts), self.k or 0) if self.k else ()
        return [COMBO_SEPARATOR.join(combo) for combo in chosen]

    def with_combos(self, combos: Iterable[Sequence[str]]) -> Self:
        """Return these axes with other combinations of concepts."""
        axes: Any = self  # each class that `axes_class` makes is one of attrs
        changed: Self = attrs.evolve(axes, combo=[list(combo) for combo in combos])
        return changed


_OPTIONAL_INT: Final[Any] = int | None  # attrs takes it, though its types do not say so


@functools.cache
def axes_class(axes: tuple[Axis, ...]) -> type[ConceptAxes]:
    """Return `ConceptAxes` with a field for each of these axes of stages: a list of ids."""
    fields: dict[str, Any] = {
        axis: attrs.field(factory=list, type=list[str]) for axis in axes if axis != COMBO
    }
    fields["concepts"] = attrs.field(factory=list, type=list[str])
    fields["k"] = attrs.field(default=None, type=_OPTIONAL_INT)
    fields[COMBO] = attrs.field(factory=list, type=list[list[str]])
    made: type[ConceptAxes] = attrs.make_class("Axes", fields, bases=(ConceptAxes,), frozen=True)
    return made


Axes: Final[Any] = axes_class(SHIPPED.axes)
"""The axes of the shipped pipeline."""


@attrs.frozen
class Pairs:
    """Which values of two axes go together: the rows `[left, right]` of `allowed`, no others.

    With `balance`, the largest selection of rows is kept in which each value of the `left`, the
    `right` or of `both` axes occurs equally often. It does not depend on the order of the rows.
    """

    left: Axis | None = None
    right: Axis | None = None
    allowed: list[list[str]] = attrs.field(factory=list)
    balance: Literal["left", "right", "both"] | None = None

    @property
    def axes(self) -> list[Axis]:
        """The two axes, left before right."""
        return [axis for axis in (self.left, self.right) if axis is not None]

    @property
    def rows(self) -> list[list[str]]:
        """The pairs that are kept; none if they cannot be balanced."""
        if self.balance is None:
            return self.allowed
        kept = balanced([(left, right) for left, right in self.allowed], self.balance)
        return [list(pair) for pair in kept or ()]


@attrs.frozen
class Tuples:
    """Which values of several axes go together: each of `rows` has a value for each of `axes`."""

    axes: list[Axis] = attrs.field(factory=list)
    rows: list[list[str]] = attrs.field(factory=list)


@attrs.frozen
class CohortSpec:
    """A cohort as its `spec/config.yaml` defines it.

    Without couplings it is the full factorial of its axes. Couplings restrict it, and all of them
    apply at once:

    - `subsets` keeps some values of an axis, `{draft_llm: [a, b]}`, as if no others were listed;
    - `ties` lists axes that always have the same value, `[[draft_llm, essay_llm]]`; they have
      to list the same values;
    - `pairs` and `tuples` say which values of two or more axes go together.

    Couplings write a combination of concepts as `stigmergy+kintsugi`, in the order of the axis.
    Only complete combinations of all axes are planned: if the couplings leave no essay for a draft,
    the draft is not planned.

    `texts` are gen_ids of stored texts that are members as they are. Stages are made from them, and
    from nothing else unless the stages before are named too: so texts are judged again.

    `replicates` says how often each stage asks the same question (default: the data root's setting,
    or 1). `sampling` holds its sampling parameters (default: the endpoint's choice).

    `duels` says of a stage that compares which pairs it compares (default: all). `scores` says of a
    stage that scores what it scores more often than `replicates` (default: nothing). `contrasts`
    are the axes whose values the cohort is made to compare: their differences are planned.

    `problems` lists the mistakes in the document. The specification was made without those parts,
    and planning refuses it together with the mistakes that only the catalog can show.
    """

    axes: ConceptAxes = attrs.field(factory=Axes, metadata={NOT_IN_DOCUMENT: True})
    description_level: str = DEFAULT_LEVEL
    texts: list[str] = attrs.field(factory=list)
    replicates: Mapping[StageName, int] = attrs.field(factory=dict)
    sampling: Mapping[StageName, SamplingParameters] = attrs.field(factory=dict)
    subsets: Mapping[Axis, list[str]] = attrs.field(factory=dict)
    ties: list[list[Axis]] = attrs.field(factory=list)
    pairs: list[Pairs] = attrs.field(factory=list)
    tuples: list[Tuples] = attrs.field(factory=list)
    duels: Mapping[StageName, DuelChoice] = attrs.field(factory=dict)
    scores: Mapping[StageName, ScoreChoice] = attrs.field(factory=dict)
    contrasts: list[Axis] = attrs.field(factory=list)
    problems: tuple[Problem, ...] = attrs.field(default=(), metadata={NOT_IN_DOCUMENT: True})

    def values(self, axis: Axis) -> list[str]:
        """Return the values of an axis: those listed, or those of its pairs and tuples."""
        listed = self.axes.values(axis)
        if listed:
            return listed
        named = [(pairs.axes, pairs.allowed) for pairs in self.pairs]
        named += [(tuples.axes, tuples.rows) for tuples in self.tuples]
        return list(
            dict.fromkeys(
                row[axes.index(axis)]
                for axes, rows in named
                if axis in axes
                for row in rows
                if len(row) == len(axes)
            )
        )

    def couplings(self, pipeline: Pipeline) -> list[Coupling]:
        """Return what restricts the axes. Needs a specification without problems."""
        restricted: list[tuple[Sequence[Axis], Sequence[Sequence[str]]]] = [
            *(([axis], [[value] for value in kept]) for axis, kept in self.subsets.items()),
            *(
                (axes, [[value] * len(axes) for value in self.values(axes[0])])
                for axes in self.ties
            ),
            *((pairs.axes, pairs.rows) for pairs in self.pairs),
            *((tuples.axes, tuples.rows) for tuples in self.tuples),
        ]
        return [Coupling.of(pipeline, axes, rows) for axes, rows in restricted]

    def uses(self, definition: StageDefinition) -> bool:
        """Return whether the cohort has generations of a stage.

        It can do without one that is not required, by naming neither templates nor models. If
        texts are given, none is required.
        """
        return (definition.required and not self.texts) or any(
            self.values(axis) for axis in definition.axes
        )

    def used(self, pipeline: Pipeline) -> list[StageDefinition]:
        """Return the stages that the cohort has generations of, in order."""
        return [definition for definition in pipeline.stages if self.uses(definition)]


ReadColumns = Callable[[str, Sequence[str]], list[list[str]]]
"""Returns the cells of these columns of the CSV file of that name, row by row.

Raises `CatalogError` with all that is wrong with the file.
"""


def make_cohort_spec(
    document: object, read_columns: ReadColumns, pipeline: Pipeline = SHIPPED
) -> CohortSpec:
    """Return the specification that a parsed YAML document describes, for these stages.

    A list may come from a CSV file, `@file:items.csv`, with a column named like the axis for each
    axis in question. Mistakes in the document end up in `problems`.
    """
    if document is None:
        document = {}
    problems: list[Problem] = []
    axes: ConceptAxes = axes_class(pipeline.axes)()
    if isinstance(document, dict):
        document, problems = _with_files(document, read_columns)
        if _AXES in document:
            axes, invalid = structure_valid(document.pop(_AXES), type(axes))
            problems += [attrs.evolve(found, path=(_AXES, *found.path)) for found in invalid]
    names = {"axis": pipeline.axes, "stage": pipeline.names}
    spec, invalid = structure_valid(document, CohortSpec, names)
    return attrs.evolve(spec, axes=axes, problems=(*problems, *invalid))


def spec_problems(spec: CohortSpec, pipeline: Pipeline) -> Iterator[Problem]:
    """Yield the mistakes of a specification that do not depend on the catalogs."""
    yield from _concept_problems(spec.axes)
    for axis in pipeline.axes:
        yield from _repeated(("axes", axis), spec.axes.values(axis))
    yield from _repeated(("texts",), spec.texts)
    for stage, count in spec.replicates.items():
        if not 1 <= count <= MOST_REPLICATES:
            reason = f"expected 1 to {MOST_REPLICATES:,}, found {count}"
            yield Problem(("replicates", stage), reason)
    yield from sampling_problems(spec.sampling)
    yield from choice_problems(spec.duels, spec.scores, pipeline)
    yield from _repeated(("contrasts",), spec.contrasts)
    for axis, kept in spec.subsets.items():
        yield from _rows_problems(spec, ("subsets", axis), [axis], [[value] for value in kept])
    for i, axes in enumerate(spec.ties):
        yield from _tie_problems(spec, ("ties", i), axes)
    for i, pairs in enumerate(spec.pairs):
        yield from _pairs_problems(spec, ("pairs", i), pairs)
    for i, tuples in enumerate(spec.tuples):
        path: Path = ("tuples", i)
        if len(tuples.axes) < _PAIR:
            yield Problem((*path, "axes"), "expected at least two axes", of_whole=True)
        yield from _repeated((*path, "axes"), tuples.axes)
        if not any(problem.path[:3] == (*path, "axes") for problem in spec.problems):
            yield from _rows_problems(spec, (*path, "rows"), tuples.axes, tuples.rows)


_PAIR: Final = 2


def _concept_problems(axes: ConceptAxes) -> Iterator[Problem]:
    if axes.combo and (axes.concepts or axes.k is not None):
        yield Problem(("axes", "combo"), "excludes concepts and k")
    elif axes.concepts and axes.k is None:
        yield Problem(("axes", "k"), "missing; it says how many of the concepts are combined")
    elif axes.k is not None and not 1 <= axes.k <= len(axes.concepts):
        reason = f"expected 1 to {len(axes.concepts)}, the number of concepts, found {axes.k}"
        yield Problem(("axes", "k"), reason)
    yield from _repeated(("axes", "concepts"), axes.concepts)
    for i, combo in enumerate(axes.combo):
        yield from _repeated(("axes", "combo", i), combo)
        if not combo:
            yield Problem(("axes", "combo", i), "empty", of_whole=True)


def _tie_problems(spec: CohortSpec, path: Path, axes: Sequence[Axis]) -> Iterator[Problem]:
    if len(axes) < _PAIR:
        yield Problem(path, "expected at least two axes", of_whole=True)
    yield from _repeated(path, axes)
    values = [set(spec.values(axis)) for axis in axes]
    lacking = [
        f"{axis} lacks {', '.join(sorted(set().union(*values) - own))}"
        for axis, own in zip(axes, values, strict=True)
        if set().union(*values) - own
    ]
    if lacking:
        yield Problem(path, f"tied axes list the same values; {'; '.join(lacking)}")


def _pairs_problems(spec: CohortSpec, path: Path, pairs: Pairs) -> Iterator[Problem]:
    for side in ("left", "right"):
        if getattr(pairs, side) is None:
            yield Problem((*path, side), "missing")
    if len(pairs.axes) < _PAIR:
        return
    yield from _repeated(path, pairs.axes)
    problems = list(_rows_problems(spec, (*path, "allowed"), pairs.axes, pairs.allowed))
    yield from problems
    if not problems and not pairs.rows:
        reason = f"no choice of these pairs is balanced ({pairs.balance}); allow more of them"
        yield Problem((*path, "balance"), reason)


def _rows_problems(
    spec: CohortSpec, path: Path, axes: Sequence[Axis], rows: Sequence[Sequence[str]]
) -> Iterator[Problem]:
    if not rows:
        yield Problem(path, "empty; leave it out, or name what is allowed", of_whole=True)
    yield from _repeated(path, [", ".join(row) for row in rows if len(row) == len(axes)])
    known = {axis: dict.fromkeys(spec.values(axis)) for axis in axes}
    for i, row in enumerate(rows):
        if len(row) != len(axes):
            reason = f"expected {len(axes)} values ({', '.join(axes)}), found {len(row)}"
            yield Problem((*path, i), reason, of_whole=True)
            continue
        for axis, value in zip(axes, row, strict=True):
            if value not in known[axis]:
                reason = f"{value!r} is not a value of {axis}{suggestion(value, known[axis])}"
                yield Problem((*path, i), reason)


def _repeated(path: Path, values: Sequence[str]) -> Iterator[Problem]:
    for value, count in Counter(values).items():
        if count > 1:
            yield Problem(path, f"{value!r} is there {count} times")


def _with_files(
    document: dict[Any, Any], read_columns: ReadColumns
) -> tuple[dict[Any, Any], list[Problem]]:
    """Return the document with the contents of its CSV files, and the mistakes in them."""
    document, problems = copy.deepcopy(document), list[Problem]()
    for path, columns in _file_places(document):
        parent: Any = document
        for part in path[:-1]:
            parent = parent[part]
        name = parent[path[-1]].removeprefix(FILE_PREFIX)
        try:
            rows = read_columns(name, columns)
        except CatalogError as error:
            problems += [Problem(path, problem) for problem in error.problems]
            del parent[path[-1]]
            continue
        if path == ("axes", "combo"):
            parent[path[-1]] = [cell.split(COMBO_SEPARATOR) for (cell,) in rows]
        else:
            one_axis = path[0] in ("axes", "subsets", "texts")
            parent[path[-1]] = [cell for (cell,) in rows] if one_axis else rows
    return document, problems


def _file_places(document: dict[Any, Any]) -> Iterator[tuple[Path, list[str]]]:
    """Yield the lists that come from a file, with the columns that they use."""
    found: list[tuple[Path, object, object]] = []
    for section in ("axes", "subsets"):
        keys = document.get(section)
        if isinstance(keys, dict):
            found += [((section, key), value, [key]) for key, value in keys.items()]
    found.append((("texts",), document.get("texts"), ["gen_id"]))
    for section, key in (("pairs", "allowed"), ("tuples", "rows")):
        items = document.get(section)
        for i, item in enumerate(items if isinstance(items, list) else ()):
            if isinstance(item, dict):
                named = item.get("axes") if key == "rows" else [item.get("left"), item.get("right")]
                found.append(((section, i, key), item.get(key), named))
    for path, value, named in found:
        if isinstance(value, str) and value.startswith(FILE_PREFIX):
            columns = named if isinstance(named, list) else []
            yield path, [column for column in columns if isinstance(column, str)]
