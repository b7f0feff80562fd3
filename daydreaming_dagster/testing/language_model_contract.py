"""The contract of `LanguageModel` as tests, to be run on any adapter.

A test module of an adapter subclasses the contract, and pytest runs it::

    from daydreaming_dagster.testing import LanguageModelContract

    class TestMyLanguageModel(LanguageModelContract[MyLanguageModel]):
        @pytest.fixture
        def model(self, endpoint: Endpoint) -> MyLanguageModel:
            endpoint.answer = lambda prompt: prompt
            return MyLanguageModel(endpoint.url)

        def sent(self, model: MyLanguageModel) -> int:
            return len(model.endpoint.received)
"""
# ruff: noqa: S101  pytest asserts

import asyncio
from contextlib import ExitStack
from typing import Generic, TypeVar

import pytest

from daydreaming_dagster.domain.generation.cancellation import StoppedError
from daydreaming_dagster.ports.language_model import Completion, LanguageModel, ModelRequest

ModelT = TypeVar("ModelT", bound=LanguageModel)

_REQUEST = ModelRequest("A prompt.\r\n", "big-1", "acme")


class LanguageModelContract(Generic[ModelT]):
    """What every `LanguageModel` does. See the module's docstring for how to use it."""

    @pytest.fixture
    def model(self) -> ModelT:
        """Return a new model that answers each prompt with the prompt itself."""
        raise NotImplementedError

    def sent(self, model: ModelT) -> int:
        """Return how many requests were sent, to an endpoint or to what stands for one."""
        raise NotImplementedError

    def test_an_answer_is_the_text_to_the_character(self, model: ModelT) -> None:
        (completion,) = _ask(model, _REQUEST)

        assert isinstance(completion, Completion)
        assert completion.text == _REQUEST.prompt
        assert completion.model
        assert completion.duration_seconds >= 0
        assert completion.failed_attempts == ()

    def test_a_call_sends_one_request(self, model: ModelT) -> None:
        _ask(model, _REQUEST)

        assert self.sent(model) == 1

    def test_of_many_calls_at_once_each_gets_its_own_answer(self, model: ModelT) -> None:
        requests = [ModelRequest(f"Prompt {i}", "big-1", "acme") for i in range(20)]

        completions = _ask(model, *requests)

        assert [completion.text for completion in completions] == [r.prompt for r in requests]

    def test_a_check_of_what_is_set_up_finds_nothing_and_sends_nothing(self, model: ModelT) -> None:
        assert list(model.check([("acme", "big-1")])) == []
        assert self.sent(model) == 0

    def test_nothing_is_sent_after_a_stop(self, model: ModelT) -> None:
        model.stop("enough")

        with pytest.raises(StoppedError, match="enough"):
            _ask(model, _REQUEST)
        assert self.sent(model) == 0

    def test_nothing_is_sent_to_a_model_that_was_stopped_and_others_answer(
        self, model: ModelT
    ) -> None:
        model.stop("refused", ("acme", "big-1"))

        with pytest.raises(StoppedError, match="refused"):
            _ask(model, _REQUEST)
        assert self.sent(model) == 0
        (completion,) = _ask(model, ModelRequest("Another.", "big-2", "acme"))
        assert completion.text == "Another."

    def test_another_thread_may_stop_it(self, model: ModelT) -> None:
        async def stop_and_ask() -> None:
            await asyncio.to_thread(model.stop, "enough")
            await model.complete(_REQUEST)

        with pytest.raises(StoppedError, match="enough"):
            asyncio.run(stop_and_ask())

    def test_a_call_that_was_sent_goes_on_after_a_stop(self, model: ModelT) -> None:
        async def stop_meanwhile() -> Completion:
            call = asyncio.create_task(model.complete(_REQUEST))
            async with asyncio.timeout(60):
                while not self.sent(model):  # noqa: ASYNC110  no event tells it from outside
                    await asyncio.sleep(0)
            model.stop("enough")
            try:
                return await call
            finally:
                await model.aclose()

        assert asyncio.run(stop_meanwhile()).text == _REQUEST.prompt

    def test_a_model_that_was_closed_answers_again(self, model: ModelT) -> None:
        """Also in another event loop."""
        for _ in range(2):
            (completion,) = _ask(model, _REQUEST)
            assert completion.text == _REQUEST.prompt

    def test_closing_twice_or_what_was_never_asked_does_nothing(self, model: ModelT) -> None:
        async def close_twice() -> None:
            await model.aclose()
            await model.aclose()

        asyncio.run(close_twice())
        assert self.sent(model) == 0

    def test_a_call_that_is_cancelled_keeps_no_other_from_its_answer(self, model: ModelT) -> None:
        async def cancel_and_ask() -> Completion:
            call = asyncio.create_task(model.complete(_REQUEST))
            await asyncio.sleep(0)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            try:
                async with asyncio.timeout(60):
                    return await model.complete(_REQUEST)
            finally:
                await model.aclose()

        assert asyncio.run(cancel_and_ask()).text == _REQUEST.prompt

    def test_what_the_caller_keeps_stays_open_until_the_caller_closes_it(
        self, model: ModelT
    ) -> None:
        """And then the next call gets its turn, where a model limits how many are in flight."""
        closed: list[int] = []

        async def ask_one_after_the_other() -> None:
            for number in range(3):
                with ExitStack() as kept:
                    kept.callback(closed.append, number)
                    request = ModelRequest("Keep this.", "big-1", "acme", kept=kept)
                    async with asyncio.timeout(60):
                        await model.complete(request)
                    assert closed == list(range(number))
            await model.aclose()

        asyncio.run(ask_one_after_the_other())
        assert closed == [0, 1, 2]


def _ask(model: LanguageModel, *requests: ModelRequest) -> list[Completion]:
    async def ask() -> list[Completion]:
        try:
            async with asyncio.timeout(60):
                return await asyncio.gather(*map(model.complete, requests))
        finally:
            await model.aclose()

    return asyncio.run(ask())
