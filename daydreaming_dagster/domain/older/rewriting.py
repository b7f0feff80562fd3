"""Rewrites cohorts' specifications of the older project as those of this one."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import attrs

from daydreaming_dagster.domain.catalog import COMBO_SEPARATOR, DEFAULT_LEVEL
from daydreaming_dagster.domain.cohort.couplings import Axis
from daydreaming_dagster.domain.cohort.spec import (
    FILE_PREFIX,
    CohortSpec,
    Pairs,
    Tuples,
    axes_class,
    spec_problems,
)
from daydreaming_dagster.domain.documents import Path, Problem, suggestion
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.older.combinations import OlderCombination, find_combination
from daydreaming_dagster.domain.stages import COMBO, Pipeline
from daydreaming_dagster.ports.older_data_root import OlderSpec
from daydreaming_dagster.types import Stage

_COMBO_ID: Final = "combo_id"
_ONE: Final = "1"

Rows = list[list[str]]


def rewrite_spec(
    older: OlderSpec, combinations: Mapping[str, OlderCombination], pipeline: Pipeline
) -> CohortSpec:
    """Return the specification that plans what an older one compiles to.

    - `combo_id` becomes `combo`, with the concepts of each id.
    - Axes of replicates become `replicates`. A stage without one has 1, whatever the data root's
      own setting: the older language multiplies nothing that it does not name.
    - A rule on the name of a tuple becomes one on the tuple's axes.
    - Tied axes keep the values that all of them have.
    - `balance` chooses nothing there, so rows that are balanced are kept as they are.

    Raises:
        CatalogError: Something has no meaning here, or none at all. Lists every such place.
    """
    rewriter = _Rewriter(older, combinations, pipeline)
    spec = rewriter.rewrite()
    if not rewriter.problems:
        rewriter.problems += spec_problems(spec, pipeline)
    if rewriter.problems:
        raise CatalogError(older.location, tuple(map(str, rewriter.problems)))
    return spec


@attrs.define
class _Rule:
    """Rows of values for axes, and where the older specification has them."""

    path: Path
    axes: list[Axis]
    rows: Rows


@attrs.define
class _Rewriter:
    older: OlderSpec
    combinations: Mapping[str, OlderCombination]
    pipeline: Pipeline
    problems: list[Problem] = attrs.field(factory=list)
    _axes: dict[Axis, list[str]] = attrs.field(factory=dict)
    _replicates: dict[Stage, list[str]] = attrs.field(factory=dict)
    _subsets: dict[Axis, _Rule] = attrs.field(factory=dict)
    _tuples: dict[str, _Rule] = attrs.field(factory=dict)
    _pairs: list[_Rule] = attrs.field(factory=list)
    _ties: list[_Rule] = attrs.field(factory=list)
    _levels: set[str] = attrs.field(factory=set)

    def rewrite(self) -> CohortSpec:
        document = self._mapping((), self.older.document, ("axes", "rules", "output"))
        # Says in which order columns are written, and nothing about the cohort.
        self._mapping(("output",), document.get("output"), ("field_order",))
        for name, value in self._mapping(("axes",), document.get("axes")).items():
            self._read_axis(name, value)
        kinds = ("subsets", "tuples", "pairs", "ties")  # pairs name tuples
        rules = self._mapping(("rules",), document.get("rules"), kinds)
        readers = (self._read_subset, self._read_tuple, self._read_pair, self._read_tie)
        for kind, read in zip(kinds, readers, strict=True):
            for name, value in self._mapping(("rules", kind), rules.get(kind)).items():
                read(("rules", kind, name), name, value)
        self._intersect_ties()
        return self._made()

    def _made(self) -> CohortSpec:
        axes = {axis: values for axis, values in self._axes.items() if axis != COMBO}
        combos = [value.split(COMBO_SEPARATOR) for value in self._axes.get(COMBO, ())]
        if len(self._levels) > 1:
            levels = ", ".join(sorted(self._levels))
            reason = f"its combinations have several description levels ({levels}); write a cohort"
            self._note(("axes", _COMBO_ID), f"{reason} for each")
        pairs = [rule for rule in self._pairs if len(rule.axes) == len(("left", "right"))]
        wider = [rule for rule in self._pairs if rule not in pairs]
        make_axes: Any = axes_class(self.pipeline.axes)  # its fields are made at run time
        return CohortSpec(
            axes=make_axes(combo=combos, **axes),
            description_level=next(iter(sorted(self._levels)), DEFAULT_LEVEL),
            replicates={stage: self._count(stage) for stage in self.pipeline},
            subsets={axis: [row[0] for row in rule.rows] for axis, rule in self._subsets.items()},
            ties=[rule.axes for rule in self._ties],
            pairs=[Pairs(rule.axes[0], rule.axes[1], rule.rows) for rule in pairs],
            tuples=[Tuples(rule.axes, rule.rows) for rule in (*self._tuples.values(), *wider)],
        )

    # Axes

    def _read_axis(self, name: str, value: object) -> None:
        path: Path = ("axes", name)
        stage = self._replicated(name)
        if stage is not None:
            if stage in self._replicates:
                self._note(path, f"the replicates of {stage} are given twice")
            self._replicates[stage] = [row[0] for row in self._rows(path, value, [name])]
        elif (axis := self._axis(path, name)) is not None:
            self._axes[axis] = [row[0] for row in self._rows(path, value, [name])]
            if not self._axes[axis]:
                self._note(path, "empty; leave it out, or list values")

    def _axis(self, path: Path, name: str) -> Axis | None:
        """Return the axis that is called so in older specifications."""
        names = [_COMBO_ID if axis == COMBO else axis for axis in self.pipeline.axes]
        if name in names:
            return self.pipeline.axes[names.index(name)]
        if self._replicated(name) is not None:
            reason = f"{name} cannot be in such a rule here: replicates do not depend on other axes"
            self._note(path, reason)
        else:
            self._note(path, f"there is no axis {name!r}{suggestion(name, names)}")
        return None

    def _replicated(self, name: str) -> Stage | None:
        """Return the stage whose replicates an axis counts; None for another axis."""
        for stage in self.pipeline:
            if name in {f"{stage}_replicate", f"{stage}_template_replicate"}:
                return stage
        return None

    def _count(self, stage: Stage) -> int:
        values = self._replicates.get(stage, [_ONE])
        if sorted(values) != sorted(str(number) for number in range(1, len(values) + 1)):
            found = ", ".join(values) or "nothing"
            self._note(("axes", f"{stage} replicates"), f"expected 1, 2, … in all, found {found}")
        return max(1, len(values))

    # Rules

    def _read_subset(self, path: Path, name: str, value: object) -> None:
        stage = self._replicated(name)
        if stage is None:
            axis = self._axis(path, name)
            if axis is not None:
                self._subsets[axis] = _Rule(path, [axis], self._rows(path, value, [name]))
            return
        kept = [row[0] for row in self._rows(path, value, [name])]
        given = self._replicates.get(stage, [])
        if unknown := sorted(set(kept) - set(given)):
            self._note(path, f"{unknown[0]!r} is not a value of {name}")
        self._replicates[stage] = [value for value in given if value in kept]

    def _read_tuple(self, path: Path, name: str, value: object) -> None:
        document = self._mapping(path, value, ("axes", "items"))
        named = self._names((*path, "axes"), document.get("axes"))
        axes = [self._axis((*path, "axes", i), axis) for i, axis in enumerate(named)]
        known = [axis for axis in axes if axis is not None]
        if name in self._axes or self._replicated(name) is not None:
            self._note(path, f"{name!r} is an axis too; give the tuple another name")
        if known and len(known) == len(axes):
            rows = self._rows((*path, "items"), document.get("items"), named)
            self._tuples[name] = _Rule((*path, "items"), known, rows)

    def _read_pair(self, path: Path, _name: str, value: object) -> None:
        document = self._mapping(path, value, ("left", "right", "allowed", "balance"))
        sides = [self._side((*path, side), document.get(side)) for side in ("left", "right")]
        if not all(sides):
            return
        names = [name for side in sides for name in side]
        rows = self._rows(
            (*path, "allowed"), document.get("allowed"), names, tuple(map(len, sides))
        )
        axes = [COMBO if name == _COMBO_ID else name for name in names]
        width = len(sides[0])
        for side, part in (("left", slice(0, width)), ("right", slice(width, None))):
            self._check_items(path, document.get(side), [row[part] for row in rows])
        self._check_balance((*path, "balance"), document.get("balance"), rows, width)
        self._pairs.append(_Rule((*path, "allowed"), axes, rows))

    def _side(self, path: Path, name: object) -> list[str]:
        """Return the older names of the axes on one side of a pair: an axis, or those of a tuple.

        They are empty if the side is wrong.
        """
        if isinstance(name, str) and name in self._tuples:
            axes = self._tuples[name].axes
            return [_COMBO_ID if axis == COMBO else axis for axis in axes]
        if not isinstance(name, str):
            self._note(path, "expected the name of an axis or of a tuple")
            return []
        return [] if self._axis(path, name) is None else [name]

    def _check_items(self, path: Path, side: object, rows: Rows) -> None:
        if not isinstance(side, str) or side not in self._tuples:
            return
        for i, row in enumerate(rows):
            if row not in self._tuples[side].rows:
                self._note((*path, "allowed", i), f"{row} is not an item of the tuple {side!r}")

    def _check_balance(self, path: Path, balance: object, rows: Rows, width: int) -> None:
        if balance is None:
            return
        if balance not in {"left", "right", "both"}:
            self._note(path, f"expected left, right or both, found {balance!r}")
            return
        counts = {
            "left": Counter(tuple(row[:width]) for row in rows),
            "right": Counter(tuple(row[width:]) for row in rows),
        }
        for side, count in counts.items():
            if balance in {side, "both"} and len(set(count.values())) > 1:
                shown = ", ".join(f"{'/'.join(value)} {n} times" for value, n in count.items())
                self._note(path, f"the {side} values do not occur equally often: {shown}")

    def _read_tie(self, path: Path, _name: str, value: object) -> None:
        document = self._mapping(path, value, ("axes",))
        names = self._names((*path, "axes"), document.get("axes"))
        axes = [self._axis((*path, "axes", i), name) for i, name in enumerate(names)]
        known = [axis for axis in axes if axis is not None]
        if len(known) == len(axes):
            self._ties.append(_Rule(path, known, []))

    def _intersect_ties(self) -> None:
        """Leave tied axes the values that all of them have, and other rules the rows with these."""
        before = {axis: self._values(axis) for rule in self._ties for axis in rule.axes}
        kept = dict(before)
        changed = True
        while changed:  # an axis may be in several ties
            changed = False
            for rule in self._ties:
                common = set.intersection(*(set(kept[axis]) for axis in rule.axes))
                for axis in rule.axes:
                    values = [value for value in kept[axis] if value in common]
                    changed |= values != kept[axis]
                    kept[axis] = values
        for rule in self._ties:
            if not all(kept[axis] for axis in rule.axes):
                self._note(rule.path, "its axes have no value in common")
        self._axes |= kept
        dropped = {axis: set(before[axis]) - set(kept[axis]) for axis in kept}
        for rule in (*self._subsets.values(), *self._tuples.values(), *self._pairs):
            rows = [
                row
                for row in rule.rows
                if not any(
                    value in dropped.get(axis, ())
                    for axis, value in zip(rule.axes, row, strict=True)
                )
            ]
            if rule.rows and not rows:
                self._note(rule.path, "the ties leave none of its rows")
            rule.rows = rows

    def _values(self, axis: Axis) -> list[str]:
        """Return the values of an axis: those listed, or those that rules name."""
        if axis in self._axes:
            return self._axes[axis]
        rules = (*self._tuples.values(), *self._pairs)
        return list(
            dict.fromkeys(
                row[rule.axes.index(axis)]
                for rule in rules
                if axis in rule.axes
                for row in rule.rows
            )
        )

    # Parts of the document

    def _mapping(
        self, path: Path, value: object, known: Sequence[str] | None = None
    ) -> Mapping[str, object]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._note(path, "expected keys with values")
            return {}
        for key in value:
            if not isinstance(key, str):
                self._note(path, f"expected a text as a key, found {key!r}")
            elif known is not None and key not in known:
                reason = f"unknown key; known are {', '.join(known)}{suggestion(key, known)}"
                self._note((*path, key), reason)
        return {key: part for key, part in value.items() if isinstance(key, str)}

    def _names(self, path: Path, value: object) -> list[str]:
        if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
            return value
        self._note(path, "expected a list of axes")
        return []

    def _rows(
        self, path: Path, value: object, names: Sequence[str], widths: Sequence[int] | None = None
    ) -> Rows:
        """Return rows with a value for each of these axes, by their older names.

        `widths` says how many of them each part of a row has; else one.
        """
        if isinstance(value, str) and value.startswith(FILE_PREFIX):
            rows: Iterable[object] = self._file_rows(path, value, names)
        elif isinstance(value, list):
            rows = value
        else:
            self._note(path, f"expected a list, or {FILE_PREFIX} and the name of a CSV file")
            return []
        found: Rows = []
        for i, row in enumerate(rows):
            place: Path = (*path, i)
            cells = [row] if len(names) == 1 and not isinstance(row, list) else row
            flat = self._flat(cells, widths or [1] * len(names))
            if flat is None or len(flat) != len(names):
                self._note(place, f"expected a value for each of {', '.join(names)}, found {row!r}")
                continue
            translated = [
                self._value(place, name, cell) for name, cell in zip(names, flat, strict=True)
            ]
            found.append([cell for cell in translated if cell is not None])
        return [row for row in found if len(row) == len(names)]

    @staticmethod
    def _flat(row: object, widths: Sequence[int]) -> list[object] | None:
        """Return the cells of a row in which a tuple is a list, or has its cells in the row."""
        if not isinstance(row, list):
            return None
        if len(row) == sum(widths) and not any(isinstance(part, list) for part in row):
            return row
        flat: list[object] = []
        for width, part in zip(widths, row, strict=False):
            cells = part if isinstance(part, list) else [part]
            if len(cells) != width:
                return None
            flat += cells
        return flat if len(row) == len(widths) else None

    def _file_rows(self, path: Path, value: str, names: Sequence[str]) -> Rows:
        try:
            header, *rows = self.older.read_table(value.removeprefix(FILE_PREFIX))
        except CatalogError as error:
            self.problems += [Problem(path, problem) for problem in error.problems]
            return []
        if all(name in header for name in names):
            places = [header.index(name) for name in names]
        elif len(names) in {1, len(header)}:  # a single list is the first column
            places = list(range(len(names)))
        else:
            found = ", ".join(header)
            self._note(path, f"expected the columns {', '.join(names)}; the file has {found}")
            return []
        return [[row[place] for place in places] for row in rows]

    def _value(self, path: Path, name: str, cell: object) -> str | None:
        if not isinstance(cell, str | int) or isinstance(cell, bool) or cell == "":
            self._note(path, f"expected a text, found {cell!r}")
            return None
        value = str(cell)
        if name != _COMBO_ID:
            return value
        try:
            combination = find_combination(self.combinations, value)
        except LookupError as error:
            self._note(path, f"{value!r} cannot be rewritten: {error}")
            return None
        self._levels.update(combination.levels)
        return combination.value

    def _note(self, path: Path, reason: str) -> None:
        self.problems.append(Problem(path, reason))
