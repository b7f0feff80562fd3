"""Value objects from parsed YAML and JSON, strictly, with every mistake reported at once."""

import copy
import difflib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    TypeAlias,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

import attrs
import cattrs
from cattrs.cols import is_mapping, is_sequence, list_structure_factory, mapping_structure_factory
from cattrs.gen import make_dict_structure_fn

from daydreaming_dagster.domain.errors import CatalogError

_T = TypeVar("_T")
_Structure = Callable[[Any, Any], Any]

NOT_IN_DOCUMENT: Final = "not in document"
"""In the metadata of a field: documents do not have this key."""

Count: TypeAlias = Annotated[int, "count"]
"""A number of things, as endpoints report it: not negative, and whole though it may be a float."""

Amount: TypeAlias = Annotated[float, "amount"]
"""A quantity that is not negative."""

_LARGEST_COUNT: Final = 2**31 - 1  # tables hold it, and no answer has two billion tokens

Names = Mapping[str, tuple[str, ...]]
"""The strings that a document may use, by what they are the names of."""

Path = tuple[str | int, ...]
"""The keys and indices that lead to a place in a document."""


@attrs.frozen
class Problem:
    """Something that is wrong with a document, and where.

    `of_whole` says that it is about the value there as a whole (its length, that it is missing),
    so that it follows from whatever is wrong with a part of it.
    """

    path: Path
    reason: str
    of_whole: bool = False

    def __str__(self) -> str:
        return f"{shown_path(self.path)}: {self.reason}"

    def follows_from(self, other: "Problem") -> bool:
        """Return whether this would not be said without the other problem."""
        within = self.path[: len(other.path)] == other.path
        return within or (self.of_whole and other.path[: len(self.path)] == self.path)


def without_consequences(problems: Iterable[Problem], earlier: Sequence[Problem]) -> list[Problem]:
    """Return the problems that do not follow from earlier ones: each mistake is reported once."""
    return [
        problem for problem in problems if not any(problem.follows_from(cause) for cause in earlier)
    ]


def shown_path(path: Path) -> str:
    """Return a path as people write it: `axes.combo[0]`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).removeprefix(".") or "the document"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean …?` with the known name that is most alike, or nothing."""
    alike = difflib.get_close_matches(name, list(known), n=1, cutoff=0.75)
    return f"; did you mean {alike[0]!r}?" if alike else ""


def structure(document: object, target: type[_T], location: str) -> _T:
    """Return the attrs class `target` made from a document; `location` names it in errors.

    Raises:
        CatalogError: Keys are unknown or of the wrong type. Lists all of them, each with its
            path in the document. (None can be missing: every field needs a default.)
    """
    try:
        return _converter().structure(document, target)
    except (cattrs.BaseValidationError, TypeError) as error:
        problems = tuple(str(problem) for problem, _ in _find(error, (), target))
        raise CatalogError(location, problems) from None


def structure_valid(
    document: object, target: type[_T], names: Names | None = None
) -> tuple[_T, list[Problem]]:
    """Return `target` made from what is valid in a document, and what is not.

    A string that is annotated with a key of `names` has to be one of its values.

    So further checks can look at the rest, and all mistakes are reported together. Every
    field of `target`, and of the classes in it, needs a default: it takes the place of what is
    wrong. A list or mapping that is wrong in a list becomes an empty one, so that the others
    keep their numbers; a plain value is left out.
    """
    converter = _converter(tuple((names or {}).items()))
    try:
        return converter.structure(document, target), []
    except (cattrs.BaseValidationError, TypeError) as error:
        found = list(_find(error, (), target))
    problems = [problem for problem, _ in found]
    if not isinstance(document, dict):
        return target(), problems
    valid = copy.deepcopy(document)
    # From the end, so that what is left out moves nothing that is still to be found.
    expected = {problem.path: wanted for problem, wanted in found}
    for path in sorted(expected, key=_sortable, reverse=True):
        _leave_out(valid, path, expected[path])
    return converter.structure(valid, target), problems


def _sortable(path: Path) -> list[tuple[int, str]]:
    return [(part, "") if isinstance(part, int) else (-1, part) for part in path]


def _leave_out(document: Any, path: Path, expected: Any) -> None:
    for part in path[:-1]:
        document = document[part]
    if isinstance(document, dict):
        del document[path[-1]]
    elif is_sequence(expected):
        document[path[-1]] = []
    elif attrs.has(expected):
        document[path[-1]] = {}
    else:
        del document[path[-1]]


def _find(error: BaseException, path: Path, expected: Any) -> Iterator[tuple[Problem, Any]]:
    """Yield each problem in an error of cattrs, with the type that is expected there."""
    match error:
        case cattrs.IterableValidationError() | cattrs.ClassValidationError():
            noted, others = error.group_exceptions()
            for inner, note in noted:
                part = note.name if isinstance(note, cattrs.AttributeValidationNote) else note.index
                yield from _find(inner, (*path, part), note.type)
            for inner in others:
                yield from _find(inner, path, expected)
        case cattrs.ForbiddenExtraKeysError():
            known = [field.name for field in attrs.fields(error.cl)]
            for key in sorted(error.extra_fields, key=str):
                problem = Problem((*path, key), f"unknown key{suggestion(str(key), known)}")
                yield problem, None
        case _:
            yield Problem(path, str(error)), expected


def _strict_converter(names: tuple[tuple[str, tuple[str, ...]], ...] = ()) -> cattrs.Converter:
    """Return a converter that converts nothing: YAML has types, and a wrong one is a mistake."""
    converter = cattrs.Converter(forbid_extra_keys=True)

    def expect(types: tuple[type, ...], name: str, then: _Structure) -> _Structure:
        def structure(value: object, target: Any) -> Any:
            if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
                raise TypeError(f"expected {name}, found {value!r:.60}")
            return then(value, target)

        return structure

    def unchanged(value: object, _target: object) -> object:
        return value

    converter.register_structure_hook(str, expect((str,), "a string", unchanged))
    converter.register_structure_hook(int, expect((int,), "a whole number", unchanged))
    converter.register_structure_hook(bool, expect((bool,), "true or false", unchanged))
    converter.register_structure_hook(
        float, expect((int, float), "a number", lambda value, _target: float(value))
    )
    for kind, known in names:
        converter.register_structure_hook_func(
            functools.partial(_is_name, kind), functools.partial(_known_name, known)
        )
    converter.register_structure_hook_func(
        (lambda target: bool(target == Count)), expect((int, float), "a count", _count)
    )
    converter.register_structure_hook_func(
        (lambda target: bool(target == Amount)), expect((int, float), "an amount", _amount)
    )
    for predicate, types, name, factory in (
        (is_sequence, (list,), "a list", list_structure_factory),
        (is_mapping, (dict,), "a mapping", mapping_structure_factory),
        (attrs.has, (dict,), "a mapping", _class_structure_factory),
    ):
        converter.register_structure_hook_factory(
            predicate,
            lambda target, types=types, name=name, factory=factory: expect(
                types, name, factory(target, converter)
            ),
        )
    # Without it, cattrs looks up what is optional at each value.
    converter.register_structure_hook_factory(
        _is_optional, lambda target: _optional_structure(target, converter)
    )
    converter.register_structure_hook_func(
        _is_literal,
        lambda value, target: _one_of(get_args(target), value),
    )
    # What an endpoint is sent as it is may be any JSON.
    converter.register_structure_hook_func(
        lambda target: is_mapping(target) and get_args(target)[0] is str,
        expect((dict,), "a mapping", unchanged),
    )
    return converter


def _is_name(kind: str, target: object) -> bool:
    return bool(target == Annotated[str, kind])


def _known_name(known: tuple[str, ...], value: object, _target: object) -> object:
    return _one_of(known, value)


def _count(value: float, _target: object) -> int:
    if not 0 <= value <= _LARGEST_COUNT or value != int(value):
        raise TypeError(f"expected a count, found {value!r:.60}")
    return int(value)


def _amount(value: float, _target: object) -> float:
    if value < 0:
        raise TypeError(f"expected an amount, found {value!r:.60}")
    return float(value)


def _class_structure_factory(target: Any, converter: cattrs.Converter) -> _Structure:
    omitted = {
        field.name: cattrs.override(omit=True)
        for field in attrs.fields(target)
        if field.metadata.get(NOT_IN_DOCUMENT)
    }
    return make_dict_structure_fn(target, converter, **omitted)  # type: ignore[arg-type]  # names


def _is_optional(target: Any) -> bool:
    parts = get_args(target)
    return get_origin(target) in (Union, UnionType) and NoneType in parts and len(parts) == _PAIR


_PAIR: Final = 2


def _optional_structure(target: Any, converter: cattrs.Converter) -> _Structure:
    inner = next(part for part in get_args(target) if part is not NoneType)
    structure = converter.get_structure_hook(inner)
    as_it_is = (NoneType, inner)  # most values are: no other type has to be looked at
    return lambda value, _target: value if type(value) in as_it_is else structure(value, inner)


def _is_literal(target: Any) -> bool:
    origin: Any = get_origin(target)
    return origin is Literal


def _one_of(known: Sequence[object], value: object) -> object:
    if not any(value == name and type(value) is type(name) for name in known):  # 1 is not true
        names = [str(name) for name in known]
        raise TypeError(
            f"expected one of {', '.join(names)}, found {value!r:.60}"
            f"{suggestion(str(value), names)}"
        )
    return value


# Made at the first use, so that tests can make it anew.
_converter: Final = functools.cache(_strict_converter)
