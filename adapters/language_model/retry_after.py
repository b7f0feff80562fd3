"""Reads from a refusal's headers how long to wait, in the forms that endpoints use."""

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_UNITS: Final[Mapping[str, float]] = {
    "ms": 0.001,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86_400.0,
}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_EPOCH: Final = 1e9
"""A larger number of seconds is a time since 1970 (from 2001 on), no duration (of 31 years)."""
_EPOCH_IN_MS: Final = 1e11


def seconds_to_wait(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return how long a refusal's headers ask to wait, or None if they do not say.

    `Retry-After` (RFC 9110, section 10.2.3) is seconds or a date; endpoints also send durations
    such as `1m30s`, and times since 1970. `retry-after-ms` is more precise. Without both, the time
    is taken at which a rate limit is reset: of those of which nothing remains, the latest, and
    otherwise the earliest.

    Args:
        headers: The headers, with names in lower case.
        now: The current time, with its zone.
    """
    milliseconds = _seconds(headers.get("retry-after-ms", ""), now)
    if milliseconds is not None:
        return milliseconds / 1000
    seconds = _seconds(headers.get("retry-after", ""), now)
    if seconds is not None:
        return seconds
    resets = dict(_resets(headers, now))
    used_up = [seconds for seconds, remaining in resets.items() if remaining == "0"]
    return max(used_up) if used_up else min(resets, default=None)


def _resets(headers: Mapping[str, str], now: datetime) -> Iterator[tuple[float, str | None]]:
    """Yield when each limit is reset, and what remains of it until then.

    OpenAI and others send `x-ratelimit-reset-requests`, OpenRouter `x-ratelimit-reset`, Anthropic
    `anthropic-ratelimit-requests-reset`, drafts of the IETF `ratelimit-reset`.
    """
    for name, value in headers.items():
        if "ratelimit" in name and "reset" in name:
            seconds = _seconds(value, now)
            if seconds is not None:
                yield seconds, headers.get(name.replace("reset", "remaining"))


def _seconds(value: str, now: datetime) -> float | None:
    """Return a duration or a time as seconds from now, at least 0; None if it is neither."""
    value = value.strip()
    if _DURATION.fullmatch(value):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))
    try:
        number = float(value)
    except ValueError:
        moment = _moment(value)
        return None if moment is None else max(0.0, (moment - now).total_seconds())
    if not 0 <= number < math.inf:
        return None
    if number > _EPOCH_IN_MS:
        number /= 1000
    return max(0.0, number - now.timestamp()) if number > _EPOCH else number


def _moment(value: str) -> datetime | None:
    """Return a time in a form of RFC 9110 or of RFC 3339, with its zone."""
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = parse(value)
        except (ValueError, OverflowError):  # OverflowError for numbers that exceed C's range
            continue
        # The oldest of the formats has no time zone; all are in UTC.
        return moment.replace(tzinfo=moment.tzinfo or UTC)
    return None
