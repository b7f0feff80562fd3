"""The endpoints that models are called at."""

from collections.abc import Mapping
from typing import Final

import attrs

from daydreaming_dagster.ports.language_model import DEFAULT_PATIENCE_SECONDS

LOCAL_PROVIDER: Final = "local"
"""The provider of the demo's model on this machine. No endpoint can have this id."""

DEFAULT_TIMEOUT_SECONDS: Final = 600.0

DEFAULT_BATCH_REQUESTS: Final = 50_000
DEFAULT_BATCH_MEGABYTES: Final = 200.0
"""OpenAI's limits on one batch: https://developers.openai.com/api/docs/guides/batch."""
DEFAULT_BATCH_POLL_SECONDS: Final = 10.0


@attrs.frozen
class EndpointEntry:
    """A row of the endpoint catalog. Rows with the same id share the load of their models.

    It names the environment variables that hold secrets, and never contains one.

    Attributes:
        id: What `provider` of a model names.
        base_url: Its URL, usually ending in `/v1`. Its query is sent with each request.
        api_key_variable: The environment variable with the key; empty if it needs none.
        header_variables: The environment variables with further headers, by header.
        timeout_seconds: The maximum duration of a call.
        first_token_timeout_seconds: The maximum wait for the first part of an answer; None waits as
            long as for the whole.
        stream: Whether answers are sent in parts.
        patience_seconds: How long the endpoint is waited for if it takes no calls.
        batch: Whether it has batches.
        batch_requests: The maximum number of questions in a batch.
        batch_megabytes: The maximum size of a batch, in units of 1,000,000 bytes.
        batch_poll_seconds: The wait before the first look at a batch.
    """

    id: str
    base_url: str
    api_key_variable: str = ""
    header_variables: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    patience_seconds: float = DEFAULT_PATIENCE_SECONDS
    first_token_timeout_seconds: float | None = None
    stream: bool = True
    batch: bool = True
    batch_requests: int = DEFAULT_BATCH_REQUESTS
    batch_megabytes: float = DEFAULT_BATCH_MEGABYTES
    batch_poll_seconds: float = DEFAULT_BATCH_POLL_SECONDS

    @property
    def account(self) -> tuple[str, ...]:
        """What its limits belong to: the URL and the names of the variables with secrets."""
        return self.base_url, *self.variables

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that calls need."""
        return tuple(filter(None, (self.api_key_variable, *self.header_variables.values())))
