"""How many calls a model gets at once, and how fast, with a model that counts them."""

import asyncio
import shutil
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from adapters.language_model.limiting import LimitingLanguageModel
from adapters.language_model.retrying import RetryingLanguageModel
from adapters.root_files.filesystem import FilesystemRootFiles
from adapters.root_files.in_memory import InMemoryRootFiles
from daydreaming_dagster.domain.catalog import ModelLimits
from daydreaming_dagster.domain.generation.cancellation import StoppedError
from daydreaming_dagster.ports.language_model import (
    Completion,
    LanguageModelError,
    ModelRequest,
    SamplingParameters,
)

KEY = ("acme", "big-1")
REQUEST = ModelRequest("why?", "big-1", "acme")


@attrs.define
class Endpoint:
    """A model that serves `most` calls at once and refuses the others with 429."""

    most: int = 1000
    seconds: float = 0.02
    retry_after_seconds: float | None = None
    unavailable: bool = True
    completion_tokens: int | None = None
    in_flight: int = 0
    highest: int = 0
    answered: int = 0
    refused: int = 0
    began: list[float] = attrs.field(factory=list)

    async def complete(self, request: ModelRequest) -> Completion:
        self.began.append(time.monotonic())
        if self.in_flight >= self.most:
            self.refused += 1
            raise LanguageModelError(
                "too many",
                429,
                retryable=True,
                retry_after_seconds=self.retry_after_seconds,
                unavailable=self.unavailable,
            )
        self.in_flight += 1
        self.highest = max(self.highest, self.in_flight)
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.in_flight -= 1
        self.answered += 1
        return Completion("because", "stop", "big-1", 0.1, 1, self.completion_tokens)

    def stop(self, reason: str, model: object = None) -> None:
        pass

    async def aclose(self) -> None:
        pass


def limited(endpoint, folder, at_once=None, patience=600.0, **limits):
    return LimitingLanguageModel(
        endpoint, {KEY: ModelLimits(**limits)}, folder, at_once, patience, first_pause_seconds=0.02
    )


async def ask(model, times, request=REQUEST):
    calls = [asyncio.create_task(model.complete(request)) for _ in range(times)]
    return await asyncio.gather(*calls, return_exceptions=True)


async def until(condition):
    while not condition():  # noqa: ASYNC110  no event tells it from outside
        await asyncio.sleep(0.005)


async def test_a_limit_of_calls_at_once_is_kept_and_used(tmp_path):
    endpoint = Endpoint()

    await ask(limited(endpoint, tmp_path, at_once=5), 40)

    assert (endpoint.answered, endpoint.highest) == (40, 5)


async def test_the_models_own_limit_counts_before_the_general_one(tmp_path):
    endpoint = Endpoint()

    await ask(limited(endpoint, tmp_path, 50, concurrency=3), 20)

    assert (endpoint.answered, endpoint.highest) == (20, 3)


@pytest.mark.parametrize(("workers", "each"), [(1, 8), (3, 2), (20, 1)])
async def test_workers_divide_the_calls_at_once(tmp_path, workers, each):
    endpoint = Endpoint(seconds=60)
    model = attrs.evolve(limited(endpoint, tmp_path, concurrency=8), workers=workers)

    asking = asyncio.create_task(ask(model, 20))
    await until(lambda: endpoint.in_flight >= each)
    await asyncio.sleep(0.2)  # one more would come now
    asking.cancel()
    await asyncio.wait([asking])

    assert endpoint.highest == each


async def test_each_model_has_its_own_limit(tmp_path):
    endpoint = Endpoint(seconds=0.1)
    model = limited(endpoint, tmp_path, at_once=2)
    other = attrs.evolve(REQUEST, model="big-2")

    await asyncio.gather(*(model.complete(request) for request in [REQUEST, other] * 4))

    assert (endpoint.answered, endpoint.highest) == (8, 4)


async def test_two_instances_share_a_models_limit(tmp_path):
    endpoint = Endpoint()
    models = [limited(endpoint, tmp_path, at_once=2) for _ in range(2)]
    shared = [attrs.evolve(model, limits={KEY: ModelLimits(concurrency=2)}) for model in models]

    await asyncio.gather(*(model.complete(REQUEST) for model in shared * 5))

    assert (endpoint.answered, endpoint.highest) == (10, 2)


async def test_without_a_limit_it_grows_as_long_as_the_endpoint_takes_it(tmp_path):
    endpoint = Endpoint(seconds=0.05)

    await ask(limited(endpoint, tmp_path), 200)

    assert endpoint.answered == 200
    assert endpoint.highest > 16


async def test_without_a_limit_it_stays_near_what_the_endpoint_takes(tmp_path):
    endpoint = Endpoint(most=10)

    answers = await ask(limited(endpoint, tmp_path), 300)

    assert all(isinstance(answer, Completion) for answer in answers)
    assert endpoint.highest == 10
    assert endpoint.refused < 100


async def test_all_wait_as_long_as_the_endpoint_asks_one_to(tmp_path):
    endpoint = Endpoint(most=0, retry_after_seconds=0.4)
    model = limited(endpoint, tmp_path, at_once=1)

    calls = asyncio.create_task(ask(model, 3))
    await until(lambda: endpoint.refused)
    endpoint.most = 3
    answers = await calls

    assert [answer.failed_attempts for answer in answers] == [("too many",), (), ()]
    assert endpoint.began[1] - endpoint.began[0] >= 0.4


async def test_one_that_waits_for_its_rate_waits_for_the_endpoint_too(tmp_path):
    class RefusingLate(Endpoint):
        async def complete(self, request):
            self.began.append(time.monotonic())
            await asyncio.sleep(0.05)
            if len(self.began) == 1:
                raise LanguageModelError("busy", 429, retry_after_seconds=0.5, unavailable=True)
            return Completion("because", "stop", "big-1", 0.1)

    endpoint = RefusingLate()

    await ask(limited(endpoint, tmp_path, at_once=2, requests_per_minute=300), 2)

    assert endpoint.began[1] - endpoint.began[0] >= 0.5


async def test_an_endpoint_that_is_down_is_probed_by_one_call_until_it_answers(tmp_path):
    endpoint = Endpoint(most=0, seconds=0.0)
    model = limited(endpoint, tmp_path)

    calls = asyncio.create_task(ask(model, 50))
    await until(lambda: endpoint.refused >= 4 + 4)
    endpoint.most = 50
    answers = await calls

    assert all(isinstance(answer, Completion) for answer in answers)
    # The four of the first round, then one at a time; one more may go before the others answer.
    assert endpoint.refused <= 4 + 4 + 1


async def test_an_endpoint_that_stays_down_is_given_up_after_the_patience(tmp_path):
    endpoint = Endpoint(most=0)
    model = limited(endpoint, tmp_path, patience=0.2)
    began = time.monotonic()

    answers = await ask(model, 50)

    assert time.monotonic() - began >= 0.2
    assert {type(answer) for answer in answers} == {LanguageModelError}
    assert endpoint.refused < 4 + 10
    assert sum("was not called" in str(answer) for answer in answers) >= 40
    assert all(answer.of_endpoint or answer.status == 429 for answer in answers)


async def test_one_call_that_is_refused_while_others_are_answered_fails_after_the_patience(
    tmp_path,
):
    class Picky(Endpoint):
        async def complete(self, request):
            if request.prompt == "bad":
                self.refused += 1
                raise LanguageModelError("too large", 429, unavailable=True)
            return await super().complete(request)

    endpoint = Picky(seconds=0.0)
    model = limited(endpoint, tmp_path, patience=1.0)
    bad = asyncio.create_task(model.complete(attrs.evolve(REQUEST, messages="bad")))
    while not bad.done():
        await model.complete(REQUEST)

    with pytest.raises(LanguageModelError, match="too large") as caught:
        await bad
    # If no answer to another call ended its pauses, each twice as long, there would be six.
    assert len(caught.value.failed_attempts) == endpoint.refused - 1 >= 8


@pytest.mark.parametrize("error", [LanguageModelError("no", 400), ValueError("a bug")])
async def test_a_probe_that_ends_otherwise_holds_up_nobody(tmp_path, error):
    class Failing(Endpoint):
        async def complete(self, request):
            if len(self.began) == 1:
                self.began.append(0.0)
                raise error
            return await super().complete(request)

    endpoint = Failing(most=0)
    model = limited(endpoint, tmp_path, at_once=1)
    calls = asyncio.create_task(ask(model, 3))
    await until(lambda: len(endpoint.began) >= 2)
    endpoint.most = 1

    answers = await asyncio.wait_for(calls, 60)

    assert [type(answer) for answer in answers].count(Completion) == 2


async def test_a_wait_is_noted_with_its_reason_and_end(tmp_path):
    waits = []
    endpoint = Endpoint(most=0, retry_after_seconds=60)
    model = limited(endpoint, tmp_path)
    request = attrs.evolve(REQUEST, on_wait=waits.append)

    calls = asyncio.create_task(ask(model, 2, request))
    await until(lambda: waits)
    model.stop("enough")
    await calls

    assert (waits[0].model, waits[0].reason) == ("big-1", "rate limit")
    assert 50 < (waits[0].until - datetime.now(UTC)).total_seconds() <= 60


async def test_a_rate_of_requests_is_kept(tmp_path):
    endpoint = Endpoint(seconds=0.0)
    started = time.monotonic()

    await ask(limited(endpoint, tmp_path, requests_per_minute=1200), 6)

    assert endpoint.began[-1] - started >= 5 * 0.05 - 0.01


async def test_nobody_waits_for_an_endpoint_that_asks_for_a_day(tmp_path):
    endpoint = Endpoint(most=0, retry_after_seconds=86_400)
    model = RetryingLanguageModel(limited(endpoint, tmp_path, at_once=1))

    before = datetime.now().astimezone()
    first, second = await ask(model, 2)

    assert "too many" in str(first)
    assert isinstance(second, LanguageModelError)
    assert second.of_endpoint
    days = {f"{now + timedelta(days=1):%Y-%m-%d}" for now in (before, datetime.now().astimezone())}
    reason = "big-1 was not called: its endpoint takes no calls until"
    assert any(f"{reason} {day}" in str(second) for day in days)
    assert str(second).endswith("; the last refusal: too many")
    assert len(endpoint.began) == 1


async def test_a_rate_of_tokens_is_kept_by_what_was_used_in_fact(tmp_path):
    endpoint = Endpoint(seconds=0.0, completion_tokens=299)
    request = attrs.evolve(REQUEST, parameters=SamplingParameters(max_tokens=99))
    started = time.monotonic()

    await ask(limited(endpoint, tmp_path, at_once=1, tokens_per_minute=60_000), 3, request)

    # Each is let through for 100 tokens and then charged 300: 0.3 s at this rate.
    assert endpoint.began[-1] - started >= 2 * 0.3 - 0.02


async def test_what_an_answer_gives_back_is_used_at_once(tmp_path):
    endpoint = Endpoint(seconds=0.1, completion_tokens=1)
    hour = attrs.evolve(REQUEST, parameters=SamplingParameters(max_tokens=60_000))
    model = limited(endpoint, tmp_path, at_once=2, tokens_per_minute=1000)

    await asyncio.wait_for(asyncio.gather(*(model.complete(hour) for _ in range(2))), 30)

    assert endpoint.answered == 2


async def test_calls_are_let_through_in_the_order_in_which_they_came(tmp_path):
    endpoint = Endpoint(seconds=0.001)
    model = limited(endpoint, tmp_path, at_once=1)
    done = []

    async def complete(number):
        await model.complete(REQUEST)
        done.append(number)

    await asyncio.gather(*(complete(number) for number in range(20)))

    assert done == list(range(20))


async def test_a_run_that_stops_ends_those_that_wait_and_keeps_those_that_were_sent(tmp_path):
    endpoint = Endpoint(seconds=0.2)
    model = limited(endpoint, tmp_path, at_once=2)

    calls = [asyncio.create_task(model.complete(REQUEST)) for _ in range(10)]
    await until(lambda: endpoint.in_flight >= 2)
    model.stop("enough")
    answers = await asyncio.gather(*calls, return_exceptions=True)

    assert [type(answer) for answer in answers] == [Completion] * 2 + [StoppedError] * 8


async def test_a_stop_ends_the_wait_for_a_place_that_is_not_given_back(tmp_path):
    """As while an answer waits for a full disk."""
    model = limited(Endpoint(), tmp_path, at_once=1)
    with ExitStack() as kept:
        await model.complete(attrs.evolve(REQUEST, kept=kept))
        waiting = asyncio.create_task(model.complete(REQUEST))
        await asyncio.sleep(0)
        model.stop("the disk is full")

        with pytest.raises(StoppedError, match="the disk is full"):
            await asyncio.wait_for(waiting, 60)
        with pytest.raises(StoppedError, match="the disk is full"):
            await asyncio.wait_for(model.complete(REQUEST), 60)


async def test_a_call_that_is_cancelled_gives_its_place_to_the_next(tmp_path):
    endpoint = Endpoint(seconds=60)
    model = limited(endpoint, tmp_path, at_once=1)

    first, second, third = (asyncio.create_task(model.complete(REQUEST)) for _ in range(3))
    await until(lambda: endpoint.in_flight)
    second.cancel()
    first.cancel()
    endpoint.seconds = 0.0

    assert (await asyncio.wait_for(third, 60)).text == "because"


async def test_calls_that_are_cancelled_together_hold_up_nobody(tmp_path):
    endpoint = Endpoint(seconds=60)
    model = limited(endpoint, tmp_path, at_once=1)

    first, second, third = (asyncio.create_task(model.complete(REQUEST)) for _ in range(3))
    await until(lambda: endpoint.in_flight)
    first.cancel()  # gives its place away before the second knows that it is cancelled
    second.cancel()
    endpoint.seconds = 0.0

    assert (await asyncio.wait_for(third, 60)).text == "because"


async def test_other_errors_are_not_taken_for_too_many_calls(tmp_path):
    class Broken(Endpoint):
        async def complete(self, request):
            await super().complete(request)
            raise LanguageModelError("bad prompt", 400)

    endpoint = Broken(seconds=0.001)

    await ask(limited(endpoint, tmp_path), 50)

    assert endpoint.highest == 4


@pytest.mark.parametrize("limits", [{}, {"concurrency": 2}])
async def test_files_are_made_for_limits_alone(tmp_path, limits):
    await ask(limited(Endpoint(), tmp_path / "limits", **limits), 1)

    assert (tmp_path / "limits").exists() == bool(limits)


async def test_an_answer_is_kept_though_its_tokens_cannot_be_charged(tmp_path):
    folder = tmp_path / "limits"

    class Unwritable(Endpoint):
        async def complete(self, request):
            shutil.rmtree(folder)
            folder.write_text("no folder")
            return await super().complete(request)

    endpoint = Unwritable(completion_tokens=300)

    (answer,) = await ask(limited(endpoint, folder, tokens_per_minute=60_000), 1)

    assert isinstance(answer, Completion)


async def test_the_place_of_an_answer_is_free_when_it_is_kept(tmp_path):
    endpoint = Endpoint()
    limits = {KEY: ModelLimits(concurrency=1)}
    model = LimitingLanguageModel(endpoint, limits, tmp_path)
    kept = ExitStack()

    await model.complete(attrs.evolve(REQUEST, kept=kept))
    second = asyncio.create_task(model.complete(REQUEST))
    await asyncio.sleep(0.3)
    assert len(endpoint.began) == 1

    kept.close()
    await asyncio.wait_for(second, 60)

    assert len(endpoint.began) == 2


async def test_the_place_of_a_call_that_failed_is_free_at_once(tmp_path):
    endpoint = Endpoint(most=0, unavailable=False)
    model = LimitingLanguageModel(endpoint, {}, tmp_path, concurrency=1)

    for _ in range(2):
        with pytest.raises(LanguageModelError):
            await asyncio.wait_for(model.complete(attrs.evolve(REQUEST, kept=ExitStack())), 60)

    assert endpoint.refused == 2


@pytest.mark.parametrize("files", [None, InMemoryRootFiles()], ids=["folder", "bucket"])
async def test_a_process_heeds_what_the_endpoint_asked_another_one_for(tmp_path, files):
    refusing, asked, waits = Endpoint(most=0, retry_after_seconds=4.0), Endpoint(), []
    folder = tmp_path / "limits"
    one, other = (attrs.evolve(limited(each, folder), files=files) for each in (refusing, asked))
    refused = asyncio.create_task(ask(one, 1))
    told = FilesystemRootFiles(folder) if files is None else files
    await until(lambda: told.find("*/pause.json") + told.find("limits/*/*/pause.json"))
    refusing.most = 1000

    await ask(other, 3, attrs.evolve(REQUEST, on_wait=waits.append))

    assert min(asked.began) - refusing.began[0] >= 4.0 - 0.1
    # One call probes, and then the others come.
    assert asked.began[1] - asked.began[0] >= asked.seconds
    assert {wait.reason for wait in waits} == {"another process was refused"}
    await refused
    assert (refusing.refused, refusing.answered) == (1, 1)
