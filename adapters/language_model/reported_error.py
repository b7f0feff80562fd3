"""Reads the errors that endpoints report, with any status and in any shape."""

from collections.abc import Mapping
from typing import Final

TOO_MANY: Final = 429
UNAVAILABLE: Final = 503
OVERLOADED: Final = 529
"""Anthropic's status for an overload; Cloudflare's for a busy site."""

_FIRST_STATUS: Final = 400
_LAST_STATUS: Final = 599
_STATUSES: Final[Mapping[str, int]] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "billing_error": 402,
    "insufficient_quota": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": TOO_MANY,
    "rate_limit_exceeded": TOO_MANY,
    "rate_limited": TOO_MANY,
    "resource_exhausted": TOO_MANY,
    "too_many_requests": TOO_MANY,
    "api_error": 500,
    "internal_server_error": 500,
    "server_error": 500,
    "engine_overloaded": UNAVAILABLE,
    "server_is_overloaded": UNAVAILABLE,
    "service_unavailable": UNAVAILABLE,
    "slow_down": UNAVAILABLE,
    "unavailable": UNAVAILABLE,
    "overloaded": OVERLOADED,
    "overloaded_error": OVERLOADED,
}
"""Types and codes of errors, of OpenAI, Anthropic, Google and others, as statuses of HTTP."""

_NO_MONEY: Final = ("insufficient_quota", "billing_error", "billing_hard_limit_reached")


def status_of(error: object) -> int | None:
    """Return the HTTP status that an error object stands for, or None if it does not say.

    Its code may be a number, a text, or the name of a kind of errors.
    """
    if not isinstance(error, Mapping):
        return None
    for key in ("code", "status", "type"):
        value = error.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = f"{value:.0f}"
        if not isinstance(value, str):
            continue
        if value.isdecimal() and _FIRST_STATUS <= int(value[:9]) <= _LAST_STATUS:
            return int(value)
        if value.lower() in _STATUSES:
            return _STATUSES[value.lower()]
    return None


def is_out_of_money(error: object) -> bool:
    """Return whether an account is used up. Some endpoints say so with the status of a limit."""
    kinds = (error.get("code"), error.get("type")) if isinstance(error, Mapping) else ()
    return any(kind in _NO_MONEY for kind in kinds)


def is_overloaded(error: object) -> bool:
    """Return whether a refusal, whatever its status, says that there are too many calls."""
    return status_of(error) in (TOO_MANY, UNAVAILABLE, OVERLOADED)
