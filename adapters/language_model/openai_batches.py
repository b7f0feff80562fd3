"""The `BatchModel` for endpoints with OpenAI's `/files` and `/batches`."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import attrs

from adapters.language_model.chat_completion import error_words, read_body
from adapters.language_model.openai import (
    REDIRECT,
    OpenAILanguageModel,
    chat_body,
    read_refusal,
)
from adapters.language_model.redaction import redacted_url
from adapters.language_model.reported_error import is_overloaded, status_of
from adapters.language_model.streaming import read_lines
from daydreaming_dagster.domain.endpoints import (
    DEFAULT_BATCH_MEGABYTES,
    DEFAULT_BATCH_POLL_SECONDS,
    DEFAULT_BATCH_REQUESTS,
)
from daydreaming_dagster.ports.batch_model import BatchAnswer, BatchState, BatchTerms
from daydreaming_dagster.ports.language_model import (
    Completion,
    LanguageModelError,
    ModelKey,
    ModelRequest,
)

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from aiohttp import ClientResponse

_QUESTION_PATH: Final = "/v1/chat/completions"
_NAME_KEY: Final = "daydream_batch"
_LONGEST_VALUE: Final = 512
"""The longest value in a batch's metadata."""
_ENDED: Final = ("completed", "failed", "expired", "cancelled")
_TOO_MANY_TOKENS: Final = "token_limit_exceeded"
_AMBIGUOUS: Final = 500
_REQUEST_TIMEOUT: Final = 408
_LISTED: Final = 100


@attrs.frozen
class OpenAIBatches:
    """Asks by batch at one endpoint, with its key, headers and query as for chat completions.

    Attributes:
        endpoint: The endpoint.
        data_root: Where the answers are kept, for people who look at the endpoint's batches.
        most_requests: The maximum number of questions in a batch.
        most_bytes: The maximum size of a batch.
        poll_seconds: The wait before the first look at a batch.
    """

    endpoint: OpenAILanguageModel
    data_root: str = ""
    most_requests: int = DEFAULT_BATCH_REQUESTS
    most_bytes: int = int(DEFAULT_BATCH_MEGABYTES * 1_000_000)
    poll_seconds: float = DEFAULT_BATCH_POLL_SECONDS

    def terms(self, _model: ModelKey) -> BatchTerms | None:
        place = redacted_url(self.endpoint.base_url)
        return BatchTerms(place, self.most_requests, self.most_bytes, self.poll_seconds)

    def line(self, custom_id: str, request: ModelRequest) -> bytes:
        try:
            "".join(message.text for message in request.messages).encode()
        except UnicodeEncodeError:
            raise self.endpoint.errors.unsendable(request) from None
        question = {
            "custom_id": custom_id,
            "method": "POST",
            "url": _QUESTION_PATH,
            "body": chat_body(request, streamed=False),
        }
        return json.dumps(question, separators=(",", ":")).encode() + b"\n"

    async def upload(self, model: ModelKey, name: str, lines: Sequence[bytes]) -> str:
        from aiohttp import FormData  # here because only processes that call a model import it

        form = FormData({"purpose": "batch"}, default_to_multipart=True)
        form.add_field(
            "file",
            b"".join(lines),
            content_type="application/jsonl",
            filename=f"daydream-{name}.jsonl",
        )
        request = _request(model)
        sent = await self._json(request, self.endpoint.exchange(request, "POST", "/files", form))
        return self._text(model, sent, "id")

    async def submit(self, model: ModelKey, name: str, file_id: str, cohort_id: str) -> BatchState:
        metadata = {
            _NAME_KEY: name,
            "daydream_cohort": cohort_id,
            "daydream_data_root": self.data_root,
        }
        body = {
            "input_file_id": file_id,
            "endpoint": _QUESTION_PATH,
            "completion_window": "24h",
            "metadata": {key: value[:_LONGEST_VALUE] for key, value in metadata.items()},
        }
        try:
            return self._state(model, await self._post(model, "/batches", body))
        except LanguageModelError as error:
            # A gateway may fail after the endpoint has taken the batch.
            if error.status is not None and (
                error.status >= _AMBIGUOUS or error.status == _REQUEST_TIMEOUT
            ):
                error.may_be_billed = True
            raise

    async def find(self, model: ModelKey, name: str, file_id: str) -> BatchState | None:
        after: dict[str, str] = {}
        while True:
            query = {"limit": str(_LISTED), **after}
            listed = await self._get(model, "/batches", query)
            batches = _objects(listed.get("data"))
            for batch in batches:
                metadata = batch.get("metadata")
                named = isinstance(metadata, Mapping) and metadata.get(_NAME_KEY) == name
                if named or batch.get("input_file_id") == file_id:
                    return self._state(model, batch)
            if not batches or listed.get("has_more") is not True:
                return None
            after = {"after": self._text(model, batches[-1], "id")}

    async def look(self, model: ModelKey, batch_id: str) -> BatchState:
        return self._state(model, await self._get(model, f"/batches/{batch_id}"))

    async def answers(self, model: ModelKey, state: BatchState) -> AsyncIterator[BatchAnswer]:
        request = _request(model)
        for file_id in state.files:
            path = f"/files/{file_id}/content"
            async with self.endpoint.exchange(request, "GET", path) as response:
                await self._check(request, response)
                # As it arrives, since it may be large.
                async for line in read_lines(response.content.iter_any()):
                    answer = self._answer(request, state, line)
                    if answer is not None:
                        yield answer

    async def cancel(self, model: ModelKey, batch_id: str) -> None:
        await self._post(model, f"/batches/{batch_id}/cancel")

    async def aclose(self) -> None:
        await self.endpoint.aclose()

    def _answer(self, request: ModelRequest, state: BatchState, line: bytes) -> BatchAnswer | None:
        """Return what a line of an output file or an error file says; None if it is nothing."""
        try:
            document = read_body(line.decode(errors="replace"))
        except ValueError:  # its question counts as one without an answer
            return None
        custom_id = document.get("custom_id") if isinstance(document, Mapping) else None
        if not isinstance(document, Mapping) or not isinstance(custom_id, str):
            return None
        try:
            return BatchAnswer(custom_id, self._outcome(request, state, document))
        except LanguageModelError as error:
            return BatchAnswer(custom_id, error)

    def _outcome(
        self, request: ModelRequest, state: BatchState, document: Mapping[str, object]
    ) -> Completion | LanguageModelError | None:
        response, error = document.get("response"), document.get("error")
        body = response.get("body") if isinstance(response, Mapping) else None
        if isinstance(response, Mapping) and isinstance(body, Mapping):
            status = response.get("status_code")
            if isinstance(status, int) and status >= 400:  # noqa: PLR2004  RFC 9110
                return self.endpoint.errors.refused(request, status, body.get("error") or body)
            text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
            completion = self.endpoint.completion_in(request, body, text)
            return attrs.evolve(completion, duration_seconds=state.seconds, batch_id=state.id)
        code = str(error.get("code")).lower() if isinstance(error, Mapping) else ""
        if "expired" in code or "cancel" in code:
            return None
        errors = self.endpoint.errors
        if (refused_as := status_of(error)) is not None:
            return errors.refused(request, refused_as, error)
        words = errors.quoted(error_words(error) or json.dumps(document))
        refused = errors.unexpected(request, f"its batch reports an error: {words}")
        refused.may_be_billed = refused.of_endpoint = False
        return refused

    def _state(self, model: ModelKey, batch: Mapping[str, object]) -> BatchState:
        status = self._text(model, batch, "status").lower()
        counts = batch.get("request_counts")
        answered = counts.get("completed") if isinstance(counts, Mapping) else 0
        began = _number(batch.get("created_at"))
        over = max((_number(batch.get(f"{word}_at")) for word in _ENDED), default=0.0)
        files = (batch.get("output_file_id"), batch.get("error_file_id"))
        errors = batch.get("errors")
        problems = _objects(errors.get("data") if isinstance(errors, Mapping) else None)
        quoted = self.endpoint.errors.quoted
        return BatchState(
            self._text(model, batch, "id"),
            status,
            ended=status in _ENDED,
            answered=answered if isinstance(answered, int) else 0,
            seconds=max(0.0, (over or time.time()) - began) if began else 0.0,
            files=tuple(file for file in files if isinstance(file, str) and file),
            problem="; ".join(
                dict.fromkeys(quoted(error_words(each) or str(each)) for each in problems)
            )[:1000],
            refused={
                line - 1: quoted(error_words(each) or str(each))
                for each in problems
                if isinstance(line := each.get("line"), int)
            },
            too_many=any(
                each.get("code") == _TOO_MANY_TOKENS or is_overloaded(each) for each in problems
            ),
        )

    def _text(self, model: ModelKey, document: Mapping[str, object], key: str) -> str:
        """Return a value that the endpoint has to send.

        Raises:
            LanguageModelError: It sent something else.
        """
        value = document.get(key)
        if isinstance(value, str) and value:
            return value
        errors = self.endpoint.errors
        reason = f"the answer has no {key}: {errors.quoted(json.dumps(document))}"
        raise errors.unexpected(_request(model), reason)

    async def _get(
        self, model: ModelKey, path: str, query: Mapping[str, str] | None = None
    ) -> Mapping[str, object]:
        request = _request(model)
        return await self._json(request, self.endpoint.exchange(request, "GET", path, query=query))

    async def _post(
        self, model: ModelKey, path: str, body: Mapping[str, object] | None = None
    ) -> Mapping[str, object]:
        request, data = _request(model), None if body is None else json.dumps(body).encode()
        return await self._json(request, self.endpoint.exchange(request, "POST", path, data))

    async def _json(
        self, request: ModelRequest, exchange: "AbstractAsyncContextManager[ClientResponse]"
    ) -> Mapping[str, object]:
        """Return the JSON object that the endpoint answers with in an exchange.

        Raises:
            LanguageModelError: It could not be reached, refused, or answered otherwise.
        """
        errors, seconds = self.endpoint.errors, self.endpoint.timeout_seconds
        try:
            async with asyncio.timeout(seconds), exchange as response:
                await self._check(request, response)
                content = await response.read()
        except TimeoutError:
            raise errors.timed_out(request, "answer", seconds or 0.0) from None
        text = content.decode("utf-8-sig", errors="replace")
        try:
            document = read_body(text)
        except ValueError:
            document = None
        if isinstance(document, Mapping):
            return document
        reason = f"the answer is not a JSON object: {errors.quoted(text)}"
        raise errors.unexpected(request, reason)

    async def _check(self, request: ModelRequest, response: "ClientResponse") -> None:
        if response.status >= REDIRECT:
            raise self.endpoint.refused(request, response, await read_refusal(response))


def _request(model: ModelKey) -> ModelRequest:
    """Return what errors name: the model."""
    provider, name = model
    return ModelRequest("", name, provider)


def _objects(value: object) -> list[Mapping[str, object]]:
    """Return the objects in what should be a list of them."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
