"""Parsers of other packages, which may do anything."""

import textwrap
from importlib.metadata import EntryPoint

import pytest

from adapters.plugin_process import PluginParser
from daydreaming_dagster.domain.errors import ResponseParseError
from daydreaming_dagster.domain.parsing.response import ParsedResponse, ResponseReader

PARSERS = """\
import os
import re

from daydreaming_dagster.domain.parsing.response import NotReadableError, ParsedResponse


def parse(response):
    match response:
        case "hang":
            re.match(r"(a+)+$", "a" * 60 + "b")  # keeps the interpreter's lock for years
        case "refuse":
            raise NotReadableError("no tea")
        case "fail":
            raise ZeroDivisionError
        case "nonsense":
            return lambda: response
        case "end":
            os._exit(3)
    return ParsedResponse(response.upper())
"""


@pytest.fixture
def read(tmp_path, monkeypatch):
    (tmp_path / "odd_parsers.py").write_text(textwrap.dedent(PARSERS))
    monkeypatch.syspath_prepend(tmp_path)
    entry_point = EntryPoint("odd", "odd_parsers:parse", "daydreaming_dagster.parsers.draft")
    return ResponseReader("odd", PluginParser(entry_point, 1.0))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("hang", "the parser itself failed: it took longer than 1 s"),
        ("refuse", "no tea"),
        ("fail", r"the parser itself failed: ZeroDivisionError\(\)"),
        ("nonsense", "the parser itself failed: .*pickle"),
        ("end", "the parser itself failed: its process ended"),
    ],
)
def test_a_parser_of_another_package_fails_its_answer_alone(read, answer, reason):
    assert read("tea") == ParsedResponse("TEA")

    with pytest.raises(ResponseParseError, match=reason):
        read(answer)

    assert read("tea") == ParsedResponse("TEA")
