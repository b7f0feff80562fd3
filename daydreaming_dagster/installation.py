"""Whether the package `adapters` is this project's: AdapterHub's on PyPI has the same name.

With both in one environment, the files of the one that was installed last are found.
"""

from importlib.util import find_spec
from typing import Final

import attrs

from daydreaming_dagster.errors import DaydreamingError

_OURS: Final = "from adapters.gens_store."


@attrs.define(eq=False)
class ForeignAdaptersError(DaydreamingError, ImportError):
    """`import adapters` would import what is not this project's."""

    found: str

    def __str__(self) -> str:
        return (
            f"the package `adapters` is {self.found}, not the one of daydreaming-dagster, since "
            f"both were installed into one environment; install daydreaming-dagster into an "
            f"environment of its own (`python -m venv`)"
        )


def check_adapters() -> None:
    """Check that `import adapters` finds this project's package. Imports nothing.

    Raises:
        ForeignAdaptersError: It finds another distribution's, or nothing.
    """
    spec = find_spec("adapters")
    get_source = getattr(spec and spec.loader, "get_source", None)
    source = "" if get_source is None else get_source("adapters")
    if source is not None and _OURS not in source:  # None where only bytecode is installed
        raise ForeignAdaptersError(_found(None if spec is None else spec.origin))


def _found(origin: str | None) -> str:
    if origin is None:  # the other one was removed, and our file of the same name with it
        return "missing or incomplete"
    from importlib.metadata import packages_distributions

    owners = set(packages_distributions().get("adapters", [])) - {"daydreaming-dagster"}
    return f"{origin} of {' and '.join(sorted(owners)) or 'another project'}"
