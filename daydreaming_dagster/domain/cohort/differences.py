"""What the specifications and inputs of several cohorts do not have in common."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any, Final

import attrs

from daydreaming_dagster.domain.cohort.manifest import Manifest
from daydreaming_dagster.domain.cohort.spec import CohortSpec
from daydreaming_dagster.domain.documents import NOT_IN_DOCUMENT
from daydreaming_dagster.domain.stages import Pipeline

_SETTINGS: Final = tuple(
    field.name
    for field in attrs.fields(CohortSpec)
    # Axes are compared value by value, and texts are the members themselves.
    if not field.metadata.get(NOT_IN_DOCUMENT) and field.name != "texts"
)


@attrs.frozen
class Difference:
    """What cohorts say differently of one thing: an axis, a setting, or an input.

    `said` has what each cohort says; of an axis, the values that not all of them have, and no
    cohort that has only what all have.
    """

    of: str
    said: Mapping[str, str]

    def __str__(self) -> str:
        """Return it as a line: `essay_llm: big (night), small (day)`."""
        shown = ", ".join(f"{value or 'none'} ({name})" for name, value in self.said.items())
        return f"{self.of}: {shown}"


def spec_differences(specs: Mapping[str, CohortSpec], pipeline: Pipeline) -> Iterator[Difference]:
    """Yield in what the specifications of cohorts differ."""
    for axis in pipeline.axes:
        values = {name: spec.values(axis) for name, spec in specs.items()}
        shared = set.intersection(*map(set, values.values())) if values else set[str]()
        own = {
            name: ", ".join(value for value in listed if value not in shared)
            for name, listed in values.items()
        }
        if any(own.values()):
            yield Difference(axis, {name: listed for name, listed in own.items() if listed})
    for setting in _SETTINGS:
        said = {name: getattr(spec, setting) for name, spec in specs.items()}
        if any(one != other for one, other in combinations(said.values(), 2)):
            yield Difference(setting, {name: _shown(value) for name, value in said.items()})


def input_differences(manifests: Mapping[str, Manifest]) -> Iterator[Difference]:
    """Yield each template, concept and model that was edited between the plans of cohorts."""
    found: dict[str, dict[str, str]] = {}
    for (one, first), (other, second) in combinations(manifests.items(), 2):
        for kind, name in first.changed_since(second):
            digests = found.setdefault(f"{kind} {name}", {})
            for cohort_id, manifest in ((one, first), (other, second)):
                digests[cohort_id] = f"SHA-256 {getattr(manifest, kind)[name][:12]}…"
    for of, digests in found.items():
        yield Difference(of, digests)


def _shown(value: Any) -> str:
    match value:
        case str():
            return value
        case Mapping():
            return "; ".join(f"{key}: {_shown(item)}" for key, item in value.items())
        case list():
            return "; ".join(map(_shown, value))
        case _ if attrs.has(type(value)):
            settings = attrs.asdict(value)
            return ", ".join(f"{name} {item}" for name, item in settings.items() if item)
        case _:
            return str(value)
