"""A cohort whose models write whatever could harm a page, and its report."""

from datetime import UTC, datetime
from functools import partial

import attrs
import pytest

from adapters import InMemoryGensStore
from adapters.language_model.scripted import ScriptedLanguageModel
from builders import generate, make_catalog
from daydreaming_dagster.domain.catalog import Catalog, ConceptEntry, ModelEntry
from daydreaming_dagster.domain.cohort.index import CohortIndex
from daydreaming_dagster.domain.cohort.planning import make_plan, record_plan
from daydreaming_dagster.domain.cohort.spec import Axes, CohortSpec
from daydreaming_dagster.domain.generation.runner import GenerationRunner
from daydreaming_dagster.domain.generation.stored import read_stored_generation
from daydreaming_dagster.domain.results.report import CohortReport, gather_report
from daydreaming_dagster.domain.results.tables import make_result_tables
from daydreaming_dagster.domain.shipped_stages import SHIPPED
from daydreaming_dagster.ports.language_model import Completion, LanguageModelError
from daydreaming_dagster.report.figures import Figure, make_figures
from daydreaming_dagster.report.page import render_page
from daydreaming_dagster.types import STAGES

HOSTILE_NAME = '"></script><img src=x onerror="window.harmed=1">'
"""The id of a model, as anybody may write it in llm_models.csv."""

HOSTILE = {
    "a": "<script>window.harmed = 1</script></script><SCRIPT>window.harmed=1</SCRIPT>",
    "b": "[click](javascript:window.harmed=1) [data](data:text/html,x) <javascript:alert(1)>",
    "c": '<b onmouseover="window.harmed=1">bold</b> <a href="javascript:window.harmed=1">x</a>',
    "d": '<svg onload="window.harmed=1"><script>window.harmed=1</script></svg>',
    "e": "![picture](https://example.invalid/x.png) <img src=https://example.invalid/y.png>",
    "f": "\x1b[31mred\x1b[0m\x00\x07 and \x9b0m",
    "g": f"{'w' * 3000}\n\n    {'code' * 900}\n\n| a | b |\n|--:|---|\n| {'x' * 900} | y |",
    "h": "\u202edesrever\u202c \u2067\u05e9\u05dc\u05d5\u05dd \u200f x",
    "i": "",
    "j": "### Third\n\n# First\n\n#### Fourth\n\n~~gone~~ **bold** [good](https://example.invalid/)",
    "k": "line\u2028separator\u2029 <!-- ]]> --> &lt;i&gt; \U0001f400 ```",
}
"""What an essay about a combination that begins with this concept says."""

_PADDING = " " * 5
_JUDGE = "Judge"


def answer(request):
    """Draft, essay or judgement; one judge in each wrong way too."""
    if request.prompt.startswith("Link"):
        return f"Draft of {request.prompt}"
    if not request.prompt.startswith(_JUDGE):
        first = request.prompt.split("Link ")[1][0]
        text = HOSTILE[first] or _PADDING
        return Completion(text, "stop", request.model, 2.0, prompt_tokens=50, completion_tokens=9)
    if "desrever" in request.prompt:
        return "I like it <i>very</i> much."
    if "bold</b>" in request.prompt:
        return Completion("It is too lo", "length", request.model, 1.0)
    if "line\u2028" in request.prompt:
        return LanguageModelError("the endpoint is down")
    score = 9 if "Third" in request.prompt else len(request.prompt) % 7
    return Completion(
        f"A reason, said by a zebra.\nSCORE: {score}",
        "stop",
        request.model,
        1.5 + score,
        prompt_tokens=900,
        completion_tokens=40,
    )


@attrs.frozen
class Made:
    """A report with everything that it was made of."""

    store: InMemoryGensStore
    catalog: Catalog
    report: CohortReport
    figures: list[Figure]
    html: str


@pytest.fixture(scope="session")
def made():
    """Return a report of 55 drafts, 110 essays of which half are copies, and 220 evaluations."""
    concepts = {
        name: ConceptEntry(name, name, {"sentence": f"{name} is <i>{name}</i>."})
        for name in HOSTILE
    }
    concepts["b"] = ConceptEntry("b", f"b {HOSTILE_NAME}", {})
    models = (
        ModelEntry("big", "big-1", "acme", prompt_price=2.0, completion_price=10.0),
        ModelEntry(HOSTILE_NAME, "small-1", "acme"),
    )
    catalog = attrs.evolve(make_catalog(*models), concepts=concepts)
    store = InMemoryGensStore(
        templates={
            ("draft", "links"): "Link {% for c in concepts %}{{ c.name }} {% endfor %}",
            ("essay", "story"): "Tell a story of: {{ draft_block }}",
            ("evaluation", "judge"): "Judge: {{ response }}",
        }
    )
    names = [*HOSTILE]
    spec = CohortSpec(
        Axes(
            combo=[
                [first, names[(place + step) % len(names)]]
                for place, first in enumerate(names)
                for step in range(1, 6)
            ],
            draft_template=["links"],
            draft_llm=["big"],
            essay_template=["story", "copied"],
            essay_llm=["big"],
            evaluation_template=["judge"],
            evaluation_llm=[*catalog.models],
        ),
        description_level="sentence",
    )
    plan = make_plan(store, "c1", spec, catalog, allow_missing=True)
    record_plan(store, plan)
    members = {stage: plan.gen_ids(stage) for stage in STAGES}
    generate(GenerationRunner(store, ScriptedLanguageModel(answer), catalog), members)
    report = gather_report(store, catalog, "c1", members, CohortIndex())
    figures = make_figures(report, make_result_tables(SHIPPED, report.evaluations))
    made_at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    html = render_page(report, figures, partial(read_stored_generation, store), made_at)
    return Made(store, catalog, report, figures, html)
