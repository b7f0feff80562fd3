"""Every command works with any store: a package offers data roots of a URL's scheme."""

import json
import re
import sys

import pytest
from click.testing import CliRunner

from daydreaming_dagster.bootstrap import DATA_ROOT_GROUP, SetupError, open_data_root
from daydreaming_dagster.cli.app import app

MODULE = """\
from pathlib import Path
from adapters import InMemoryGensStore
from adapters.cohort_store.filesystem import FilesystemCohortStore
from adapters.cohort_store.in_memory import InMemoryCohortStore
from daydreaming_dagster.bootstrap import DataRoot

opened = {}

def open_lab(url):
    # What a researcher would have written; everything else stays in memory.
    if url not in opened:
        files = FilesystemCohortStore("LAB")
        catalog = files.read_catalog()
        templates = {
            (stage, name): (files.paths.template_file(stage, name)).read_text("utf-8")
            for stage, name in catalog.templates
            if files.paths.template_file(stage, name).exists()
        }
        cohorts = InMemoryCohortStore(catalog, {"c1": files.read_spec("c1")})
        store = InMemoryGensStore(templates=templates)
        opened[url] = DataRoot(url, store, cohorts, None, Path("HOME"))
    return opened[url]
"""


@pytest.fixture
def daydream(tmp_path, data_root, chat_endpoint, monkeypatch):
    """A data root in memory under the URL `mem://lab`, which an installed package opens."""
    site = tmp_path / "site"
    info = site / "memory_roots-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: memory-roots\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{DATA_ROOT_GROUP}]\nmem = memory_roots:open_lab\n")
    module = MODULE.replace("LAB", str(data_root)).replace("HOME", str(tmp_path / "home"))
    (site / "memory_roots.py").write_text(module)
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("OPENAI_BASE_URL", chat_endpoint.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.delenv("DAGSTER_HOME", raising=False)

    def call(*arguments):
        return CliRunner().invoke(app, [*arguments, "-d", "mem://lab"], catch_exceptions=False)

    yield call
    sys.modules.pop("memory_roots", None)


def test_a_cohort_is_planned_run_and_looked_at_in_a_store_of_another_package(
    daydream, data_root, tmp_path
):
    assert "21 new" in daydream("plan", "c1").stdout
    assert daydream("run", "c1").exit_code == 0
    status = json.loads(daydream("status", "c1", "--json").stdout)
    assert {stage: state["done"] for stage, state in status.items()} == {
        "draft": 3,
        "essay": 6,
        "evaluation": 12,
    }
    results = json.loads(daydream("results", "c1", "--json").stdout)
    assert [row["n"] for row in results["essays"]] == [2] * 6
    assert daydream("report", "c1").stdout == "memory:c1/report.html\n"
    assert daydream("report", "c1", "-o", str(tmp_path / "page.html")).exit_code == 0
    assert json.loads(daydream("check", "--json").stdout) == {
        "generations": 21,
        "findings": [],
        "removed": [],
    }
    shown = daydream("show", "essay", results["essays"][0]["essay"])
    assert "Tell a story" in shown.stdout or "Link" in shown.stdout
    assert "21 of" not in daydream("tail", "c1").stdout
    assert not (data_root / "gens").exists()
    assert not (data_root / "cohorts/c1/membership.csv").exists()


def test_a_file_url_is_a_folder(data_root):
    assert open_data_root(data_root.as_uri()).cohorts.list_cohorts() == ["c1"]


def test_a_file_url_of_another_machine_is_no_folder_of_this_one():
    assert open_data_root("file://localhost/lab").location == "/lab"
    with pytest.raises(SetupError, match=r"file://lab/tides names the machine 'lab'"):
        open_data_root("file://lab/tides")


def test_a_url_that_nothing_opens_says_what_is_missing():
    with pytest.raises(SetupError, match="no installed package opens the data root s9://bucket"):
        open_data_root("s9://bucket")
    with pytest.raises(SetupError, match=r"name a folder or a bucket \(s3://, gs://, az://\)"):
        open_data_root("gcs://bucket/tides")


@pytest.mark.parametrize(
    "url",
    [
        "s3:/lab/x",
        "s3:lab",
        "s3:///x",
        "s3://lab//x",
        "s3://lab/x?region=eu",
        "az://lab/x#y",
        "gs:",
    ],
)
def test_a_malformed_url_of_a_bucket_is_neither_a_folder_nor_another_bucket(url):
    with pytest.raises(SetupError, match=f"{re.escape(url)} does not name a bucket"):
        open_data_root(url)


@pytest.mark.parametrize("url", ["s3://lab", "s3://lab/", "S3://lab/some ideas//", "gs://lab/a/b/"])
def test_a_slash_at_the_end_of_a_url_changes_nothing(use_s3, url):
    assert open_data_root(url).location == url.rstrip("/")
