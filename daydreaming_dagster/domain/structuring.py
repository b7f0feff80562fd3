"""Value objects from parsed YAML and JSON, strictly, with every mistake reported at once."""

from collections.abc import Callable
from typing import Any, Final, TypeVar, get_args

import attrs
import cattrs
from cattrs.cols import is_mapping, is_sequence, list_structure_factory, mapping_structure_factory
from cattrs.gen import make_dict_structure_fn

from daydreaming_dagster.data_layer.ids import check_stage
from daydreaming_dagster.domain.errors import CatalogError
from daydreaming_dagster.types import Stage

_T = TypeVar("_T")
_Structure = Callable[[Any, Any], Any]


def structure(document: object, target: type[_T], location: str) -> _T:
    """Return the attrs class `target` made from a document; `location` names it in errors.

    Raises:
        CatalogError: Keys are missing, unknown or of the wrong type. Lists all of them, each
            with its path in the document.
    """
    try:
        return _CONVERTER.structure(document, target)
    except cattrs.BaseValidationError as error:
        problems = cattrs.transform_error(error, path="$", format_exception=_problem)
        raise CatalogError(location, tuple(problems)) from None
    except TypeError as error:  # the document as a whole is no mapping
        raise CatalogError(location, (f"{error} @ $",)) from None


def _problem(error: BaseException, _type: type | None) -> str:
    match error:
        case KeyError():
            return f"key {error.args[0]!r} is missing"
        case cattrs.ForbiddenExtraKeysError():
            return f"unknown key {', '.join(sorted(map(repr, error.extra_fields)))}"
        case _:
            return str(error)


def _strict_converter() -> cattrs.Converter:
    """Return a converter that converts nothing: YAML has types, and a wrong one is a mistake."""
    converter = cattrs.Converter(forbid_extra_keys=True)

    def expect(types: tuple[type, ...], name: str, then: _Structure) -> _Structure:
        def structure(value: object, target: Any) -> Any:
            if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
                raise TypeError(f"expected {name}, found {value!r}")
            return then(value, target)

        return structure

    def unchanged(value: object, _target: object) -> object:
        return value

    converter.register_structure_hook(str, expect((str,), "a string", unchanged))
    converter.register_structure_hook(int, expect((int,), "a whole number", unchanged))
    converter.register_structure_hook(
        float, expect((int, float), "a number", lambda value, _target: float(value))
    )
    for predicate, types, name, factory in (
        (is_sequence, (list,), "a list", list_structure_factory),
        (is_mapping, (dict,), "a mapping", mapping_structure_factory),
        (attrs.has, (dict,), "a mapping", make_dict_structure_fn),
    ):
        converter.register_structure_hook_factory(
            predicate,
            lambda target, types=types, name=name, factory=factory: expect(
                types, name, factory(target, converter)
            ),
        )
    converter.register_structure_hook_func(
        lambda target: target == Stage, lambda value, _target: check_stage(value)
    )
    # What an endpoint is sent as it is may be any JSON.
    converter.register_structure_hook_func(
        lambda target: is_mapping(target) and get_args(target)[0] is str,
        expect((dict,), "a mapping", unchanged),
    )
    return converter


_CONVERTER: Final = _strict_converter()
