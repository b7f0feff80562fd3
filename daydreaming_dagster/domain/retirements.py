"""Warns before an endpoint no longer offers a model."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Final

from daydreaming_dagster.domain.catalog import ModelEntry
from daydreaming_dagster.formatting import counted

_SOON: Final = 60
"""How many days before a model retires the warnings begin."""


def retirements(
    models: Mapping[str, ModelEntry], used: Iterable[str], today: date
) -> Iterator[str]:
    """Yield a warning for each of the models that is retired, or soon will be."""
    for name in sorted(set(used) & models.keys()):
        retires = models[name].retires
        if retires is None:
            continue
        left = (retires - today).days
        if left < 0:
            yield f"{name} was retired on {retires}: it can no longer be asked"
        elif left <= _SOON:
            yield (
                f"{name} retires on {retires}, in {counted(left, 'day')}; if it judges, let its"
                " successor judge the same texts before, so that their scales can be equated"
            )
