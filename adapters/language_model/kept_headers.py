"""Which headers of an answer are kept beside it."""

import re
from collections.abc import Mapping
from typing import Final

from adapters.language_model.redaction import Redaction

_KEPT: Final = re.compile(r"rate-?limit|retry-after|request-id|processing-ms|cache(?!-control)")
"""What tells limits, finds a call in a provider's log, or says that a cache answered."""


def kept_headers(headers: Mapping[str, str], quoted: Redaction) -> dict[str, str]:
    """Return the headers that say something about limits, the call or a cache, in lower case."""
    return {
        name.lower(): quoted(value) for name, value in headers.items() if _KEPT.search(name.lower())
    }
