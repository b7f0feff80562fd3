"""The stages of a data root as the researcher writes them: the form and the checks of a document.

The reference is docs/reference/stages.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from keyword import iskeyword
from typing import Any, Final, Literal

import attrs

from daydreaming_dagster.domain.documents import Path, Problem, structure_valid, suggestion
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.domain.stages import (
    COHORT,
    COMBO,
    ParentRole,
    Pipeline,
    StageDefinition,
)
from daydreaming_dagster.ports.errors import InvalidIdError
from daydreaming_dagster.ports.ids import check_stage, is_id
from daydreaming_dagster.types import Stage

CONCEPTS: Final = "concepts"
"""What the first stages are made from, and the variable of their templates."""

ONLY_PARENT: Final = "parent"
"""The role of a parent that is one of several stages and has no name in the document."""

_FROM: Final = "from"
_GROUPS: Final = (COMBO, COHORT)
_PAIR: Final = 2

_COLUMNS: Final = ("", "_template", "_llm", "_replicate", "_finish_reason", "_path")
"""The endings of a stage's columns in tables."""

_RESERVED: Final = frozenset(
    (
        *("cohort", "combo", "concepts", "k", "stage", "text", "judge", "state", "stale"),
        *("rank", "score", "mean", "spread", "lowest", "highest", "n", "missing", "cost"),
        *("template", "llm", "model", "scored_by", "by_hand", "answered_by", "finish_reason"),
        *("score_maximum", "score_normalised", "description_level", "duration_seconds"),
        *("prompt_tokens", "completion_tokens"),
    )
)
"""Names that mean something else in specifications, tables or Dagster."""


@attrs.frozen
class _StageForm:
    """What a row says beside `from`. A key that is left out is None."""

    within: str | None = None
    variables: list[str] | None = None
    parser: str | None = None
    judges: Literal["scores", "pairs", True, False] | None = None
    id_prefix: str | None = None
    typical_answer_tokens: int | None = None
    required: bool | None = None


@attrs.frozen
class _AllForm:
    """A role that all texts of a group take."""

    all: Any = None
    of: str | None = None


def make_pipeline(document: object, location: str, shipped: Pipeline | None = None) -> Pipeline:
    """Return the pipeline that a parsed YAML document describes; `location` names it in errors.

    What the row of a stage in `shipped` leaves out is as shipped, so that its gen_ids stay.

    Raises:
        CatalogError: The document is not a valid pipeline. Lists all problems, each with its place.
    """
    reader = _Reader(shipped or Pipeline(()))
    reader.read(document)
    problems = [*reader.problems, *_clashes(reader.stages)]
    if problems:
        raise CatalogError(location, tuple(map(str, problems)))
    return Pipeline(tuple(reader.stages))


@attrs.define
class _Reader:
    shipped: Pipeline
    stages: list[StageDefinition] = attrs.field(factory=list)
    problems: list[Problem] = attrs.field(factory=list)
    _names: Sequence[str] = ()

    def read(self, document: object) -> None:
        if not isinstance(document, dict) or not isinstance(document.get("stages"), dict):
            self._note((), "expected a mapping with the key stages, which is a mapping")
            return
        for key in document.keys() - {"stages"}:
            self._note((str(key),), f"unknown key{suggestion(str(key), ['stages'])}")
        rows = document["stages"]
        self._names = [str(name) for name in rows]
        if not rows:
            self._note(("stages",), "empty; name at least one stage")
        for name, row in rows.items():
            path: Path = ("stages", str(name))
            try:
                check_stage(name)
            except InvalidIdError as error:
                self._note(path, str(error))
                continue
            if name in _RESERVED:
                self._note(path, "choose another name; this one means something else in tables")
            elif isinstance(row, dict):
                self._read_stage(name, row, path)
            else:
                self._note(path, f"expected a mapping, found {row!r:.60}")

    def _note(self, path: Path, reason: str) -> None:
        self.problems.append(Problem(path, reason))

    def _read_stage(self, name: Stage, row: Mapping[Any, Any], path: Path) -> None:
        before = len(self.problems)
        own = {key: value for key, value in row.items() if key != _FROM}
        form, invalid = structure_valid(own, _StageForm)
        self.problems += [Problem((*path, *problem.path), problem.reason) for problem in invalid]
        shipped = next((row for row in self.shipped.stages if row.name == name), None)
        if _FROM in row:
            parents = self._parents(row[_FROM], (*path, _FROM))
        elif shipped is not None:
            parents = shipped.parents
        else:
            parents = ()
            self._note((*path, _FROM), "missing; it says what the stage is made from")
        default = shipped or StageDefinition(name, name)
        judges: Literal["scores", "pairs"] | None = default.judges
        if form.judges is not None:
            judges = "scores" if form.judges is True else form.judges or None
        if shipped is None and judges is not None:
            parser = "in_last_line" if judges == "scores" else "pair_verdict"
            default = attrs.evolve(default, typical_answer_tokens=800, default_parser=parser)
        definition = attrs.evolve(
            default,
            id_prefix=form.id_prefix or default.id_prefix,
            parents=parents,
            variables=self._variables(form, default, parents, path),
            within=self._within(form, parents, judges, path),
            default_parser=form.parser or default.default_parser,
            typical_answer_tokens=form.typical_answer_tokens or default.typical_answer_tokens,
            judges=judges,
            required=default.required if form.required is None else form.required,
        )
        if form.typical_answer_tokens is not None and form.typical_answer_tokens < 1:
            self._note((*path, "typical_answer_tokens"), "expected at least 1")
        self._check(definition, path)
        if len(self.problems) > before:  # what refers to it is not wrong for that
            definition = attrs.evolve(definition, parents=())
        self.stages.append(definition)

    def _parents(self, value: object, path: Path) -> tuple[ParentRole, ...]:
        if value == CONCEPTS:
            return ()
        if isinstance(value, str):
            return (ParentRole(value, self._stage_names(value, path)),)
        if isinstance(value, list):
            return (ParentRole(ONLY_PARENT, self._stage_names(value, path)),)
        if not isinstance(value, dict) or not value:
            expected = "expected concepts, a stage, a list of stages or a mapping of roles"
            self._note(path, f"{expected}, {_found(value)}")
            return ()
        roles = []
        for name, of in value.items():
            if not isinstance(name, str) or not _is_variable(name):
                self._note((*path, str(name)), "expected a role that can be a variable's name")
                continue
            roles.append(self._role(name, of, (*path, name)))
        return tuple(roles)

    def _role(self, name: str, value: object, path: Path) -> ParentRole:
        if not isinstance(value, dict):
            return ParentRole(name, self._stage_names(value, path))
        form, invalid = structure_valid(value, _AllForm)
        self.problems += [Problem((*path, *problem.path), problem.reason) for problem in invalid]
        stages = self._stage_names(form.all, (*path, "all"))
        if not any(problem.path == (*path, "of") for problem in self.problems):
            self._check_group(form.of, stages, (*path, "of"))
        return ParentRole(name, stages, form.of)

    def _stage_names(self, value: object, path: Path) -> tuple[Stage, ...]:
        names = value if isinstance(value, list) else [value]
        known = [name for name in names if isinstance(name, str)]
        if not names or len(known) < len(names):
            self._note(path, f"expected a stage or a list of stages, {_found(value)}")
            return ()
        above = [definition.name for definition in self.stages]
        for name in known:
            if name in above:
                continue
            if name == CONCEPTS:
                self._note(path, "concepts cannot be one parent of several")
            elif name in self._names:
                self._note(path, f"{name!r} has to stand above the stages that are made from it")
            else:
                self._note(path, f"there is no stage {name!r}{suggestion(name, self._names)}")
        if len(set(known)) < len(known):
            self._note(path, "names a stage twice")
        return tuple(known)

    def _check_group(self, group: str | None, stages: Sequence[Stage], path: Path) -> None:
        """Note a group that not all texts of these stages can have in common."""
        if group is None:
            self._note(path, "missing; name combo, cohort, or the stage of a common ancestor")
            return
        if group in _GROUPS:
            return
        known = Pipeline(tuple(self.stages))
        common = [name for name in known if all(name in known.with_ancestors([s]) for s in stages)]
        if group not in common or group in stages:
            expected = [*_GROUPS, *(name for name in common if name not in stages)]
            reason = f"expected one of {', '.join(expected)}, found {group!r}"
            self._note(path, f"{reason}{suggestion(group, expected)}")

    def _variables(
        self,
        form: _StageForm,
        default: StageDefinition,
        parents: Sequence[ParentRole],
        path: Path,
    ) -> tuple[str, ...]:
        roles = tuple(role.name for role in parents)
        if len(parents) > 1:
            if form.variables is not None:
                reason = "left out where there are several roles: each is a variable"
                self._note((*path, "variables"), reason)
            return roles
        chosen = tuple(form.variables or ()) or default.variables or roles or (CONCEPTS,)
        for i, name in enumerate(form.variables or ()):
            if not _is_variable(name):
                self._note((*path, "variables", i), f"{name!r} cannot be a variable's name")
        if form.variables == []:
            self._note((*path, "variables"), "empty; name one, or leave it out")
        return chosen

    def _within(
        self,
        form: _StageForm,
        parents: Sequence[ParentRole],
        judges: object,
        path: Path,
    ) -> str | None:
        single = [role for role in parents if role.all_of is None]
        alike = [
            role
            for i, role in enumerate(single)
            if any(set(role.stages) & set(other.stages) for other in single[:i])
        ]
        if not alike:
            if form.within is not None:
                reason = "left out unless two roles have a stage in common"
                self._note((*path, "within"), reason)
            return None
        if form.within is None:
            return COHORT if judges == "pairs" else COMBO
        stages = [stage for role in single for stage in role.stages]
        self._check_group(form.within, stages, (*path, "within"))
        return form.within

    def _check(self, definition: StageDefinition, path: Path) -> None:
        roles, prefix = definition.parents, definition.id_prefix
        if not is_id(prefix) or prefix != prefix.lower() or len(prefix) > _LONGEST_PREFIX:
            reason = f"expected 1 to {_LONGEST_PREFIX} of a-z, 0-9, _ and -, found {prefix!r}"
            self._note((*path, "id_prefix"), reason)
        if definition.scores and (not roles or roles[0].all_of is not None):
            self._note((*path, "judges"), "a stage that scores is made from the text it scores")
        if definition.judges == "pairs" and (
            len(roles) < _PAIR
            or any(role.all_of is not None for role in roles[:_PAIR])
            or set(roles[0].stages) != set(roles[1].stages)
        ):
            reason = "a stage that compares is made from two roles with the same stages"
            self._note((*path, "judges"), reason)


_LONGEST_PREFIX: Final = 40


def _clashes(stages: Sequence[StageDefinition]) -> Iterator[Problem]:
    """Yield the stages whose gen_ids or columns those before them could have, too."""
    prefixes: dict[str, Stage] = {}
    columns: dict[str, Stage] = {}
    for definition in stages:
        path: Path = ("stages", definition.name)
        other = prefixes.setdefault(definition.id_prefix, definition.name)
        if other != definition.name:
            yield Problem((*path, "id_prefix"), f"{definition.id_prefix!r} is that of {other}")
        for ending in _COLUMNS:
            other = columns.setdefault(definition.name + ending, definition.name)
            if other != definition.name:
                yield Problem(path, f"its columns in tables would be those of {other}")


def _is_variable(name: str) -> bool:
    return name.isidentifier() and not iskeyword(name) and not name.startswith("_")


def _found(value: object) -> str:
    return f"found {value!r:.60}"
