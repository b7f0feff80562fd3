"""Dagster's UI as a researcher sees it: a cohort that the command ran, one draft of which failed.

All tests look at one server, started outside the checkout as `dagster dev` starts it.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib.util import find_spec

import attrs
import pytest
from playwright.sync_api import expect, sync_playwright

from adapters import FilesystemGensStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from bucket_server import free_port
from calls import PATIENCE

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)

pytestmark = [
    pytest.mark.skipif(
        not CHROMIUM, reason="no browser: install Chromium (Debian: apt-get install chromium)"
    ),
    pytest.mark.skipif(
        find_spec("dagster_webserver") is None,
        reason='no webserver: pip install "daydreaming-dagster[ui]"',
    ),
]

LAUNCH = """mutation($run: ExecutionParams!) {
  launchRun(executionParams: $run) {... on LaunchRunSuccess {run {id}}}
}"""
BACKFILL = """mutation($backfill: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $backfill) {... on LaunchBackfillSuccess {backfillId}}
}"""
RUN_STATE = "query($id: ID!) {runOrError(runId: $id) {... on Run {status}}}"
BACKFILL_STATE = """query($id: String!) {
  partitionBackfillOrError(backfillId: $id) {... on PartitionBackfill {status}}
}"""


@attrs.define
class Server:
    """The UI of a data root, and what is in it."""

    url: str
    members: dict[str, list[str]]
    store: FilesystemGensStore
    failed: str
    run_id: str = ""
    backfill: str = ""

    def ask(self, query, **variables):
        """Return what the server's GraphQL endpoint answers."""
        request = urllib.request.Request(  # noqa: S310  # the server is ours
            f"{self.url}/graphql",
            json.dumps({"query": query, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:  # noqa: S310
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]


@pytest.fixture(scope="module")
def environment(lasting_data_root, lasting_chat_endpoint):
    kept = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    return {
        **kept,
        "DAYDREAM_DATA_ROOT": str(lasting_data_root),
        "OPENAI_BASE_URL": lasting_chat_endpoint.base_url,
        "OPENAI_API_KEY": "sk-secret",
    }


@pytest.fixture(scope="module")
def server(lasting_data_root, lasting_chat_endpoint, environment, tmp_path_factory):
    answer = lasting_chat_endpoint.answer
    refusal = (400, {"error": {"message": "no ants with bees"}})
    lasting_chat_endpoint.answer = lambda prompt: (
        refusal if "Ant" in prompt and "Bee" in prompt else answer(prompt)
    )
    for command in ("plan", "run"):
        subprocess.run(
            [sys.executable, "-m", "daydreaming_dagster", command, "c1"],
            env=environment,
            capture_output=True,
            check=False,  # the run fails, as it shall
        )
    lasting_chat_endpoint.answer = answer
    store = FilesystemGensStore(lasting_data_root)
    members = FilesystemCohortStore(store.paths).read_membership("c1")
    folder = tmp_path_factory.mktemp("elsewhere")
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                sys.executable,
                *f"-m dagster dev -m daydreaming_dagster.definitions -p {port}".split(),
            ],
            cwd=folder,
            env={**environment, "DAGSTER_HOME": str(lasting_data_root / "dagster_home")},
            stdout=log,
            stderr=log,
        )
    server = Server(f"http://127.0.0.1:{port}", members, store, members["draft"][0])
    try:
        wait_for(lambda: answers(server, process), (folder / "log").read_text)
        (run,) = server.ask("{runsOrError {... on Runs {results {id}}}}")["runsOrError"]["results"]
        server.run_id = run["id"]
        # The daemon looks at backfills each 30 seconds, and meanwhile the pages are looked at.
        backfill = {
            "assetSelection": [{"path": [f"essay_{step}"]} for step in ("prompt", "raw")],
            "partitionNames": members["essay"][-2:],
        }
        launched = server.ask(BACKFILL, backfill=backfill)["launchPartitionBackfill"]
        server.backfill = launched["backfillId"]
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)


def answers(server, process):
    assert process.poll() is None, "the server ended"
    try:
        return server.ask("{assetNodes {id}}")["assetNodes"]
    except urllib.error.URLError:
        return None


def wait_for(probe, explain=str):
    """Return what the probe returns as soon as it is something."""
    end = time.monotonic() + PATIENCE
    while not (found := probe()):
        assert time.monotonic() < end, explain()
        time.sleep(0.2)
    return found


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        # Containers run as root, where Chromium's own sandbox does not start.
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        expect.set_options(timeout=PATIENCE * 1000)
        yield browser
        browser.close()


@pytest.fixture
def page(browser, server):
    """A page that is opened with paths; at the end, nothing was complained about."""
    context = browser.new_context(base_url=server.url, viewport={"width": 1500, "height": 950})
    page = context.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    page.on(
        "response",
        lambda response: complaints.append(response.url) if response.status >= 400 else None,
    )
    yield page
    context.close()
    assert complaints == []


def see(page, *texts):
    """Wait until each text is on the page."""
    for text in texts:
        expect(page.get_by_text(text).first).to_be_visible()


def test_the_graph_reads_from_cohort_to_results(page):
    page.goto("/asset-groups")
    see(page, "Global asset lineage", "results")

    groups = ["cohort", "draft", "essay", "evaluation", "results"]
    boxes = [page.get_by_text(group, exact=True).last.bounding_box() for group in groups]
    places = [box["x"] for box in boxes]
    assert places == sorted(set(places))  # an edge that leads back would move them


def test_an_asset_says_what_it_is(page):
    page.goto("/assets/draft_raw")

    see(page, "The model's unchanged answer for each draft, with its tokens and duration.")
    see(page, "researchers", "llm", "generate_drafts")


def test_partitions_show_what_is_done_and_what_failed(page, server):
    page.goto("/assets/draft_raw?view=partitions")

    see(page, "Failed (1)", "Materialized (2)", "Missing (0)", *server.members["draft"])


def test_a_failed_partition_says_why(page, server):
    page.goto(f"/assets/draft_raw?view=partitions&partition={server.failed}")
    see(page, "failed, and did not materialize this asset")
    page.get_by_text("View all historical events (1)").click()
    see(page, f"Historical events for {server.failed}")
    page.get_by_text(server.failed, exact=True).last.click()

    see(page, "LanguageModelError", "refused with status 400: no ants with bees")


def test_a_materialization_shows_the_texts_and_leads_to_its_parent(page, server):
    gen_id = server.members["evaluation"][-1]
    folder = server.store.generation_dir("evaluation", gen_id)
    parent = server.store.read_main_metadata("evaluation", gen_id)["parent_gen_id"]

    page.goto(f"/assets/evaluation_prompt?view=partitions&partition={gen_id}")
    see(page, "Judge: ", str(folder), "bee+cod@sentence")
    page.goto(f"/assets/evaluation_raw?view=partitions&partition={gen_id}")
    see(page, "SCORE: 6", "big-1-0613", "prompt_tokens", "completion_tokens")
    page.goto(f"/assets/evaluation_parsed?view=partitions&partition={gen_id}")
    see(page, "score_normalised", "0.666")
    page.get_by_role("link", name=parent).click()
    see(page, "essay_parsed", "Re: Link Bee")


def test_the_run_says_what_failed_and_what_to_do(page, server):
    page.goto(f"/runs/{server.run_id}")

    see(page, "partition: c1", "STEP_FAILURE")
    see(page, "1 generation failed, 6 not started, 14 done and kept")
    see(page, "run again to generate what is missing", "change the prompt")
    expect(page.get_by_role("cell", name=server.failed).first).to_be_visible()


@pytest.mark.parametrize(
    ("asset", "findings"), [("cohort_run", "7 findings"), ("draft_parsed", "1 finding")]
)
def test_checks_show_what_they_found(page, server, asset, findings):
    page.goto(f"/assets/{asset}?view=checks&checkDetail=parsed_present")

    see(page, "Each generation has a text that was parsed from its present answer.")
    see(page, findings, f"draft/{server.failed}", "Succeeded")
    see(page, "there is no parsed text of its present answer")
    expect(page.locator(f"a[href*='{server.run_id}?']")).to_be_visible()


def test_searching_finds_an_asset(page):
    page.goto("/overview")
    page.get_by_text("Search", exact=True).first.click()
    page.keyboard.type("evaluation_par")

    found = page.get_by_role("link").filter(has_text="evaluation_parsed").first
    found.click()

    see(page, "The result of the template's parser for each evaluation.")


def test_a_backfill_of_two_partitions_ends_well(server):
    def state():
        state = server.ask(BACKFILL_STATE, id=server.backfill)["partitionBackfillOrError"]["status"]
        return state if state.startswith(("COMPLETED", "FAILED")) else None

    assert wait_for(state) == "COMPLETED_SUCCESS"


def test_a_cohort_that_is_run_from_the_ui_ends_well(server):
    # The last test: it mends what failed.
    selector = {
        "repositoryName": "__repository__",
        "repositoryLocationName": "daydreaming_dagster.definitions",
        "jobName": "run_cohort",
    }
    tags = [{"key": "dagster/partition", "value": "c1"}]
    run = {"selector": selector, "mode": "default", "executionMetadata": {"tags": tags}}
    run_id = server.ask(LAUNCH, run=run)["launchRun"]["run"]["id"]

    def state():
        state = server.ask(RUN_STATE, id=run_id)["runOrError"]["status"]
        return state if state in {"SUCCESS", "FAILURE"} else None

    assert wait_for(state) == "SUCCESS"
    assert server.store.read_parsed("draft", server.failed).startswith("Re: Link Ant")
