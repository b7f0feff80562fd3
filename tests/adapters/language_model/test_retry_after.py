"""How long a refusal asks to wait, in the forms that endpoints use."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from adapters.language_model.retry_after import seconds_to_wait

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0.5 ", 0.5),
        ("6s", 6.0),
        ("250ms", 0.25),
        ("1m30s", 90.0),
        ("1h0m2.5s", 3602.5),
        ("1d", 86_400.0),
        (str(EPOCH + 40), 40.0),
        (f"{EPOCH + 40}.5", 40.5),
        (str((EPOCH + 40) * 1000), 40.0),
        (str(EPOCH - 40), 0.0),
        (format_datetime(NOW + timedelta(minutes=2), usegmt=True), 120.0),
        (format_datetime(NOW + timedelta(minutes=2)), 120.0),
        ("2026-05-01T12:02:00Z", 120.0),
        ("2026-05-01T14:02:00+02:00", 120.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wednesday, 21-Oct-15 07:28:00 GMT", 0.0),
        ("Wed Oct 21 07:28:00 2015", 0.0),
        ("-1", None),
        ("inf", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("6 sheep", None),
        ("Wed, 21 Oct 20155 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 +99999999999999999999", None),
    ],
)
@pytest.mark.parametrize("header", ["retry-after", "x-ratelimit-reset", "x-ratelimit-reset-tokens"])
def test_a_header_is_read_in_all_forms(header, value, seconds):
    assert seconds_to_wait({header: value}, NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after": "2", "x-ratelimit-reset": "60"}, 2.0),
        ({"anthropic-ratelimit-requests-reset": "2026-05-01T12:00:30Z"}, 30.0),
        ({"ratelimit-reset": "30"}, 30.0),
        ({"x-ratelimit-limit-requests": "20", "x-ratelimit-remaining-requests": "0"}, None),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "20s",
                "x-ratelimit-remaining-tokens": "900",
                "x-ratelimit-reset-tokens": "6m0s",
            },
            20.0,
        ),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "20s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "6m0s",
            },
            360.0,
        ),
        ({"x-ratelimit-reset-requests": "20s", "x-ratelimit-reset-tokens": "6m0s"}, 20.0),
    ],
)
def test_the_limit_that_is_used_up_decides(headers, seconds):
    assert seconds_to_wait(headers, NOW) == seconds
