"""What Dagster says of settings that it cannot use, in a line."""

import re
from typing import Final

_UNSET: Final = re.compile(r'environment variable "([^"]+)" which is not set')


def unset_variables(message: str) -> list[str]:
    """Return the environment variables that Dagster's message misses, in alphabetical order."""
    return sorted(set(_UNSET.findall(message)))


def in_a_line(message: str) -> str:
    """Return what Dagster's message says, without where in Dagster's code it was noticed."""
    if unset := unset_variables(message):
        return f"not set in the environment: {', '.join(unset)}"
    return " ".join(message.partition("Stack Trace:")[0].split())
