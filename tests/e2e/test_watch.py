"""`daydream report --watch`: a page of this machine that follows a run."""

import http.client
import json
import re
import signal
from urllib.parse import urlsplit

import pytest

from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.gens_store.filesystem import UnsyncedFilesystemGensStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import generate, judge_or_echo
from calls import PATIENCE
from daydreaming_dagster.domain.generation.runner import GenerationRunner


def ask(address, path, *, host=None, method="GET"):
    """Return the status, the body and the headers of an answer."""
    url = urlsplit(address)
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=PATIENCE)
    connection.request(method, path, headers={"Host": host or url.netloc})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body, dict(answer.getheaders())


def test_the_page_follows_a_run_for_whoever_has_the_address_and_ends_with_ctrl_c(
    daydream, start, data_root
):
    daydream("plan", "c1")
    before = {file for file in data_root.rglob("*") if file.is_file()}
    process = start("report", "c1", "--watch")
    address = process.stdout.readline().strip()
    token = urlsplit(address).path

    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", address)
    status, page, headers = ask(address, token)
    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert "No essay has a score yet." in page
    assert "connect-src &#39;self&#39;" in page
    first = json.loads(ask(address, f"{token}progress")[1])
    assert first["said"] == "0 of 3 drafts, 0 of 6 essays, 0 of 12 evaluations done"
    assert first["version"] == int(re.search(r'data-version="(\d+)"', page)[1])
    assert {file for file in data_root.rglob("*") if file.is_file()} == before

    store = UnsyncedFilesystemGensStore(data_root)
    cohorts = FilesystemCohortStore(store.paths)
    runner = GenerationRunner(store, ScriptedLanguageModel(judge_or_echo), cohorts.read_catalog())
    generate(runner, cohorts.read_membership("c1"))

    then = json.loads(ask(address, f"{token}progress")[1])
    assert then["version"] > first["version"]
    assert then["said"] == "3 of 3 drafts, 6 of 6 essays, 12 of 12 evaluations done"
    assert "cannot be told apart" in ask(address, token)[1]

    assert ask(address, "/")[0] == 404
    assert ask(address, f"{token[:-2]}{'y' if token[-2] == 'x' else 'x'}/")[0] == 404
    assert ask(address, f"{token}../data")[0] == 404
    assert ask(address, token, host="evil.example")[0] == 421
    assert ask(address, token, method="POST")[0] == 501
    assert ask(address, token, method="PUT")[0] == 501

    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Traceback" not in complaints


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("c1", "--watch", "-o", "x.html"), "--watch writes no file"),
        (("c1", "--watch"), "cohort 'c1' is not planned yet"),
    ],
)
def test_what_cannot_be_watched_is_refused_before_anything_is_served(daydream, arguments, reason):
    result = daydream("report", *arguments)

    assert result.returncode == 2
    assert reason in result.stderr
