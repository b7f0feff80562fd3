"""Whatever moment a run by batch is killed at, nothing is submitted twice."""

import contextlib
import os
import signal
from collections import Counter

from adapters import FilesystemGensStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from batch_endpoint import serving_batches
from builders import write_data_root
from daydreaming_dagster.application.plan_cohort import plan_cohort

SPEC = """
axes:
  concepts: [ant, bee]
  k: 2
  draft_template: [links]
  draft_llm: [big]
  essay_template: [copied]
  evaluation_template: [judge]
  evaluation_llm: [big]
description_level: sentence
"""


def killing(endpoint):
    """Let requests kill the process that sends them, before or after they take effect."""
    requests = Counter()

    def kill(handler):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(handler.headers["X-Process"]), signal.SIGKILL)

    def is_last(handler, how):
        at = requests[handler.headers["X-Process"]]
        return handler.headers["X-Kill-How"] == how and int(handler.headers["X-Kill-At"]) == at

    def before(_number, handler):
        if is_last(handler, "lost"):
            kill(handler)
            raise ConnectionAbortedError

    def after(_number, handler):
        if is_last(handler, "taken"):
            kill(handler)
        requests[handler.headers["X-Process"]] += 1

    endpoint.before, endpoint.after = before, after
    endpoint.handle_error = lambda _request, _address: None


def test_a_run_killed_at_every_request_and_every_write_submits_nothing_twice(start, tmp_path):
    root = write_data_root(tmp_path / "begun")
    (root / "cohorts/c1/spec/config.yaml").write_text(SPEC)
    plan_cohort(FilesystemGensStore(root), FilesystemCohortStore(root), "c1")
    with serving_batches() as endpoint:
        killing(endpoint)
        ends = start("run_by_batch_and_be_killed", str(tmp_path), endpoint.url)()
        asked = Counter(
            (batch["metadata"]["daydream_data_root"].rpartition("/")[2], line)
            for batch in endpoint.batches.batches.values()
            for line in endpoint.batches.files[batch["input_file_id"]].splitlines()
        )

    unkilled = [texts for _, killed, texts, _ in ends if not killed]
    assert len(unkilled) == 3
    assert len(ends) >= 3 + 8 + 8 + 20  # requests, requests, changes
    assert [name for (name, _), times in asked.items() if times > 1] == []
    assert len(asked) == 2 * len(ends)
    for name, _, texts, left in ends:
        assert texts == unkilled[0], name
        assert left == [], name
