"""`daydream rate`."""

import re

import pytest


@pytest.fixture
def done(daydream, chat_endpoint):
    daydream("plan", "c1")
    daydream("run", "c1")


def test_the_page_and_its_key_are_written_and_said(daydream, data_root, done):
    written = daydream("rate", "c1", "--seed", "3", "--ratings", "9")

    folder = data_root / "cohorts/c1/ratings"
    assert (written.returncode, written.stdout) == (0, f"{folder / written.stdout[-22:-1]}\n")
    assert "9 ratings, about 1 minute; seed 3\n" in written.stderr
    assert sorted(re.sub("-.*?[.]", ".", file.name) for file in folder.iterdir()) == [
        "sheet.html",
        "sheet.key.json",
    ]
    assert daydream("check").returncode == 0


def test_without_a_seed_each_sheet_is_another_one(daydream, data_root, done):
    assert daydream("rate", "c1").stdout != daydream("rate", "c1").stdout


def test_a_cohort_with_nothing_to_rate_says_so(daydream):
    daydream("plan", "c1")
    refused = daydream("rate", "c1")

    assert refused.returncode == 2
    assert refused.stderr == "error: cohort 'c1': no essay is done yet\n"
